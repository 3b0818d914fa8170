package main

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/spf13/cobra"
)

// The JSON on stdout is for programs: docs/automation.md describes it, and docs/schemas has a schema
// of each kind, which a test generates from the types here and compares.

// failure is what a command with --json prints on stdout if it ends with an error. The same text
// is on stderr.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"` // what to type instead; absent if nothing is known
	Exit  int    `json:"exit"`           // exit code
}

// printJSON prints v as indented JSON on stdout.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(hiding{a.out, a.secrets})
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // <= stays readable
	return enc.Encode(v)
}

// printFailure prints an error as JSON, if the command line asks for one object of JSON. Errors of
// stdout itself are not reported: there is no place for them but stderr, which has the error.
func (a *app) printFailure(c *cobra.Command, args []string, err error) {
	if !wantsJSON(c, args) {
		return
	}
	f := failure{Error: err.Error(), Exit: exitError}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		f.Hint = h.Hint()
	}
	_ = a.printJSON(f)
}

// wantsJSON reports whether a command line asks for one object of JSON on stdout. It reads the
// arguments, because an invalid flag before --json ends the parsing.
func wantsJSON(c *cobra.Command, args []string) bool {
	if c == nil || c.Flags().Lookup("json") == nil {
		return false
	}
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == "--json" || arg == "--json=object" || arg == "--json=true"
	})
}
