package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/docs/schemas"
	"sweetspot/engine/knob"
)

// document is a kind of JSON that the program writes.
type document struct{ name, from string }

// documents are all kinds, each with a schema of that name.
var documents = []document{
	{"sweep", "sweetspot MODEL --sweep --json"},
	{"sweeps", "the same for several plans in one file"},
	{"dry-run", "sweetspot MODEL --sweep --dry-run --json"},
	{"dry-runs", "the same for several plans in one file"},
	{"profile-line", "each line of a profile; sweetspot MODEL --sweep --json=lines"},
	{"profile", "sweetspot profiles show PROFILE --json"},
	{"prediction", "sweetspot profiles show PROFILE --at RATE --json"},
	{"profiles", "sweetspot profiles list --json"},
	{"merge", "sweetspot profiles merge A B --json"},
	{"imported", "sweetspot profiles import PATH --json"},
	{"comparison", "sweetspot profiles compare A B --json"},
	{"measured-comparison", "sweetspot profiles compare A B --measure --json"},
	{"choice", "sweetspot export PROFILE --format json"},
	{"archive", "sweetspot archive MODEL --json"},
	{"check", "sweetspot check FILE --json"},
	{"doctor", "sweetspot doctor --json"},
	{"restore", "sweetspot restore --json"},
	{"version", "sweetspot version --json"},
	{"error", "each command with --json that ends with an error"},
}

// schemaCommand prints the schemas.
func (a *app) schemaCommand() *cobra.Command {
	var list strings.Builder
	var names []string
	for _, d := range documents {
		names = append(names, d.name)
		fmt.Fprintf(&list, "  %-20s %s\n", d.name, d.from)
	}
	return &cobra.Command{
		Use: "schema [NAME]", Short: "print the JSON Schema of what --json prints, and of the lines of profiles", Args: cobra.MaximumNArgs(1),
		Long: `schema prints a JSON Schema (draft 2020-12). Without NAME it lists all of them:

` + list.String() + `
Later versions may add fields and values. They rename and remove nothing.`,
		Example:   "  sweetspot schema\n  sweetspot schema sweep > sweep.schema.json",
		ValidArgs: names,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprint(a.out, list.String())
				return err
			}
			text, ok := schemas.Get(args[0])
			if !ok {
				return withHint("see: sweetspot schema", "schema %q: there is none%s", args[0], knob.Suggest(args[0], names))
			}
			_, err := a.out.Write(text)
			return err
		},
	}
}
