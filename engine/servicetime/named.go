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

// Names returns the names of the built-in tables.
func Names() []string {
	entries, err := tables.ReadDir("tables")
	if err != nil {
		panic("servicetime: " + err.Error()) // the embedded files always exist
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".csv"))
	}
	slices.Sort(out)
	return out
}

// Study has the latency limit and the load of the study that a built-in table comes from.
type Study struct {
	Limit   time.Duration // of the P99
	Clients int           // of a closed load
}

// studies are the studies by table, if their source names limit and load.
var studies = map[string]Study{
	"animated-drawings": {Limit: 100 * time.Millisecond, Clients: 10},
}

// StudyOf returns the study of a built-in table, if it has one.
func StudyOf(name string) (Study, bool) {
	s, ok := studies[name]
	return s, ok
}

// Named returns a built-in table.
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
