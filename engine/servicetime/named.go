package servicetime

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed tables/*.csv
var tables embed.FS

// Names lists the tables that ship with the program.
func Names() []string {
	entries, err := tables.ReadDir("tables")
	if err != nil {
		panic("servicetime: " + err.Error()) // they are part of the program
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".csv"))
	}
	slices.Sort(out)
	return out
}

// Named returns a table that ships with the program.
func Named(name string) (*Table, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("no service-time table %q is built in; there is %s", name, strings.Join(Names(), ", "))
	}
	text, err := tables.ReadFile("tables/" + name + ".csv")
	if err != nil {
		return nil, err
	}
	return Parse(bytes.NewReader(text))
}
