package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/pflag"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui"
)

// workOrSweep opens the workbench where there is a terminal for it. With --sweep
// it searches without a screen, and without a terminal it says so and does the
// same.
func (a *app) workOrSweep(ctx context.Context, fs *pflag.FlagSet, args []string, f *runFlags) error {
	if err := f.checkArgs(args); err != nil {
		return err
	}
	tty, why := a.screen()
	switch {
	case f.follow != "":
		return a.follow(ctx, f, tty, why)
	case f.sweep != "" || f.resume != "" || f.dryRun || f.json != "":
	case why != "":
		a.note(f, "%s: this is what --sweep does", why)
	default:
		return a.workbench(ctx, fs, args, f, tty)
	}
	if f.sweep == "" {
		f.sweep = "auto"
	}
	return a.headless(ctx, fs, args, f)
}

// screen returns the terminal, or why there is none for a screen.
func (a *app) screen() (tty *os.File, why string) {
	out, ok := a.out.(*os.File)
	if live, _ := terminal(out); !ok || !live {
		return nil, "stdout is no terminal"
	}
	if t := a.env.get("TERM"); t == "dumb" || t == "" {
		return nil, "this terminal cannot move its cursor (TERM=" + t + ")"
	}
	return out, ""
}

// workbench runs session and screen, and prints what is worth keeping once the
// screen is gone.
func (a *app) workbench(ctx context.Context, fs *pflag.FlagSet, args []string, f *runFlags, tty *os.File) error {
	start, err := f.config(fs)
	if err != nil {
		return err
	}
	p, err := f.overlay(fs, plan.Default(), args) // a plan's file comes with --sweep, which has no screen
	if err != nil {
		return err
	}
	switch k, err := a.kindOf(p.Target); {
	case err != nil:
		return err
	case !k.live:
		return withHint("add --sweep", "target %q has no screen", p.Target)
	}
	var written []string
	s := session.New(a.sessionConfig(p, start, f))
	inner, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	k := a.startKeeper(tty)
	go func() { ended <- s.Run(inner) }()
	err = tui.Run(ctx, tui.Deps{
		Workbench: s, Version: version, Out: tty,
		NoColor: f.noColor || a.env.get("NO_COLOR") != "", ASCII: f.ascii, ReduceMotion: f.calm, Mouse: f.mouse, FPS: f.fps,
		Exported: func(path string) { written = append(written, path) },
	})
	k.dismiss()
	if errors.Is(err, tui.ErrInterrupted) {
		a.signal.interrupted() // before the profiles are ended
	}
	cancel()
	err = errors.Join(err, <-ended)
	fmt.Fprint(a.out, tui.Summary(s.Snapshot(), written...))
	if errors.Is(err, tui.ErrInterrupted) {
		return exit{128 + int(syscall.SIGINT)}
	}
	return err
}

// sessionConfig joins the session to the engine child, the profiles and the
// exports. start wins over the plan's own start settings.
func (a *app) sessionConfig(p plan.Plan, start knob.Config, f *runFlags) session.Config {
	dir := f.out
	if dir == "" {
		dir = "."
	}
	promise := p.SLA
	c := session.Config{
		Plan:       p,
		Open:       func(ctx context.Context) (session.Target, error) { return a.openLive(ctx, p, start) },
		Record:     a.record("", nil, nil),
		RecordLive: func(info sweep.Info) (session.LiveRecording, error) { return a.recordLive(promise, p.Seed)(info) },
		Export:     a.exportFrom(dir),
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
