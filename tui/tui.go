// Package tui is the terminal interface of the workbench.
//
// [Run] shows it until the user quits. The Live view changes settings while
// requests are sent, and compares P99 with the SLA. The Sweep view starts a sweep
// and shows its trials, the Frontier view all its settings with the predicted ones.
// They draw only what is in a [session.Snapshot], which is immutable and polled a few
// times a second, and change something only by an action, which calls a method of the
// [Workbench]. The Profiles view shows, compares and names the profiles of a folder. [Summary] is the text to print
// after the screen is closed.
//
// Only one goroutine uses the model. Actions run in commands, one at a time and
// in the order of the keys, so that a slow action does not block the screen. The
// package reads no environment variable, handles no signal and starts no goroutine
// of its own: the caller's context ends it. Run restores the terminal when it
// returns. The caller must restore it if the process ends in any other way.
package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// Workbench is what the screen shows and controls; [session.Session] implements
// it. An error is the reason why the call was refused, in words for the user.
// Snapshot is called often and from any goroutine. The other methods are called
// one at a time. They start their work and return; only Export and WhatIf wait, for
// the disk and the simulator. Results are reported in the messages of the snapshots.
type Workbench interface {
	Snapshot() *session.Snapshot
	Apply(to knob.Settings) error
	Undo() error
	Redo() error
	SetLoad(l load.Spec) error
	HoldLoad(hold bool) error
	StartSweep(p plan.Plan) error
	Measure(s knob.Settings, l load.Spec) error
	LiveTrial() (trial.Trial, error)
	WhatIf(l load.Spec) ([]search.Prediction, error)
	PauseSweep(pause bool) error
	AbortSweep() error
	Restart() error
	Record(on bool) error
	Bare() error
	Operators() error
	Export(o session.ExportOptions) (session.Exported, error)
}

// Deps are the dependencies and options of Run. Only Workbench is required.
type Deps struct {
	Workbench Workbench
	Version   string // of the program, for the help

	In  io.Reader // keys; nil is standard input
	Out io.Writer // the terminal; nil is standard output

	NoColor      bool          // no colour at all; colour never has a meaning alone
	ASCII        bool          // draw with ASCII only
	Symbols      chart.Symbols // of the charts; ASCII overrides it
	ReduceMotion bool          // one frame a second, no spinner
	Mouse        bool          // start with the mouse captured; the key M toggles it
	FPS          int           // upper limit of polls per second, 1-60; 0 is the default

	Now func() time.Time // the clock of the snapshots; nil is time.Now

	// ProfileDir is the folder of the profiles for the Profiles view; "" is none. Machine describes the
	// machine of a target as profiles do; nil if no profile can be compared with the live traffic.
	ProfileDir string
	Machine    func(info sweep.Info) profiles.Machine

	// Follow is for a Workbench that reads a profile which another process
	// writes. Every snapshot must have a Sweep. The screen then has no Live view and
	// only the keys that change nothing; of the actions only Export is used.
	Follow bool

	// A receive from Suspend suspends the program as the key does; nil is allowed. WillStop, if it is not
	// nil, is called before the program sends itself the signal that stops it.
	Suspend  <-chan struct{}
	WillStop func()

	// Editor is the command of the user's editor with its arguments; if it is empty, there is none.
	Editor []string

	// Leave, if it is not nil, is called with the last frame if the user quit with the key that leaves it
	// on the terminal, after the terminal was restored.
	Leave func(frame string)

	// Exported, if it is not nil, is called with the path of each file that Export
	// wrote, from the goroutine of Run.
	Exported func(path string)
}

// Run shows the screen until the user quits or ctx ends. It returns nil after a
// normal quit, ErrInterrupted after ctrl+c, and the cause of ctx if that has ended.
// In all cases, and also after a panic in the model, it restores the terminal. It
// does not end a sweep: the owner of the Workbench must do that.
func Run(ctx context.Context, d Deps) error {
	if d.Now == nil {
		d.Now = time.Now
	}
	m := newModel(d)
	p := newPainted(m, cmp.Or[io.Writer](d.Out, os.Stdout))
	opts := []tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(modesPerSecond), tea.WithOutput(p.output())}
	if d.In != nil {
		opts = append(opts, tea.WithInput(d.In))
	}
	if d.NoColor {
		opts = append(opts, tea.WithColorProfile(colorprofile.ASCII))
	}
	_, err := tea.NewProgram(p, opts...).Run()
	if m.leaveFrame && d.Leave != nil {
		d.Leave(m.lastFrame())
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("screen: %w", err)
	case !m.lastInterrupt.IsZero():
		return ErrInterrupted
	}
	return nil
}

// modesPerSecond is how often the renderer of Bubble Tea looks for modes of the terminal that have changed. The first
// frame waits for it too, because it opens the alternate screen. Each time costs CPU even if nothing has changed.
const modesPerSecond = 20

// NewScreen returns the model of the screen, for measurements that draw its frames without a program: each Update
// writes to Out how the frame differs from the one before.
func NewScreen(d Deps) tea.Model {
	if d.Now == nil {
		d.Now = time.Now
	}
	p := newPainted(newModel(d), cmp.Or[io.Writer](d.Out, io.Discard))
	p.painter.open = true
	return p
}

// ErrInterrupted is the result of Run if the user quit with ctrl+c.
var ErrInterrupted = errors.New("interrupted")
