package servicetime

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
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

// Study is what the source of a table that ships with the program had to keep, and
// under which load.
type Study struct {
	Limit   time.Duration // of the P99
	Clients int           // that wait for their answers
}

// studies are those of the tables whose source tells.
var studies = map[string]Study{
	"animated-drawings": {Limit: 100 * time.Millisecond, Clients: 10},
}

// StudyOf returns the study that a table of Names comes from, if it has one.
func StudyOf(name string) (Study, bool) {
	s, ok := studies[name]
	return s, ok
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
