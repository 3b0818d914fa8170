package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/export"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/trial"
)

// note prints a line on stderr, unless --quiet is set.
func (a *app) note(f *runFlags, format string, args ...any) {
	if !f.quiet {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// sweepOne runs one plan. Its result has the ID of the profile unless the sweep could not be
// run.
func (a *app) sweepOne(ctx context.Context, j job, f *runFlags) (res result, err error) {
	p := j.plan
	t, err := a.openTarget(ctx, p, startConfig(p))
	if err != nil {
		return result{}, err
	}
	defer func() { err = closeTarget(ctx, t, err) }()
	info, err := t.Info(ctx)
	if err != nil {
		return result{}, err
	}
	if err := a.checkResumed(j.old, info, f); err != nil {
		return result{}, err
	}
	if f.demo {
		p.SLA, f.slaOrigin = demoPromise(ctx, t, p)
		if err := ctx.Err(); err != nil {
			return result{}, err
		}
	}
	asked := p
	if p, err = sweep.PlanFor(p, info); err != nil {
		return result{}, err
	}
	j.plan = p
	a.introduce(p, info, f)
	a.noteVaried(p.OwnNotIn(asked), info, f)
	points, _ := p.Points(info.Limits, info.Current, info.Fixed)
	part, err := part(p, j.shard, info)
	if err != nil {
		return result{}, err
	}
	if part != nil {
		points = part.Points
	}
	a.noteShard(part, f)
	for _, w := range plan.Warnings(points) {
		a.note(f, "warning  %s", w)
	}
	return a.search(ctx, j, t, info, f)
}

// closeTarget closes a target, also after Ctrl-C, and returns err: joined with another one if the
// settings of a running server were not restored.
func closeTarget(ctx context.Context, t sweep.Target, err error) error {
	if failed := t.Close(context.WithoutCancel(ctx)); failed != nil {
		return errors.Join(err, failed)
	}
	return err
}

// startTarget starts the engine child for the model of a plan with the start settings.
func (a *app) startTarget(ctx context.Context, p plan.Plan, start knob.Config) (*local.Target, error) {
	bodies, err := readBodies(p.Input, p.ContentType)
	if err != nil {
		return nil, err
	}
	if catalog.IsSimulated(p.Model) {
		if err := checkSimulated(p, start); err != nil {
			return nil, err
		}
	}
	if start, err = a.withGPUs(ctx, p, start); err != nil {
		return nil, err
	}
	log, _ := a.logFile()
	c := local.Config{
		Command: a.childCommand(p), Env: a.gpuEnv(), Seed: p.Seed, GPU: a.openGPU,
		Bodies: bodies, Start: start, Options: p.OptionKnobs(), Timeout: p.RequestTimeout(), MaxRequestSize: int64(p.MaxRequestSize), Notes: a.startNotes(),
	}
	if log != nil {
		c.Log = log
	}
	if a.verbose {
		c.Log = a.err
	}
	t, err := local.Start(ctx, c)
	if err != nil && log != nil {
		log.Close()
	}
	return t, err
}

// startNotes are for the people who read the first lines or the screen.
func (a *app) startNotes() []string {
	if a.gpuNote == "" {
		return nil
	}
	return []string{a.gpuNote}
}

// childCommand returns the command line of the engine child, without the settings.
func (a *app) childCommand(p plan.Plan) []string {
	argv := append([]string{a.self, "engine", p.Model}, bodyArgs(p)...)
	if a.verbose {
		argv = append(argv, "--verbose")
	}
	if a.python != "" {
		argv = append(argv, "--python="+a.python)
	}
	if text, err := json.Marshal(a.gpus); err == nil && len(a.gpus.Findings)+len(a.gpus.Devices)+len(a.gpus.Reason) > 0 {
		argv = append(argv, "--gpus="+string(text))
	}
	return append(argv, modelArgs(p)...)
}

// startConfig returns the start settings of the engine: the values of knobs with only one
// value in the plan, and the defaults of the others.
func startConfig(p plan.Plan) knob.Config {
	c := knob.Config{Settings: knob.Default(p.Options.Rule), Options: p.Options}
	for n, text := range p.Knobs {
		if values, err := knob.Expand(n, text); err == nil && len(values) == 1 {
			_ = c.Set(n, values[0]) // Expand has checked it
		}
	}
	return c
}

// readBodies reads request bodies from a file or from all files of a folder. contentType is that of
// all bodies; if "", it follows from the name of each file. Without a path it returns nil: then
// random bodies are made for the inputs of the model.
func readBodies(path, contentType string) ([]load.Body, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("--input: %w", err)
	}
	files := []string{path}
	if info.IsDir() {
		files = nil
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, fmt.Errorf("--input: %w", err)
		}
		for _, e := range entries {
			if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
	}
	var out []load.Body
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("--input: %w", err)
		}
		out = append(out, load.Body{Type: cmp.Or(contentType, mediaType(f)), Data: data, Name: f})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--input: %s has no files", path)
	}
	return out, nil
}

