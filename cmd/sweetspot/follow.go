package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/tui"
)

// errReadOnly is what every verb answers while a profile is followed.
var errReadOnly = errors.New("read-only: this screen follows a profile that another sweetspot writes")

// follower is a workbench that shows a growing profile and turns nothing.
type follower struct {
	snap atomic.Pointer[session.Snapshot]
}

// Snapshot returns what the profile held when it was last read.
func (f *follower) Snapshot() *session.Snapshot { return f.snap.Load() }

// The verbs refuse.

func (f *follower) Apply(knob.Settings) error  { return errReadOnly }
func (f *follower) Undo() error                { return errReadOnly }
func (f *follower) SetLoad(load.Spec) error    { return errReadOnly }
func (f *follower) HoldLoad(bool) error        { return errReadOnly }
func (f *follower) StartSweep() error          { return errReadOnly }
func (f *follower) PauseSweep(bool) error      { return errReadOnly }
func (f *follower) AbortSweep() error          { return errReadOnly }
func (f *follower) Restart() error             { return errReadOnly }
func (f *follower) Record(bool) error          { return errReadOnly }
func (f *follower) Export(int) (string, error) { return "", errReadOnly }

// follow opens the screen on a profile that may still grow. why is why there is
// no screen, or "".
func (a *app) follow(ctx context.Context, f *runFlags, tty *os.File, why string) error {
	path, err := profiles.Find(a.env.profileDir(), f.follow)
	if err != nil {
		return err
	}
	if why != "" {
		return withHint("see: sweetspot profiles show "+f.follow, "--follow needs a screen: %s", why)
	}
	inner, cancel := context.WithCancel(ctx)
	bench := &follower{}
	bench.snap.Store(&session.Snapshot{At: time.Now(), Phase: session.Starting})
	ended := make(chan error, 1)
	go func() {
		ended <- profiles.Follow(inner, path, func(p *profiles.Profile) error {
			bench.snap.Store(followed(p))
			return nil
		})
	}()
	k := a.startKeeper(tty)
	err = tui.Run(ctx, tui.Deps{
		Bench: bench, Version: version, Out: tty,
		NoColor: f.noColor || a.env.get("NO_COLOR") != "", ASCII: f.ascii, ReduceMotion: f.calm, Mouse: f.mouse, FPS: f.fps,
	})
	k.dismiss()
	cancel()
	if e := <-ended; e != nil && !errors.Is(e, context.Canceled) {
		err = errors.Join(err, e)
	}
	return err
}

// followed is a profile as the screen shows it.
func followed(p *profiles.Profile) *session.Snapshot {
	h := p.Header
	s := &session.Snapshot{
		At: time.Now(), Phase: session.Sweeping,
		Info: sweep.Info{
			Model:   sweep.ModelInfo{Name: h.Model.Name, Version: h.Model.Version, Source: h.Model.Source, SHA256: h.Model.SHA256},
			Runtime: h.Machine.Runtime, Cores: h.Machine.Cores,
		},
		Sweep: &session.Sweep{ID: h.ID, Path: p.Path, Trials: p.Trials, Total: len(p.Trials), Best: -1, Events: p.Events},
	}
	if sla, ok := p.SLA(); ok {
		s.SLA = sla
	}
	if order := search.Rank(p.Trials); len(order) > 0 {
		s.Sweep.Best = order[0]
	}
	if n := len(p.Trials); n > 0 {
		last := p.Trials[n-1]
		s.Settings, s.Load, s.Live.Verdict = last.Settings, last.Load, last.Verdict
		s.Sweep.Elapsed = last.At.Sub(h.Created)
	}
	if c, ok := p.Choice(); ok {
		s.Sweep.Choice = &c
	}
	switch p.State() {
	case profiles.Running:
		s.Sweep.State = session.Running
	case profiles.Done:
		s.Sweep.State = session.Done
	case profiles.Failed:
		s.Sweep.State = session.Failed
	default:
		s.Sweep.State = session.Aborted
	}
	for _, e := range p.Events {
		s.Messages = append(s.Messages, session.Message{At: e.At, Text: fmt.Sprintf("%s: %s", e.What, e.Detail)})
	}
	return s
}
