package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/attribproxy/attribproxy/audit"
)

// fieldGroups are all fields of an event, as its line in the journal has them:
// a field that somebody adds cannot be forgotten here.
func fieldGroups(e *audit.Event) ([]group, error) {
	line, err := e.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("writing the event: %w", err)
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(line, &values); err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	groups := []group{{Title: "Decision"}, {Title: "Request"}, {Title: "Client"}, {Title: "Answer"}, {Title: "Place in the journal"}}
	for _, name := range audit.Fields() {
		raw, ok := values[name]
		if !ok {
			continue
		}
		g := &groups[groupOf(name)]
		g.Pairs = append(g.Pairs, pair{name, plain(raw)})
	}
	kept := groups[:0]
	for _, g := range groups {
		if len(g.Pairs) > 0 {
			kept = append(kept, g)
		}
	}
	return kept, nil
}

// groupOf says where a field belongs; what nobody knows stands with the chain.
func groupOf(name string) int {
	switch name {
	case audit.FieldOutcome, audit.FieldReason, audit.FieldRule, audit.FieldIDs, audit.FieldMode, audit.FieldConfigHash, audit.FieldTemplateIDs:
		return 0
	case audit.FieldMethod, audit.FieldHost, audit.FieldPath, audit.FieldAPIVersion, audit.FieldScope, audit.FieldSubscription,
		audit.FieldResourceGroup, audit.FieldResourceType, audit.FieldResourceName, audit.FieldDeployment, audit.FieldUAIn, audit.FieldUAOut,
		audit.FieldBytesUp:
		return 1
	case audit.FieldTool, audit.FieldClient, audit.FieldProcess, audit.FieldLabels, audit.FieldClientRequestID:
		return 2
	case audit.FieldStatus, audit.FieldError, audit.FieldDurationMS, audit.FieldBytesDown, audit.FieldCorrelationID, audit.FieldRequestID:
		return 3
	}
	return 4
}

// plain writes a JSON value for people: a list as its elements.
func plain(raw json.RawMessage) string {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return strings.Join(list, ", ")
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(bytes.TrimSpace(raw))
}
