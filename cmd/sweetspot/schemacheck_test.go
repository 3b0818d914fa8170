package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"sweetspot/docs/schemas"
)

// invalidOutput is the exit code of the program in scripts if its JSON does not match the schema.
const invalidOutput = 99

// mainChecked is main in the scripts. It compares what --json prints with the schema.
func mainChecked() {
	args := os.Args[1:]
	asJSON := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--json") })
	exports := slices.Contains(args, "json") && !slices.Contains(args, "--diff") // --format json
	if !asJSON && !exports {
		main()
		return
	}
	var copied bytes.Buffer
	code := run(os.Args, os.Environ(), os.Stdin, io.MultiWriter(os.Stdout, &copied), os.Stderr)
	if err := checkOutput(args, code, copied.Bytes()); err != nil {
		fmt.Fprintf(os.Stderr, "the JSON of %q is not what its schema says: %v\n", args, err)
		code = invalidOutput
	}
	os.Exit(code)
}

// checkOutput compares the output of a command line with its schema, and with the exit code.
func checkOutput(args []string, code int, out []byte) error {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil // ended by a signal, or JSON in a file
	}
	if slices.Contains(args, "--json=lines") {
		for line := range bytes.Lines(out) {
			if err := validate("profile-line", line, strict); err != nil {
				return err
			}
		}
		return nil
	}
	name, err := documentOf(args, out)
	if err != nil {
		return err
	}
	if err := validate(name, out, strict); err != nil {
		return err
	}
	var doc struct{ Exit *int }
	if json.Unmarshal(out, &doc) == nil && doc.Exit != nil && *doc.Exit != code {
		return fmt.Errorf("%s: exit %d in the JSON, but the exit code is %d", name, *doc.Exit, code)
	}
	return nil
}

// documentOf returns the name of the schema of the output of a command line.
func documentOf(args []string, out []byte) (string, error) {
	var keys map[string]json.RawMessage
	object := json.Unmarshal(out, &keys) == nil
	has := func(word string) bool { return slices.Contains(args, word) }
	_, failed := keys["error"]
	_, several := keys["plans"]
	switch {
	case object && failed && len(keys) <= 3 && keys["exit"] != nil:
		return "error", nil
	case has("--dry-run") && several:
		return "dry-runs", nil
	case has("--dry-run"):
		return "dry-run", nil
	case has("compare") && has("--measure"):
		return "measured-comparison", nil
	case has("show") && has("--at"):
		return "prediction", nil
	case several:
		return "sweeps", nil
	}
	for word, name := range map[string]string{
		"compare": "comparison", "merge": "merge", "import": "imported", "archive": "archive", "show": "profile", "report": "profile", "list": "profiles", "export": "choice", "check": "check",
		"doctor": "doctor", "restore": "restore", "version": "version", "--sweep": "sweep", "--resume": "sweep", "--hold": "sweep",
	} {
		if has(word) || slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, word+"=") }) {
			return name, nil
		}
	}
	return "", fmt.Errorf("no schema is known for the output of %q", args)
}

// strictness says whether fields that the schema does not have are errors. The published schemas
// allow them, because later versions add fields; what this version writes has none.
type strictness bool

const (
	published strictness = false
	strict    strictness = true
)

// compiled has the schemas that were used before.
var compiled = map[string]*jsonschema.Schema{}

// validate compares JSON with a schema.
func validate(name string, text []byte, s strictness) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	sch, err := compileSchema(name, s)
	if err != nil {
		return err
	}
	return sch.Validate(v)
}

func compileSchema(name string, s strictness) (*jsonschema.Schema, error) {
	key := fmt.Sprint(name, s)
	if sch := compiled[key]; sch != nil {
		return sch, nil
	}
	text, ok := schemas.Get(name)
	if !ok {
		return nil, errors.New("no schema " + name)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if s == strict {
		closeObjects(doc, true)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("s.json", doc); err != nil {
		return nil, err
	}
	sch, err := c.Compile("s.json")
	if err == nil {
		compiled[key] = sch
	}
	return sch, err
}

// closeObjects forbids other fields than those of the schema, except where it says what others are,
// in conditions, and in the lines of profiles, whose fields are in their definitions.
func closeObjects(node any, root bool) {
	switch node := node.(type) {
	case map[string]any:
		_, fields := node["properties"].(map[string]any)
		_, others := node["additionalProperties"]
		if fields && !others && node["type"] == "object" && !(root && node["allOf"] != nil) {
			node["additionalProperties"] = false
		}
		for _, k := range slices.Sorted(maps.Keys(node)) {
			closeObjects(node[k], false)
		}
	case []any:
		for _, n := range node {
			closeObjects(n, false)
		}
	}
}
