package config

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of a config file, for editors and
// for checks in a pipeline. [Load] checks more than a schema can say.
func Schema() []byte { return append([]byte(nil), schema...) }
