package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sweetspot/docs/schemas"
)

// freeform matches the places of documents that may have any value: plans, whose keys are those of
// plan files; values of other servers; and lines of other kinds.
var freeform = regexp.MustCompile(`(^|/)plan(/|$)|/keys/\d+/value$|^/other/`)

// unknownWord is a value that no enumeration has.
const unknownWord = "an unknown word"

// TestSchemasRefuse: a document of each kind, printed by the program, matches its schema. With a value
// of another type, without a required field, or with an unknown value of an enumeration, it does not.
func TestSchemasRefuse(t *testing.T) {
	tried := map[string]int{}
	for name, text := range printed(t) {
		if err := validate(name, text, strict); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if testing.Short() && name == "profile" {
			continue // its lines have the fields of a sweep
		}
		var doc any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		for _, m := range mutate(doc, "", func() any { return doc }) {
			parent, field := schemaAt(t, name, m.path)
			required, _ := parent["required"].([]any)
			_, isEnum := field["enum"]
			switch {
			case freeform.MatchString(m.path),
				m.what == "absent" && !slices.Contains(required, any(m.path[strings.LastIndex(m.path, "/")+1:])),
				m.what == unknownWord && !isEnum:
				continue
			}
			tried[m.what]++
			if err := validate(name, m.text, published); err == nil {
				t.Errorf("%s: valid although %s is %s", name, m.path, m.what)
			}
		}
	}
	if tried["absent"] < 100 || tried[unknownWord] < 10 || tried["an object"] < 100 {
		t.Errorf("documents with mistakes: %v", tried)
	}
}

// mutant is a document with one mistake.
type mutant struct {
	path, what string
	text       []byte
}

// mutate returns documents with one mistake each, at node and below it. root returns the whole document.
func mutate(node any, path string, root func() any) []mutant {
	var out []mutant
	write := func(path, what string) {
		text, err := json.Marshal(root())
		if err != nil {
			panic(err) // it was JSON before
		}
		out = append(out, mutant{path, what, text})
	}
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			at := path + "/" + key
			delete(node, key)
			write(at, "absent")
			for what, wrong := range wrongValues(value) {
				node[key] = wrong
				write(at, what)
			}
			node[key] = value
			out = append(out, mutate(value, at, root)...)
		}
	case []any:
		for i, value := range node[:min(len(node), 2)] {
			at := path + "/" + strconv.Itoa(i)
			for what, wrong := range wrongValues(value) {
				node[i] = wrong
				write(at, what)
			}
			node[i] = value
			out = append(out, mutate(value, at, root)...)
		}
	}
	return out
}

// wrongValues returns values of other types than that of v.
func wrongValues(v any) map[string]any {
	switch v.(type) {
	case map[string]any, []any:
		return map[string]any{"a text": "x", "a number": 1}
	case string:
		return map[string]any{"an object": map[string]any{}, "a truth value": true, unknownWord: unknownWord}
	case nil:
		return map[string]any{"an object": map[string]any{}}
	}
	return map[string]any{"a list": []any{}, "an object": map[string]any{}}
}

// schemaAt returns the published schemas of the object with the field at a path, and of the field; null
// if the path leaves the schema.
func schemaAt(t *testing.T, name, path string) (parent, field map[string]any) {
	t.Helper()
	root := parsedSchema(t, name)
	field = resolve(root, root)
	for p := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		parent = field
		next := parent["items"]
		if props, ok := parent["properties"].(map[string]any); ok {
			next = props[p]
		}
		m, _ := next.(map[string]any)
		field = resolve(root, m)
	}
	return parent, field
}

// parsedSchemas has the schemas that were read before.
var parsedSchemas = map[string]map[string]any{}

func parsedSchema(t *testing.T, name string) map[string]any {
	t.Helper()
	if parsedSchemas[name] == nil {
		text, _ := schemas.Get(name)
		var root map[string]any
		if err := json.Unmarshal(text, &root); err != nil {
			t.Fatal(err)
		}
		parsedSchemas[name] = root
	}
	return parsedSchemas[name]
}

