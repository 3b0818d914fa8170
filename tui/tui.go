// Package tui is the workbench's screens.
//
// [Run] shows them until the person quits: Live turns the knobs under traffic
// and holds P99 against the SLA, Sweep runs and reads a sweep. Everything shown
// comes from one immutable [session.Snapshot], polled a few times a second;
// everything done goes through the verbs of a [Workbench]. [Summary] is what is
// worth printing once the screen is gone.
//
// The model is driven by one goroutine. Verbs run in commands, one after the
// other in the order of the keys, so a slow one never holds up the screen and
// none overtakes another. The package reads no environment, handles no signal
// and starts no goroutine of its own: the caller's context ends it. Only an orderly
// end gives the terminal back; what else may end the process is the caller's to
// mind.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
)

// Workbench is what the screens show and do; [session.Session] is the real one.
// An error is the reason of a refusal, in words for people. Snapshot is called
// often and from any goroutine. The others are called one at a time; they start
// their work and return, only Export waits for the disk. Export and what its
// verbs start report to the snapshot's messages themselves.
type Workbench interface {
	Snapshot() *session.Snapshot
	Apply(to knob.Settings) error
	Undo() error
	SetLoad(l load.Spec) error
	HoldLoad(hold bool) error
	StartSweep() error
	PauseSweep(pause bool) error
	AbortSweep() error
	Restart() error
	Record(on bool) error
	Bare() error
	Operators() error
	Export(n int) (session.Exported, error)
}

// Deps is what Run works with. Only Bench is required.
type Deps struct {
	Bench   Workbench
	Version string // of the program, for the help

	In  io.Reader // keys; nil is standard input
	Out io.Writer // the terminal; nil is standard output

	NoColor      bool // no colour at all; meaning never hangs on it
	ASCII        bool // draw with ASCII only
	ReduceMotion bool // one frame a second, no spinner
	Mouse        bool // start with the mouse captured; M changes it
	FPS          int  // most frames a second, 1-60; 0 leaves it to the program

	Now func() time.Time // the clock of Bench's snapshots; nil is time.Now

	// Follow is for a Bench that reads what another program writes: the screen
	// shows Sweep alone, which every snapshot has, and only the keys that read
	// it. Of the verbs Export has to work.
	Follow bool

	// Exported, when not nil, is called with each path Export wrote, from the
	// goroutine of Run.
	Exported func(path string)
}

// Run shows the screens until the person quits, which returns nil or, after
// ctrl+c, ErrInterrupted, or until ctx ends, which returns ctx's cause. In both cases, and after a panic in the
// program itself, the terminal is as it was. A sweep that runs goes on until
// its owner ends it.
func Run(ctx context.Context, d Deps) error {
	if d.Now == nil {
		d.Now = time.Now
	}
	opts := []tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(30)}
	if d.In != nil {
		opts = append(opts, tea.WithInput(d.In))
	}
	if d.Out != nil {
		opts = append(opts, tea.WithOutput(d.Out))
	}
	if d.NoColor {
		opts = append(opts, tea.WithColorProfile(colorprofile.ASCII))
	}
	m := newModel(d)
	_, err := tea.NewProgram(m, opts...).Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("screen: %w", err)
	case !m.stopAt.IsZero():
		return ErrInterrupted
	}
	return nil
}

// ErrInterrupted is how Run ends when the person quit with ctrl+c.
var ErrInterrupted = errors.New("interrupted")