// mediaType returns the content type of a body by its file name; "" if it is unknown, so that
// the engine detects it.
func mediaType(name string) string {
	return map[string]string{
		".json": "application/json", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png",
		".bin": "application/octet-stream", ".raw": "application/octet-stream",
	}[strings.ToLower(filepath.Ext(name))]
}

// search runs the sweep, prints its result and writes the files.
func (a *app) search(ctx context.Context, j job, t sweep.Target, info sweep.Info, f *runFlags) (result, error) {
	var tee io.Writer
	if f.json == "lines" {
		tee = a.out
	}
	progress := newProgress(a.err, f.quiet)
	s := &session.Sweeper{Plan: j.plan, Target: t, Record: a.record(j.out, j.old.id(), j.shard, tee), Resume: j.old.earlier(), Shard: j.shard, OnlyRequested: j.old.complete(), HoldChoice: true, OnChange: progress.update}
	st, err := s.Run(ctx)
	progress.end()
	if err != nil && !errors.Is(err, context.Canceled) {
		a.noteProfile(st, f)
		return result{}, err
	}
	written, err := a.writeFiles(j, info, st, f)
	if err != nil {
		return result{}, err
	}
	if f.json == "" {
		if err := a.report(j, info, st, written); err != nil {
			return result{}, err
		}
	}
	code := session.ExitCode(st)
	if c := a.signal.code(); c != 0 {
		code = c
	}
	return result{
		ID: st.ID, State: st.State.String(), Choice: st.Choice, Trials: append([]trial.Trial{}, st.Trials...), Hold: heldOf(st), Files: written, Exit: code,
	}, ctx.Err()
}

// noteProfile prints the path of the profile of a sweep that ended with an error.
func (a *app) noteProfile(st session.Sweep, f *runFlags) {
	if st.Path != "" {
		a.note(f, "profile  %s (%d trials kept)", st.Path, len(st.Trials))
	}
}

// report prints the result for people.
func (a *app) report(j job, info sweep.Info, st session.Sweep, written []file) error {
	if len(st.Trials) > 0 {
		prof, err := profiles.Read(st.Path)
		if err != nil {
			return err
		}
		if err := profiles.WriteTrials(a.out, prof, a.style()); err != nil {
			return err
		}
		fmt.Fprintln(a.out)
	}
	for _, line := range append(summary(j.plan, info, st), holdLines(j.plan, st)...) {
		fmt.Fprintln(a.out, wrapLine(line, a.textWidth()))
	}
	for _, w := range written {
		fmt.Fprintf(a.out, "%-19s %s\n", w.What, w.Path)
	}
	if st.Path != "" {
		what, command := nextCommand(st, j.out)
		fmt.Fprintf(a.out, "%-19s %s\n", what, command)
	}
	return nil
}

// nextCommand returns a command for the recorded sweep, and its purpose. The command has the
// folder of the profile, or its ID if it has no folder.
func nextCommand(st session.Sweep, out string) (what, command string) {
	name := st.ID
	if out != "" {
		name = shellQuote(out)
	}
	if st.Choice == nil {
		return "to show it again", "sweetspot profiles show " + name
	}
	return "for other servers", "sweetspot export " + name + " --format triton   (or another: sweetspot export --help)"
}

// shellQuote returns a word with the quotes that a shell needs.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-./:@%+,=", r))
	}
	if word != "" && !strings.HasPrefix(word, "-") && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	if strings.HasPrefix(word, "-") {
		word = "./" + word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// file is a file that a sweep wrote.
type file struct {
	What string `json:"what"`
	Path string `json:"path"`
}

func (a *app) writeFiles(j job, info sweep.Info, st session.Sweep, f *runFlags) ([]file, error) {
	var out []file
	if st.Path != "" {
		out = append(out, file{"profile", st.Path})
	}
	if st.Choice == nil {
		return out, nil
	}
	dir := j.out
	if dir == "" {
		dir = strings.TrimSuffix(st.Path, ".jsonl")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return out, err
		}
	}
	row := rank.RowOf(st.Trials, st.Best)
	best := &row.Joined
	what, path := "config.properties", filepath.Join(dir, "config.properties")
	source := a.exportSource(session.ExportRequest{
		Info: info, Settings: st.Choice.Settings, Options: best.Options, SLA: j.plan.SLA, Measured: best, Runs: len(row.Runs), Sweep: st.ID,
		OtherLoads: rank.New(rank.RulesOf(j.plan), st.Trials).DescribeOtherLoads(row),
	})
	doc, err := writeExport(what, source, path, f.force, f.force)
	switch {
	case errors.Is(err, export.ErrIncomplete): // a remote server does not report all settings: the known ones are written as JSON
		a.note(f, "config.properties not written: %v", err)
		what, path = "choice.json", filepath.Join(dir, "choice.json")
		if doc, err = writeExport("json", source, path, f.force, f.force); err != nil {
			return out, err
		}
	case errors.Is(err, export.ErrRefused): // the sweep still has a result
		a.note(f, "config.properties not written: %v", err)
		return out, nil
	case err != nil:
		return out, err
	}
	if !f.quiet {
		a.notes(doc)
	}
	return append(out, file{what, path}), nil
}
