package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sweetspot/profiles"
	"sweetspot/profiles/report"
)

// writeReports writes one report of all results into the folder of --out: report.html and
// report.md, and for plans of TorchServe's benchmark suite its files too. It returns the files that
// people open.
func (a *app) writeReports(jobs []job, results []result, f *runFlags) ([]file, error) {
	if f.out == "" {
		return nil, nil
	}
	suite := jobs[0].plan.Suite != nil
	var ps []*profiles.Profile
	for _, r := range results {
		for _, file := range r.Files {
			if file.What != "profile" {
				continue
			}
			p, err := profiles.Read(file.Path)
			if err != nil {
				return nil, err
			}
			if len(p.Trials) > 0 {
				ps = append(ps, p)
			}
		}
	}
	if len(ps) == 0 {
		return nil, nil
	}
	files, err := report.Tree(ps, false)
	if err != nil {
		return nil, err
	}
	if !suite {
		files = only(files, report.PageFile, report.MarkdownFile)
	}
	if err := writeTree(f.out, files, f.force); err != nil {
		return nil, err
	}
	out := []file{{"report", filepath.Join(f.out, report.PageFile)}, {"report", filepath.Join(f.out, report.MarkdownFile)}}
	if suite {
		out = append(out, file{"results", filepath.Join(f.out, report.SuiteFolder)})
	}
	return out, nil
}

// only returns the files with these names.
func only(files []report.File, names ...string) []report.File {
	var out []report.File
	for _, f := range files {
		for _, n := range names {
			if f.Path == n {
				out = append(out, f)
			}
		}
	}
	return out
}

// finish writes the report of all results, prints its files, and prints or runs the commands of the
// suite file. An error of them does not change the results: it is printed, and the exit code is
// that of an error.
func (a *app) finish(ctx context.Context, jobs []job, results []result, f *runFlags) (files []file, code int) {
	if f.dryRun {
		return nil, exitYes
	}
	files, err := a.writeReports(jobs, results, f)
	if f.json == "" {
		for _, w := range files {
			fmt.Fprintf(a.out, "%-19s %s\n", w.What, w.Path)
		}
	}
	if err == nil {
		err = a.suiteCommands(ctx, jobs, len(files) > 0, f)
	}
	if err != nil {
		a.printError(err)
		return files, exitError
	}
	return files, exitYes
}

// checkCommands returns an error if the commands of a suite file could not find their files.
func (f *runFlags) checkCommands() error {
	if f.runCommands && f.out == "" {
		return withHint("add --out DIR", "--run-commands: metrics_cmd and report_cmd read the files of the results, which are in the folder of --out")
	}
	return nil
}

// suiteCommands prints the commands of a suite file, or runs them with --run-commands: metrics_cmd
// for each trial, report_cmd once at the end. written says whether there are results.
func (a *app) suiteCommands(ctx context.Context, jobs []job, written bool, f *runFlags) error {
	suite := jobs[0].plan.Suite
	if suite == nil {
		return nil
	}
	results := filepath.Join(f.out, report.SuiteFolder)
	metrics, final := suite.Commands.Metrics, suite.Commands.Report(time.Now(), "sweetspot-"+version)
	switch {
	case metrics == "" && final == "":
		return nil
	case !f.runCommands || !written:
		for _, c := range [][2]string{{"metrics_cmd", metrics}, {"report_cmd", final}} {
			if c[1] != "" {
				a.note(f, "%s is not run without --run-commands: %s", c[0], c[1])
			}
		}
		return nil
	}
	var errs []error
	if metrics != "" {
		trials, err := os.ReadDir(results)
		if err != nil {
			return err
		}
		for _, t := range trials {
			errs = append(errs, a.runCommand(ctx, "metrics_cmd", suiteCommand(metrics, results, t.Name()), f))
		}
	}
	if final != "" {
		errs = append(errs, a.runCommand(ctx, "report_cmd", suiteCommand(final, results, ""), f))
	}
	return errors.Join(errs...)
}

// suiteCommand replaces the folders of the suite in a command by those of the results.
func suiteCommand(command, results, trial string) string {
	if abs, err := filepath.Abs(results); err == nil {
		results = abs
	}
	folder := shellQuote(filepath.Join(results, trial))
	return strings.NewReplacer(
		"/tmp/benchmark/logs", folder, "/tmp/benchmark", folder, "/tmp/ts_benchmark", shellQuote(results),
	).Replace(command)
}

// runCommand runs a command with the shell; its output goes to stderr.
func (a *app) runCommand(ctx context.Context, name, command string, f *runFlags) error {
	a.note(f, "%s: %s", name, command)
	c := exec.CommandContext(ctx, "sh", "-c", command)
	// The file itself: what the command leaves running may keep it open.
	out, _ := unhidden(a.err).(io.Writer)
	c.Stdout, c.Stderr, c.Env = out, out, a.env.all
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, command)
	}
	return nil
}
