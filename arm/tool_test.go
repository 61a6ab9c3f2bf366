package arm_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/attribproxy/attribproxy/arm"
)

func TestRecognizeTool(t *testing.T) {
	const plat = "Linux-6.1.0-x86_64-with-glibc2.36"
	tests := []struct{ userAgent, want string }{
		// As seen on the wire.
		{"AZURECLI/2.45.0 (DEB) azsdk-python-azure-mgmt-resource/22.0.0 Python/3.11.2 (" + plat + ")", "azure-cli"},
		{"python/3.11.2 (" + plat + ") AZURECLI/2.45.0 (DEB)", "azure-cli"}, // az rest
		{"AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8 (" + plat + ") (AAZ)", "azure-cli"},
		{"azsdk-python-azure-mgmt-resource/22.0.0 Python/3.11.2 (" + plat + ")", "azure-sdk-python"},
		{"azsdk-js-arm-resources/7.0.0 core-rest-pipeline/1.24.0 Node/20.20.2 (Linux 6.1; x64)", "azure-sdk-js"},
		{"azsdk-go-armresources/v1.2.0 (go1.26.8; linux)", "azure-sdk-go"},
		{"curl/7.88.1", "curl"},
		{"Wget/1.21.3", "wget"},
		{"python-requests/2.28.1", "python-requests"},
		{"undici", "node"},
		{"node", "node"},
		{"HashiCorp Terraform/1.11.4 (+https://www.terraform.io) terraform-provider-azapi/2.0.0 pid-222c6c49-1b0a-5959-a213-6608f9eb8820", "terraform-azapi"},

		// As their sources build it.
		{"HashiCorp/go-azure-sdk (Go-http-Client/1.1 resources/2022) HashiCorp Terraform/1.9 (+https://www.terraform.io) terraform-provider-azurerm/4.1.0 pid-222c6c49-1b0a-5959-a213-6608f9eb8820", "terraform-azurerm"},
		{"HashiCorp Terraform/1.9 (+https://www.terraform.io) terraform-provider-azuread/3.0", "terraform"},
		{"pulumi-azure-native/2.0 azsdk-go-armresources/v1.2.0 (go1.22; linux) pid-a90539d8-a7a6-5826-95c4-1fbef22d4b22", "pulumi-azure-native"},
		{"AzurePowershell/v12.0.0 PSVersion/v7.4.1 Az.Resources/7.1.0", "azure-powershell"},
		{"azsdk-go-armresources.DeploymentsClient/v1.2.0 (go1.22; linux),azdev/1.9.0 (Go 1.22; linux/amd64)", "azd"},
		{"bicep/0.28.1 azsdk-net-ResourceManager/1.10.0 (.NET 8.0; Linux)", "bicep"},
		{"myapp azsdk-net-ResourceManager/1.10.0 (.NET 8.0; Linux)", "azure-sdk-net"},
		{"azsdk-java-azure-resourcemanager/2.38.0 (17.0.11; Linux; 6.1)", "azure-sdk-java"},
		{"Ansible/2.16.3 azsdk-python-mgmt-resource/23.0 Python/3.12", "ansible"},
		{"Packer/1.11.0 (+https://www.packer.io/; go1.21; linux/amd64) HashiCorp/go-azure-sdk (Go-http-Client/1.1)", "packer"},
		{"HashiCorp/go-azure-sdk (Go-http-Client/1.1)", "hashicorp-go-azure-sdk"},
		{"Java-http-client/17.0.11", "java"},
		{"Java/17.0.11", "java"},
		{"Go-http-client/2.0", "go"},
		{"Mozilla/5.0 (Linux; Debian; en-US) PowerShell/7.4.1", "powershell"},

		{"azurecli/2.45.0", "azure-cli"}, // without case
		{"curl/8.0 pid-b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4", "curl"},
		{"", ""},
		{"Mozilla/5.0", ""},
		{"mycurl/1.0", ""}, // not at the beginning of a token
		{"nodexyz", ""},    // not the whole of one
		{"see(AZURECLI/2)", "azure-cli"},
		{"terraform-provider-azurermx/1", ""},
	}
	for _, tt := range tests {
		if got := arm.RecognizeTool(tt.userAgent); got != tt.want {
			t.Errorf("RecognizeTool(%q) = %q, want %q", tt.userAgent, got, tt.want)
		}
	}
}

func TestToolsAreWellFormed(t *testing.T) {
	id := regexp.MustCompile(`^[a-z][a-z-]*[a-z]$`)
	var seen []string
	for _, tool := range arm.Tools() {
		if !id.MatchString(tool.ID) || slices.Contains(seen, tool.ID) || tool.Name == "" {
			t.Errorf("tool %+v: its ID is malformed or taken, or it has no name", tool)
		}
		seen = append(seen, tool.ID)
		if tool.Native == "" && tool.Limit == "" {
			t.Errorf("tool %s says neither how to carry an ID nor why it cannot", tool.ID)
		}
		if (tool.DefaultID == "") != (tool.OptOut == "") {
			t.Errorf("tool %s: a default ID and its opt-out go together", tool.ID)
		}
		if found, ok := arm.FindTool(tool.ID); !ok || found.Name != tool.Name {
			t.Errorf("FindTool(%q) = %+v, %v", tool.ID, found, ok)
		}
	}
	if _, ok := arm.FindTool("no-such-tool"); ok {
		t.Error("FindTool found a tool that is none")
	}
	// The rows that reports and recommendations rely on.
	for _, want := range []string{
		"azure-cli", "azure-powershell", "azure-sdk-go", "azure-sdk-python", "azure-sdk-net", "azure-sdk-java", "azure-sdk-js",
		"terraform-azurerm", "terraform-azapi", "pulumi-azure-native", "azd", "bicep", "ansible", "packer", "curl", "wget", "python-requests", "node",
	} {
		if !slices.Contains(seen, want) {
			t.Errorf("the table lacks %s", want)
		}
	}
}

func BenchmarkRecognize(b *testing.B) {
	r := arm.NewRecognizer()
	b.ReportAllocs()
	for b.Loop() {
		r.Recognize("AZURECLI/2.45.0 (DEB) azsdk-python-azure-mgmt-resource/22.0.0 Python/3.11.2 (Linux-6.1.0-x86_64-with-glibc2.36)")
	}
}
