package config

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed starter.yaml
var starter string

// Starter is a config file to begin with. With tracking IDs it tags every write
// with them; without it observes: nothing is changed, all is recorded. The IDs
// must have been checked.
func Starter(ids ...string) []byte {
	mode, rules := ModeObserve, `
#
#   - name: ours
#     match: {}
#     trackingIds: [11111111-2222-3333-4444-555555555555]
#
rules: []`
	if len(ids) > 0 {
		mode, rules = ModeEnforce, fmt.Sprintf(`
rules:
  - name: ours
    match: {}
    trackingIds: [%s]`, strings.Join(ids, ", "))
	}
	return []byte(strings.NewReplacer("MODE", mode, "\nRULES", rules).Replace(starter))
}
