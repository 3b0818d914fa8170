package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui"
)

// errReadOnly is the error of all methods that would change something.
var errReadOnly = errors.New("read-only: this screen shows a profile that another sweetspot writes")

// follower is a workbench that shows a profile while it is written, and changes nothing. Its
// snapshots may be read from any goroutine.
type follower struct {
	snap    atomic.Pointer[session.Snapshot]
	profile atomic.Pointer[profiles.Profile] // nil before the first read
	export  *exporter                        // used only by methods that the screen calls
}

// Snapshot returns the profile when it was last read. The elapsed time of a running sweep is
// the current one.
func (f *follower) Snapshot() *session.Snapshot {
	s := f.snap.Load()
	if s.Sweep.State.Ended() || time.Since(s.At) < time.Second {
		return s
	}
	later, w := *s, *s.Sweep
	later.At = time.Now()
	w.Elapsed += later.At.Sub(s.At)
	later.Sweep = &w
	f.snap.CompareAndSwap(s, &later)
	return f.snap.Load()
}

// These methods return an error. Only Export works, because it does not change the profile.

func (f *follower) Apply(knob.Settings) error { return errReadOnly }
func (f *follower) Undo() error               { return errReadOnly }
func (f *follower) Redo() error               { return errReadOnly }
func (f *follower) SetLoad(load.Spec) error   { return errReadOnly }
func (f *follower) HoldLoad(bool) error       { return errReadOnly }
func (f *follower) StartSweep(plan.Plan) error {
	return errReadOnly
}

func (f *follower) LiveTrial() (trial.Trial, error) { return trial.Trial{}, errReadOnly }

func (f *follower) WhatIf(load.Spec) ([]search.Prediction, error) {
	return nil, errReadOnly
}
func (f *follower) Measure(knob.Settings, load.Spec) error { return errReadOnly }
func (f *follower) PauseSweep(bool) error                  { return errReadOnly }
func (f *follower) AbortSweep() error                      { return errReadOnly }
func (f *follower) Restart() error                         { return errReadOnly }
func (f *follower) Record(bool) error                      { return errReadOnly }
func (f *follower) Bare() error                            { return errReadOnly }
func (f *follower) Operators() error                       { return errReadOnly }

// Export writes the settings of a trial, or without a trial those of the choice.
func (f *follower) Export(o session.ExportOptions) (session.Exported, error) {
	p := f.profile.Load()
	if p == nil {
		return session.Exported{}, errors.New("the profile has not been read yet")
	}
	return f.export.ofProfile(p, o)
}

// read sets the profile.
func (f *follower) read(p *profiles.Profile) error {
	f.profile.Store(p)
	f.snap.Store(snapshotOf(p))
	return nil
}

// fail shows the error that ended following.
func (f *follower) fail(err error) {
	s := *f.snap.Load()
	w := *s.Sweep
	w.State, w.Problem = session.Failed, err.Error()
	s.Sweep = &w
	s.Messages = append(s.Messages[:len(s.Messages):len(s.Messages)], session.Message{At: time.Now(), Level: session.Error, Text: err.Error()})
	f.snap.Store(&s)
}

