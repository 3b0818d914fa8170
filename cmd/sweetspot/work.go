package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui"
)

// workbenchOrSweep opens the workbench. With --sweep, or without a terminal, it runs a sweep
// without a screen.
func (a *app) workbenchOrSweep(ctx context.Context, fs *pflag.FlagSet, args []string, f *runFlags) error {
	if err := f.checkArgs(args); err != nil {
		return err
	}
	a.given = f.given(fs)
	tty, why := a.screen()
	switch {
	case f.follow != "":
		return a.follow(ctx, f, tty, why)
	case f.sweep != "" || f.resume != "" || f.dryRun || f.json != "" || f.hold > 0 || f.shard != "":
	case why != "":
		a.note(f, "%s: running a sweep, as with --sweep", why)
	default:
		return a.workbench(ctx, fs, args, f, tty)
	}
	if f.sweep == "" {
		f.sweep = "auto"
	}
	return a.headless(ctx, fs, args, f)
}

// screen returns the terminal for the screen, or why there is none.
func (a *app) screen() (tty *os.File, why string) {
	out, ok := a.out.(*os.File)
	if live, _ := terminal(out); !ok || !live {
		return nil, "stdout is not a terminal"
	}
	if t := a.env.get("TERM"); t == "dumb" || t == "" {
		return nil, "this terminal cannot move its cursor (TERM=" + t + ")"
	}
	return out, ""
}

// workbench runs the session and the screen, and prints a summary after the end of the
// screen.
func (a *app) workbench(ctx context.Context, fs *pflag.FlagSet, args []string, f *runFlags, tty *os.File) error {
	p, start, err := f.screenPlan(fs, args)
	if err != nil {
		return err
	}
	switch k, err := a.kindOf(p.Target); {
	case err != nil:
		return err
	case !k.live:
		return withHint("add --sweep", "target %q has no live load for the workbench", p.Target)
	}
	if err := a.checkTargetFlags(p.Target); err != nil {
		return err
	}
	if err := a.allow(ctx, p); err != nil { // before the screen
		return err
	}
	if !hasOwnModel(p.Target) && p.Target != plan.TorchServe {
		if err := catalog.Check(p.Model); err != nil {
			return err
		}
	}
	var written []string
	shown, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	config := a.sessionConfig(p, start, f)
	config.Open = firstOpen(config.Open, failed)
	s := session.New(config)
	inner, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	r := a.startRestorer(tty)
	stops := startSuspender()
	defer stops.stop()
	go func() { ended <- s.Run(inner) }()
	err = tui.Run(shown, tui.Deps{
		Workbench: s, Version: version, Out: tty, ProfileDir: a.env.profileDir(), Machine: a.machine,
		NoColor: f.noColor || a.env.get("NO_COLOR") != "", ASCII: f.ascii, Symbols: f.symbols(a.env), ReduceMotion: f.calm, Mouse: f.mouse, FPS: f.fps,
		Editor:  strings.Fields(cmp.Or(a.env.get("VISUAL"), a.env.get("EDITOR"))),
		Suspend: stops.requested, WillStop: stops.willStop,
		Leave:    func(frame string) { fmt.Fprintln(a.out, frame) },
		Exported: func(path string) { written = append(written, path) },
	})
	r.dismiss()
	if errors.Is(err, tui.ErrInterrupted) {
		a.signal.interrupted() // before the end of the profiles is written
	}
	cancel()
	err = errors.Join(err, <-ended)
	fmt.Fprint(a.out, tui.Summary(s.Snapshot(), written...))
	if errors.Is(err, tui.ErrInterrupted) {
		return exit{128 + int(syscall.SIGINT)}
	}
	return err
}

// firstOpen calls failed with the error of open, unless open has succeeded before: a target that never
// served has nothing to restart, and its error belongs on the shell.
func firstOpen(open func(context.Context) (session.Target, error), failed context.CancelCauseFunc) func(context.Context) (session.Target, error) {
	served := false
	return func(ctx context.Context) (session.Target, error) {
		t, err := open(ctx)
		switch {
		case err == nil:
			served = true
		case !served && ctx.Err() == nil:
			failed(err)
		}
		return t, err
	}
}

// sessionConfig returns a session configuration with the functions that open targets, record
// profiles and write exports. start has priority over the start settings of the plan.
func (a *app) sessionConfig(p plan.Plan, start knob.Config, f *runFlags) session.Config {
	dir := f.out
	if dir == "" {
		dir = "."
	}
	promise := p.SLA
	c := session.Config{
		Plan:       p,
		Open:       func(ctx context.Context) (session.Target, error) { return a.openLive(ctx, p, start) },
		Record:     a.record("", nil, plan.Shard{}, nil),
		RecordLive: func(info sweep.Info) (session.LiveRecording, error) { return a.recordLive(promise, p.Seed)(info) },
		Export:     a.exportFunc(dir),
	}
	if f.demo {
		c.Promise = func(ctx context.Context, t session.Target) (trial.SLA, string) {
			why := ""
			promise, why = demoPromise(ctx, t, p)
			return promise, why
		}
	}
	return c
}
