package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// wantJSON reads --output.
func (a *app) wantJSON() (bool, error) {
	switch a.flags.output {
	case "text":
		return false, nil
	case "json":
		return true, nil
	}
	return false, usageError("write --output text or --output json", "unknown output %q", a.flags.output)
}

// printJSON writes v for programs: indented, and with <, > and & as they are.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}