// follow shows a profile on the screen while it is written. why says why there is no screen;
// "" if there is one.
func (a *app) follow(ctx context.Context, f *runFlags, tty *os.File, why string) error {
	path, err := a.followedPath(f.follow)
	if err != nil {
		return err
	}
	if why != "" {
		return withHint("see: sweetspot profiles show "+f.follow, "--follow needs a screen: %s", why)
	}
	first, err := profiles.Read(path)
	if first == nil {
		return err // damaged lines are warnings on the screen
	}
	dir := f.out
	if dir == "" {
		dir = "."
	}
	bench := &follower{export: newExporter(dir)}
	_ = bench.read(first) // it always returns nil
	inner, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := profiles.Follow(inner, path, bench.read); err != nil && inner.Err() == nil {
			bench.fail(err)
		}
	}()
	r := a.startRestorer(tty)
	err = tui.Run(ctx, tui.Deps{
		Workbench: bench, Follow: true, Version: version, Out: tty, ProfileDir: a.env.profileDir(),
		NoColor: f.noColor || a.env.get("NO_COLOR") != "", ASCII: f.ascii, Symbols: f.symbols(a.env), ReduceMotion: f.calm, Mouse: f.mouse, FPS: f.fps,
		Leave: func(frame string) { fmt.Fprintln(a.out, frame) },
	})
	r.dismiss()
	cancel()
	<-ended
	if errors.Is(err, tui.ErrInterrupted) {
		return exit{128 + int(syscall.SIGINT)}
	}
	return err
}

// followedPath returns the profile to follow. For last, that is one that is being written, if there is
// one; the newest profile may be an older sweep that ended.
func (a *app) followedPath(name string) (string, error) {
	if name == profiles.Last {
		path, err := profiles.FindRunning(a.env.profileDir())
		if err != nil || path != "" {
			return path, err
		}
	}
	return profiles.Find(a.env.profileDir(), name)
}

// snapshotOf returns the snapshot of a profile for the screen.
func snapshotOf(p *profiles.Profile) *session.Snapshot {
	h := p.Header
	w := tui.SweepOf(p)
	s := &session.Snapshot{
		At: time.Now(), Phase: session.Sweeping, SLA: w.Plan.SLA, Sweep: w,
		Info: sweep.Info{
			Model:   sweep.ModelInfo{Name: h.Model.Name, Version: h.Model.Version, Source: h.Model.Source, SHA256: h.Model.SHA256},
			Options: w.Plan.Options, Limits: knob.Limits{Rule: w.Plan.Options.Rule}, Machine: h.Machine.Remote,
			Runtime: h.Machine.Runtime, Cores: h.Machine.Cores,
		},
	}
	if n := len(p.Trials); n > 0 {
		last := p.Trials[n-1]
		s.Settings, s.Load, s.Live.Verdict = last.Settings, last.Load, last.Verdict
		s.Info.Options, s.Info.Limits.Rule = last.Options, last.Options.Rule
		w.Elapsed = max(last.At.Sub(h.Created), 0) // the clock of the machine may have been set back
	}
	w.State, w.Problem = followedState(p)
	if !w.State.Ended() {
		w.Elapsed = max(s.At.Sub(h.Created), 0)
	}
	s.Messages = followedMessages(p)
	return s
}

// followedState returns the state of a profile, and its error.
func followedState(p *profiles.Profile) (session.SweepState, string) {
	switch p.State() {
	case profiles.Running:
		return session.Running, ""
	case profiles.Done:
		return session.Done, ""
	case profiles.Failed:
		return session.Failed, lastError(p.Trials)
	case profiles.Interrupted:
		if p.Header.Kind != profiles.Sweep {
			return session.Aborted, "interrupted"
		}
		return session.Aborted, "interrupted; to resume: sweetspot --sweep --resume=" + p.Header.ID
	}
	return session.Aborted, ""
}

// lastError returns the error of the last trial; "" if it has none.
func lastError(ts []trial.Trial) string {
	if len(ts) == 0 {
		return ""
	}
	return ts[len(ts)-1].Error
}

// followedMessages returns the events of a profile and the warnings about its lines.
func followedMessages(p *profiles.Profile) []session.Message {
	var out []session.Message
	for _, e := range p.Events {
		out = append(out, session.Message{At: e.At, Text: fmt.Sprintf("%s: %s", e.What, e.Detail)})
	}
	at := p.Header.Created
	if n := len(out); n > 0 {
		at = out[n-1].At
	}
	for _, w := range p.Warnings {
		out = append(out, session.Message{At: at, Level: session.Warning, Text: w})
	}
	return out
}
