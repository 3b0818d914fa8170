// Package schemas has the JSON Schemas (draft 2020-12) of what the program prints with --json, and
// of the lines of profiles. A test of cmd/sweetspot generates the files from the types of the
// program and compares them, so that they are never edited by hand.
package schemas

import (
	"embed"
	"slices"
	"strings"
)

const suffix = ".schema.json"

//go:embed *.schema.json
var files embed.FS

// Names returns the names of all schemas, sorted: compare, doctor, sweep ...
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("schemas: " + err.Error()) // the folder is part of the program
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), suffix))
	}
	slices.Sort(out)
	return out
}

// Get returns the text of the schema with this name, and whether there is one. The caller may
// change it.
func Get(name string) ([]byte, bool) {
	b, err := files.ReadFile(name + suffix)
	return b, err == nil
}

// File returns the name of the file of a schema.
func File(name string) string { return name + suffix }