// resolve follows references, and the alternative to null.
func resolve(root, node map[string]any) map[string]any {
	if either, ok := node["anyOf"].([]any); ok && len(either) > 0 {
		node, _ = either[0].(map[string]any)
	}
	ref, ok := node["$ref"].(string)
	if !ok {
		return node
	}
	defs, _ := root["$defs"].(map[string]any)
	def, _ := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	return def
}

// printed returns a document of each kind, by the names of their schemas.
func printed(t *testing.T) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	base, err := filepath.Abs("../../profiles/testdata/earlier/virtual.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for name, text := range map[string]string{
		"one.yaml":     "version: 1\nsla: {percentile: 99, limit: 400ms}\nstrategy: grid\nknobs: {workers: 1, batch_size: [1, 8], batch_delay_ms: 1, precision: fp16, device: gpu}\n",
		"c.properties": "inference_address=http://0.0.0.0:8080 # all\nload_models=all\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_STATE_HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	out := map[string][]byte{}
	print := func(name, command string) {
		var stdout, stderr bytes.Buffer
		code := run(append([]string{"sweetspot"}, strings.Fields(command)...), env, strings.NewReader(""), &stdout, &stderr)
		if err := checkOutput(strings.Fields(command), code, stdout.Bytes()); err != nil || stdout.Len() == 0 {
			t.Fatalf("%s: %d bytes, %v\n%s", command, stdout.Len(), err, stderr.String())
		}
		out[name] = stdout.Bytes()
	}
	const sweep = "sim:animated-drawings --target virtual --sweep=one.yaml --json -q "
	if !testing.Short() {
		print("sweep", sweep+"--shard 1/2 --out one")
		print("sweep", sweep+"--shard 2/2 --out two")
		print("merge", "profiles merge one two --json --to merged.jsonl")
	}
	print("sweep", sweep+"--out a")
	print("dry-run", sweep+"--dry-run")
	print("error", "--sweep=nothing.yaml --json")
	print("profiles", "profiles list --json")
	print("profile", "profiles show a --json")
	print("prediction", "profiles show a --at 20rps --json")
	print("comparison", "profiles compare a a --json")
	print("choice", "export "+base+" --format json")
	print("check", "check c.properties --json")
	print("version", "version --json")
	data, err := os.ReadFile("a/profile.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		kind := regexp.MustCompile(`"t":"(\w+)"`).FindSubmatch(line)
		if kind == nil {
			t.Fatalf("a line without a kind: %s", line)
		}
		if err := validate("profile-line", line, strict); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
	}
	return out
}

// TestEnumerationsAreClosed: every schema of an enumeration refuses another word. There are some in
// the schemas whose documents have no value of them.
func TestEnumerationsAreClosed(t *testing.T) {
	found := 0
	for _, name := range schemas.Names() {
		eachEnum(parsedSchema(t, name), func(values []any) {
			found++
			if len(values) < 2 || slices.Contains(values, any("x")) {
				t.Errorf("%s: the enumeration %v", name, values)
			}
		})
		if _, err := compileSchema(name, published); err != nil {
			t.Error(fmt.Errorf("%s: %w", name, err))
		}
	}
	if found < 50 {
		t.Errorf("only %d enumerations in the schemas", found)
	}
	bad := []byte(`{"t":"event","at":"2026-11-22T09:15:00Z","what":"x","detail":""}`)
	if err := validate("profile-line", bad, published); err != nil {
		t.Error(err)
	}
	for _, line := range []string{
		`{"t":"end","at":"2026-11-22T09:15:00Z","state":"finished","trials":1,"choice":null,"exit":0}`,
		`{"t":"end","at":"yesterday","state":"done","trials":1,"choice":null,"exit":0}`,
		`{"at":"2026-11-22T09:15:00Z"}`,
	} {
		if validate("profile-line", []byte(line), published) == nil {
			t.Errorf("valid: %s", line)
		}
	}
	if err := validate("profile-line", []byte(`{"t":"later","any":1}`), published); err != nil {
		t.Errorf("a line of a later version: %v", err)
	}
}

// eachEnum calls f with each enumeration of a schema.
func eachEnum(node any, f func([]any)) {
	switch node := node.(type) {
	case map[string]any:
		if values, ok := node["enum"].([]any); ok {
			f(values)
		}
		for _, n := range node {
			eachEnum(n, f)
		}
	case []any:
		for _, n := range node {
			eachEnum(n, f)
		}
	}
}
