package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/profiles/export"
)

// exportCommand writes the choice of a profile for a server.
func (a *app) exportCommand() *cobra.Command {
	var (
		format, to, envelope string
		trialN               int
		force, diff          bool
	)
	var names, help []string
	for _, f := range export.Formats() {
		names, help = append(names, f.Name), append(help, fmt.Sprintf("  %-18s %s", f.Name, f.Help))
	}
	c := &cobra.Command{
		Use:   "export [PROFILE]",
		Short: "write the chosen settings for a server",
		Long: `export writes settings for a server and reads them back as that server does. What
has no key there is said in the file. Formats:

` + strings.Join(help, "\n"),
		Example: `  sweetspot export                                  the last sweep's choice, to stdout
  sweetspot export --to config.properties
  sweetspot export 20261122 --trial 4 --to config.properties --diff
  sweetspot export --format triton --to models/mlp-wide`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.openProfile(args)
			if err != nil {
				return err
			}
			s, err := export.From(p, trialN)
			if err != nil {
				return err
			}
			s.Tool, s.Date, s.Envelope = "sweetspot "+version, time.Now().UTC(), envelope
			return a.export(format, s, to, force, diff)
		},
	}
	c.Flags().StringVar(&format, "format", names[0], strings.Join(names, ", "))
	c.Flags().StringVar(&to, "to", "", "file or folder to write; stdout without it")
	c.Flags().IntVar(&trialN, "trial", 0, "trial to export; 0 is the choice")
	c.Flags().StringVar(&envelope, "envelope", "", "kserve: TorchServe's service envelope: body, json, kserve, kservev2")
	c.Flags().BoolVar(&force, "force", false, "overwrite a file that differs; export what would mislead")
	c.Flags().BoolVar(&diff, "diff", false, "only show what would change in the file of --to")
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
		return withHint("add --to FILE", "--diff compares with a file, and none is named")
	case diff:
		old, err := os.ReadFile(to)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		fmt.Fprint(a.out, export.Diff(string(old), string(doc.Data)))
		return nil
	case to == "":
		_, err := a.out.Write(doc.Data)
		return err
	}
	path, err := writeExport(format, s, to, force)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "wrote %s\n", path)
	for _, n := range doc.Notes {
		fmt.Fprintf(a.err, "note: %s\n", n)
	}
	return nil
}
