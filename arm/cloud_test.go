package arm_test

import (
	"testing"

	"github.com/attribproxy/attribproxy/arm"
)

func TestManagementHost(t *testing.T) {
	want := map[arm.Cloud]string{
		arm.CloudPublic:       "management.azure.com",
		arm.CloudUSGovernment: "management.usgovcloudapi.net",
		arm.CloudChina:        "management.chinacloudapi.cn",
	}
	if got := len(arm.Clouds()); got != len(want) {
		t.Errorf("Clouds lists %d, want %d", got, len(want))
	}
	for _, c := range arm.Clouds() {
		got, err := arm.ManagementHost(c)
		if err != nil || got != want[c] {
			t.Errorf("ManagementHost(%q) = %q, %v; want %q", c, got, err, want[c])
		}
	}
	if got, err := arm.ManagementHost("germany"); err == nil {
		t.Errorf("ManagementHost of an unknown cloud gave %q, want an error", got)
	}
}
