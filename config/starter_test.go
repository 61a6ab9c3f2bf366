package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/config"
)

func TestStarter(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][]string{"observing": nil, "one ID": {guid}, "two IDs": {guid, "pid-contoso-offer-partnercenter"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := config.Starter(ids...)
			if err := compiled(t).Validate(fromYAML(t, content)); err != nil {
				t.Errorf("against the schema: %v", err)
			}
			cfg := load(t, fromFile(t, string(content)))
			if len(ids) == 0 {
				if cfg.Mode != config.ModeObserve || len(cfg.Rules) != 0 {
					t.Errorf("%+v", cfg)
				}
				return
			}
			if cfg.Mode != config.ModeEnforce || len(cfg.Rules) != 1 {
				t.Fatalf("%+v", cfg)
			}
			if diff := cmp.Diff(ids, cfg.Rules[0].TrackingIDs); diff != "" {
				t.Error(diff)
			}
		})
	}
}
