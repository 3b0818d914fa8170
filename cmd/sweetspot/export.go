package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/profiles/export"
)

// exportCommand writes the choice of a profile as a file for a server.
func (a *app) exportCommand() *cobra.Command {
	var (
		format, to, envelope string
		trialN               int
		force, diff          bool
		other                exportFor
	)
	var names, help []string
	for _, f := range export.Formats() {
		names, help = append(names, f.Name), append(help, fmt.Sprintf("  %-18s %s", f.Name, f.Help))
	}
	c := &cobra.Command{
		Use:   "export [PROFILE]",
		Short: "write the chosen settings for a server",
		Long: `export writes the settings as a file for a server, and verifies it by parsing it as
that server does. The file explains settings for which the server has no key.

With --target it chooses for a running TorchServe: for about a minute it changes and loads
that server, to measure what it adds to the service times of the profile, predicts all
settings of the plan for it, and exports the best prediction. The exit code is then 3,
because these settings were not measured there. What was in force is restored.
Formats:

` + strings.Join(help, "\n"),
		Example: `  sweetspot export                                  the choice of the last sweep, to stdout
  sweetspot export --to config.properties
  sweetspot export results --format shell           that of the sweep with --out results
  sweetspot export 20261122 --trial 4 --to config.properties --diff
  sweetspot export --format triton --to models/mlp-wide
  sweetspot export last --target http://127.0.0.1:8081 --input body.json --to config.properties`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := a.openProfile(args)
			if err != nil {
				return err
			}
			s, err := export.From(p, trialN)
			if err != nil {
				return err
			}
			s.Tool, s.Envelope = "sweetspot "+version, envelope
			if other.target == "" {
				if err := a.checkTargetFlags(); err != nil {
					return err
				}
				return a.export(format, s, to, force, diff)
			}
			other.force = force
			if s, err = a.forServer(c.Context(), p, s, other); err != nil {
				return err
			}
			if err := a.export(format, s, to, force, diff); err != nil {
				return err
			}
			return a.notMeasured(s)
		},
	}
	c.Flags().StringVar(&format, "format", names[0], strings.Join(names, ", "))
	c.Flags().StringVar(&to, "to", "", "file or folder to write to; default: stdout")
	c.Flags().IntVar(&trialN, "trial", 0, "trial to export; 0 is the choice")
	c.Flags().StringVar(&envelope, "envelope", "", "kserve: service envelope of TorchServe: body, json, kserve, kservev2")
	c.Flags().StringVar(&other.target, "target", "", "choose for the TorchServe at this management address: measure what it costs, and predict with it")
	c.Flags().StringVar(&other.input, "input", "", "with --target: file or folder of request bodies")
	c.Flags().StringVar(&other.model, "model", "", "with --target: name of the model there (default: its name in the profile)")
	a.remote.bind(c.Flags())
	c.Flags().BoolVar(&force, "force", false, "overwrite a file that differs; write also a misleading export")
	c.Flags().BoolVar(&diff, "diff", false, "only show what would change in the file of --to; exit 0: nothing, 2: something")
	return c
}

func (a *app) export(format string, s export.Source, to string, force, diff bool) error {
	doc, err := export.Write(format, s, force)
	if err != nil {
		return err
	}
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		to = filepath.Join(to, doc.File)
	}
	switch {
	case diff && to == "":
		return withHint("add --to FILE", "--diff compares with a file, but none is given")
	case diff:
		return a.diff(to, doc)
	case to == "":
		if _, err := a.out.Write(doc.Data); err != nil {
			return err
		}
		if live, _ := terminal(a.out); !live { // on a terminal they are in the printed comments
			a.notes(doc)
		}
		return nil
	}
	if _, err := writeExport(format, s, to, force, force); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "wrote %s\n", to)
	a.notes(doc)
	return nil
}

// notes prints for which settings the file has no key. Its comments say that too.
func (a *app) notes(doc export.Document) {
	for _, n := range doc.Notes {
		if strings.HasPrefix(n, "sweetspot ") { // a command, of which the note before it speaks
			fmt.Fprintf(a.err, "      %s\n", n)
			continue
		}
		fmt.Fprintf(a.err, "note: %s\n", n)
	}
}

// diff shows what an export would change in a file. The exit code is 2 if that is something.
func (a *app) diff(path string, doc export.Document) error {
	old, err := export.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(a.err, "%s does not exist yet\n", path)
	case err != nil:
		return err
	}
	text := export.Diff(string(old), string(doc.Data))
	if text == "" {
		fmt.Fprintf(a.err, "%s has the same content\n", path)
		return nil
	}
	if _, err := io.WriteString(a.out, text); err != nil {
		return err
	}
	return exit{exitNo}
}
