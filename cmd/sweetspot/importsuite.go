package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/profiles"
	"sweetspot/profiles/report"
	"sweetspot/sweep/trial"
)

// imported is a profile that import has written.
type imported struct {
	ID     string   `json:"id"`
	Path   string   `json:"path"`
	Model  string   `json:"model"`
	Trials int      `json:"trials"`
	Notes  []string `json:"notes"` // which columns are not used, and why
}

// importCommand reads results of TorchServe's benchmark suite into profiles.
func (a *app) importCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "import PATH...", Short: "read ab_report.csv of TorchServe's benchmark suite into profiles", Args: cobra.MinimumNArgs(1),
		Long: `import reads ab_report.csv files of TorchServe's benchmark suite, of any version, by
the names of their columns, and writes a profile for each model. PATH is a file, or
a folder of results with such files in it. Columns that are wrong in the suite are
not used; stderr and each trial say which, and why. There is no verdict, because the
suite has no promise, and no interval.`,
		Example: `  sweetspot profiles import ab_report.csv
  sweetspot profiles import /tmp/ts_benchmark
  sweetspot profiles compare 20261122T0915 last --force      the old results with a new sweep`,
		RunE: func(_ *cobra.Command, args []string) error { return a.importSuite(args, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func (a *app) importSuite(paths []string, asJSON bool) error {
	files, err := suiteResults(paths)
	if err != nil {
		return err
	}
	var all []profiles.Imported
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		more, err := profiles.ReadSuite(path, f)
		f.Close()
		if err != nil {
			return err
		}
		all = mergeImported(all, more)
	}
	written := []imported{}
	for _, m := range all {
		w, err := a.writeImported(m)
		if err != nil {
			return err
		}
		for _, n := range m.Notes {
			fmt.Fprintln(a.err, n)
		}
		if !asJSON {
			fmt.Fprintf(a.out, "%s  %d trials of %s\n", w.ID, w.Trials, w.Model)
		}
		written = append(written, w)
	}
	if asJSON {
		return a.printJSON(written)
	}
	return nil
}

// suiteResults returns the files of the paths, in the order of their names in folders.
func suiteResults(paths []string) ([]string, error) {
	var out []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, path)
			continue
		}
		found := len(out)
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && d.Name() == report.ABFile {
				out = append(out, p)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out) == found {
			return nil, fmt.Errorf("%s has no %s in it", path, report.ABFile)
		}
	}
	return out, nil
}

// mergeImported joins the trials of equal models, with new numbers.
func mergeImported(all, more []profiles.Imported) []profiles.Imported {
	for _, m := range more {
		i := slices.IndexFunc(all, func(o profiles.Imported) bool { return o.Source == m.Source })
		if i < 0 {
			all = append(all, m)
			continue
		}
		for _, t := range m.Trials {
			t.N = len(all[i].Trials) + 1
			all[i].Trials = append(all[i].Trials, t)
		}
		for _, n := range m.Notes {
			if !slices.Contains(all[i].Notes, n) {
				all[i].Notes = append(all[i].Notes, n)
			}
		}
	}
	return all
}

// writeImported writes the profile of one model.
func (a *app) writeImported(m profiles.Imported) (imported, error) {
	now := time.Now().UTC()
	id := profiles.NewID(now)
	path := profiles.Path(a.env.profileDir(), id)
	w, err := profiles.Create(path, profiles.Header{
		ID: id, Kind: profiles.FromSuite, Created: now, Tool: "sweetspot " + version,
		Machine: profiles.RemoteMachine("results of TorchServe's benchmark suite"),
		Model:   profiles.Model{Name: m.Model, Source: m.Source}, Plan: json.RawMessage("{}"),
	}, profiles.Options{})
	if err != nil {
		return imported{}, err
	}
	defer w.Close()
	for _, t := range m.Trials {
		if t.At = now; err == nil {
			err = w.Trial(t)
		}
	}
	if err == nil {
		err = w.Event(trial.Event{At: now, What: "imported", Detail: strings.Join(m.Notes, "; ")})
	}
	if err == nil {
		err = w.End(profiles.Done, exitCannotTell)
	}
	return imported{id, path, m.Model, len(m.Trials), append([]string{}, m.Notes...)}, err
}
