package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/profiles"
	"sweetspot/profiles/report"
)

// reportFlags are the flags of the command report.
type reportFlags struct {
	format, plot, to, out string
	force                 bool
}

// reportCommand writes profiles for other people and programs.
func (a *app) reportCommand() *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use: "report [PROFILE...]", Short: "write recorded sweeps as a page, charts, tables or the files of TorchServe's benchmark suite",
		Long: "report writes recorded sweeps for other people and programs. The formats:\n\n" + formatHelp() + `
--out writes the page, report.md, ab_report.csv, all charts, and a folder of
ab_report.csv and stats_metrics.json for each setting, as TorchServe's suite has them.`,
		Example: `  sweetspot report                          the last one, with the columns of the Animated Drawings study
  sweetspot report last --format html --to report.html
  sweetspot report 20261122T09 --format csv > trials.csv
  sweetspot report results/a results/b --format md
  sweetspot report last --format png --plot batch_size --to batch.png
  sweetspot report last --out report`,
		RunE: func(_ *cobra.Command, args []string) error {
			if f.out != "" && f.to != "" {
				return errors.New("--to and --out: give only one of them")
			}
			ps, err := a.openProfiles(args)
			if err != nil {
				return err
			}
			return a.writeReport(ps, f)
		},
	}
	c.Flags().StringVar(&f.format, "format", report.Names()[0], strings.Join(report.Names(), ", "))
	c.Flags().StringVar(&f.plot, "plot", "", "chart of svg and png: "+strings.Join(report.PlotNames(), ", ")+" (default: frontier)")
	c.Flags().StringVar(&f.to, "to", "", "file to write (default: stdout)")
	c.Flags().StringVar(&f.out, "out", "", "folder for all files")
	c.Flags().BoolVar(&f.force, "force", false, "overwrite files that differ")
	for flag, words := range map[string][]string{"format": report.Names(), "plot": report.PlotNames()} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	}
	return c
}

// formatHelp lists the formats.
func formatHelp() string {
	var b strings.Builder
	for _, f := range report.Formats() {
		fmt.Fprintf(&b, "  %-12s %s\n", f.Name, f.Help)
	}
	return b.String()
}

// openProfiles opens the profiles with these names, by default the last one.
func (a *app) openProfiles(names []string) ([]*profiles.Profile, error) {
	if len(names) == 0 {
		names = []string{profiles.Last}
	}
	var out []*profiles.Profile
	for _, name := range names {
		p, err := a.openProfile([]string{name})
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func (a *app) writeReport(ps []*profiles.Profile, f reportFlags) error {
	if f.out != "" {
		files, err := report.Tree(ps, true)
		if err != nil {
			return err
		}
		if err := writeTree(f.out, files, f.force); err != nil {
			return err
		}
		fmt.Fprintf(a.err, "%d files in %s; open %s\n", len(files), f.out, filepath.Join(f.out, report.PageFile))
		return nil
	}
	var b bytes.Buffer
	if err := report.Write(&b, ps, f.format, f.plot); err != nil {
		return err
	}
	if f.to != "" {
		return writeTree(filepath.Dir(f.to), []report.File{{Path: filepath.Base(f.to), Data: b.Bytes()}}, f.force)
	}
	_, err := a.out.Write(b.Bytes())
	return err
}

// writeTree writes files into a folder, each completely or not at all. Before anything is written it checks that no
// file exists with another content, unless force is set.
func writeTree(dir string, files []report.File, force bool) error {
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		old, err := os.ReadFile(path)
		if err == nil && !force && !bytes.Equal(old, f.Data) {
			return withHint("--force overwrites it", "%s exists and differs", path)
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := writeWhole(path, f.Data); err != nil {
			return err
		}
	}
	return nil
}

// writeWhole writes a file completely or not at all, also on a full disk. The target of a link is written, and a device, which
// has no halves, as it is.
func writeWhole(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, data, 0o644)
	}
	err := writeNew(path, true, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if e, ok := errors.AsType[*fs.PathError](err); ok { // without the name of the temporary file
		return fmt.Errorf("%s: %w", path, e.Err)
	}
	return err
}
