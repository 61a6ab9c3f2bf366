package main

import (
	"errors"
	"fmt"

	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
)

// firstEvent finds the name of the first tagged write, as `audit show` takes it.
func (d *demo) firstEvent() (string, error) {
	for e, err := range audit.Read(d.journal(), audit.Filter{Outcomes: []string{string(attribution.OutcomeAttributed)}}) {
		if err != nil {
			return "", fmt.Errorf("reading the journal: %w", err)
		}
		return e.ID(), nil
	}
	return "", errors.New("the journal has no tagged write")
}
