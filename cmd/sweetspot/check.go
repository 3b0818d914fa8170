package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/engine/archive"
	"sweetspot/engine/config"
	"sweetspot/engine/config/check"
	"sweetspot/profiles/export"
)

// checkFlags are the flags of check.
type checkFlags struct {
	kind, store string
	fix, json   bool
}

// checkCommand says what a server does with a configuration file.
func (a *app) checkCommand() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "what TorchServe or Triton will really do with a configuration",
		Long: `check reads TorchServe's config.properties or model-config.yaml, or Triton's
config.pbtxt, as that server does, and prints a line for each place that does not
do what it looks like, with what to write instead, and the values that are in force.
Of a .mar archive it checks the manifest and the model-config.yaml.

  refuses   the server does not start, or does not load the model
  differs   the server does something else than the text looks like
  hinders   it is read as written, and defeats another setting
  note      nothing is wrong; it is worth to know

Exit 0: nothing but notes, 2: something else, 1: an error.`,
		Example: `  sweetspot check config.properties
  sweetspot check config.properties --model-store /models     compared with the archives
  sweetspot check model-config.yaml --fix                     writes what the lines say
  sweetspot check models/m/config.pbtxt --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.check(args[0], f) },
	}
	c.Flags().StringVar(&f.kind, "kind", "", "config.properties, model-config.yaml or config.pbtxt (default: by name and content)")
	c.Flags().StringVar(&f.store, "model-store", "", "folder with the archives of load_models (default: model_store of the file)")
	c.Flags().BoolVar(&f.fix, "fix", false, "write the file with all that can be fixed")
	c.Flags().BoolVar(&f.json, "json", false, "the report as JSON on stdout")
	return c
}

func (a *app) check(path string, f checkFlags) error {
	if info, err := os.Stat(path); err == nil && f.kind == "" && (archive.IsArchive(path) || info.IsDir() && archive.IsFolder(path)) {
		return a.checkArchive(path, f)
	}
	data, err := export.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "export: "))
	}
	archives, err := storeOf(path, data, f.store)
	if err != nil {
		return err
	}
	o := check.Options{Kind: check.Kind(f.kind), Store: archives}
	if filepath.Base(path) == string(check.Triton) {
		if abs, err := filepath.Abs(path); err == nil {
			o.Folder = filepath.Base(filepath.Dir(abs))
		}
	}
	r, err := check.Run(path, data, o)
	if err != nil {
		return err
	}
	if f.fix {
		if r, err = a.fixFile(path, data, o); err != nil {
			return err
		}
	}
	return a.finishCheck(r, f.json)
}

// checkArchive checks a model archive. It is not fixed: the archive is made again.
func (a *app) checkArchive(path string, f checkFlags) error {
	if f.fix {
		return withHint("unpack it, check its files with --fix, and pack it again", "%s: an archive is not fixed", path)
	}
	m, err := archive.Open(path, archive.Limits{})
	if err != nil {
		return err
	}
	return a.finishCheck(check.RunArchive(m), f.json)
}

// finishCheck prints a report. The exit code is 2 if there is more than notes.
func (a *app) finishCheck(r check.Report, asJSON bool) error {
	if err := a.printReport(r, asJSON); err != nil {
		return err
	}
	if !r.Clean() {
		return exit{exitNo}
	}
	return nil
}

// fixFile writes the fixed file and returns the report of it.
func (a *app) fixFile(path string, data []byte, o check.Options) (check.Report, error) {
	fixed, n, err := check.Fix(path, data, o)
	if err != nil {
		return check.Report{}, err
	}
	if n > 0 {
		if err := export.WriteFile(path, fixed, true); err != nil {
			return check.Report{}, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "export: "))
		}
	}
	fmt.Fprintf(a.err, "%s: %s\n", path, counted(n, "place", "fixed"))
	return check.Run(path, fixed, o)
}

func counted(n int, what, done string) string {
	switch n {
	case 0:
		return "nothing " + done
	case 1:
		return "1 " + what + " " + done
	}
	return fmt.Sprintf("%d %ss %s", n, what, done)
}

// printReport prints a line for each finding; on a terminal a block.
func (a *app) printReport(r check.Report, asJSON bool) error {
	if asJSON {
		return a.printJSON(r)
	}
	text := r.Lines()
	if live, _ := terminal(a.out); live {
		text = r.Blocks()
	}
	if r.Clean() {
		text += fmt.Sprintf("%s: a clean %s\n", r.File, r.Kind)
	}
	_, err := io.WriteString(a.out, text)
	return err
}

// store is the folder of the archives.
type store struct{ dir string }

// Archive reads an archive of the store.
func (s store) Archive(file string) (config.Archive, error) {
	if strings.Contains(file, "://") {
		return config.Archive{}, errors.New("a URL is not read")
	}
	a, err := archive.Open(filepath.Join(s.dir, filepath.Base(file)), archive.Limits{})
	if err != nil {
		return config.Archive{}, err
	}
	m := a.Manifest.Model
	return config.Archive{Name: m.Name, Version: m.Version, Config: a.Config, ConfigName: m.Config}, nil
}

// Archives returns the archives and folders of the store.
func (s store) Archives() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && (e.IsDir() || archive.IsArchive(e.Name())) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// storeOf returns the store of a config.properties: the folder that the flag names, else that of
// the file, relative to the current folder as for TorchServe, or to the file; nil if there is none.
func storeOf(path string, data []byte, flag string) (config.Store, error) {
	if flag != "" {
		if info, err := os.Stat(flag); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("--model-store: there is no folder %s", flag)
		}
		return store{flag}, nil
	}
	f, err := config.Parse(path, data)
	if err != nil {
		return nil, nil // the report says it
	}
	dir := strings.TrimSpace(f.Get("model_store"))
	if dir == "" {
		return nil, nil
	}
	for _, d := range []string{dir, filepath.Join(filepath.Dir(path), dir)} {
		if info, err := os.Stat(d); err == nil && info.IsDir() {
			return store{d}, nil
		}
	}
	return nil, nil
}
