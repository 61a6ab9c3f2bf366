package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// YAML is the configuration in effect, without secrets, in the form of a config
// file. Behind each value that is not a default stands where it came from.
func (l *Loaded) YAML() ([]byte, error) {
	node, err := l.node("", reflect.ValueOf(*l.Config.Redacted()))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, fmt.Errorf("writing configuration: %w", err)
	}
	return b.Bytes(), nil
}

// JSON is the configuration in effect, without secrets, with where its values
// came from: {"config": {…}, "origins": {"mode": "ATTRIBPROXY_MODE"}, "hash": "…"}.
func (l *Loaded) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(struct {
		File    string            `json:"file,omitempty"`
		Hash    string            `json:"hash"`
		Config  *Config           `json:"config"`
		Origins map[string]string `json:"origins"`
	}{l.File, l.Config.Hash(), l.Config.Redacted(), l.leafOrigins()}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing configuration: %w", err)
	}
	return append(b, '\n'), nil
}

// leafOrigins are the origins of the keys that hold values.
func (l *Loaded) leafOrigins() map[string]string {
	out := map[string]string{}
	walk(reflect.ValueOf(*l.Config), "", func(path string, _ reflect.Value) {
		if where, ok := l.Origins[path]; ok {
			out[path] = where
		}
	})
	return out
}

// node builds the YAML of one value.
func (l *Loaded) node(path string, v reflect.Value) (*yaml.Node, error) {
	node := &yaml.Node{}
	switch {
	case v.Kind() == reflect.Struct && !isText(v.Type()):
		node.Kind = yaml.MappingNode
		for _, k := range keysOf(v.Type()) {
			at := join(path, k.name)
			child, err := l.node(at, v.Field(k.index))
			if err != nil {
				return nil, err
			}
			name := &yaml.Node{Kind: yaml.ScalarNode, Value: k.name}
			l.comment(at, name, child, v.Field(k.index))
			node.Content = append(node.Content, name, child)
		}
	case v.Kind() == reflect.Slice:
		node.Kind = yaml.SequenceNode
		if v.Type().Elem().Kind() != reflect.Struct || v.Len() == 0 {
			node.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			child, err := l.node(path+"[]", v.Index(i))
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, child)
		}
	default:
		if err := node.Encode(plain(v)); err != nil {
			return nil, fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return node, nil
}

// comment notes where a key's value came from, on the line of the key.
func (l *Loaded) comment(path string, name, value *yaml.Node, v reflect.Value) {
	where, ok := l.Origins[path]
	switch {
	case !ok, value.Kind == yaml.MappingNode:
	case value.Kind == yaml.SequenceNode && v.Type().Elem().Kind() == reflect.Struct && v.Len() > 0:
		name.HeadComment = "from " + where
	default:
		value.LineComment = "from " + where
	}
}
