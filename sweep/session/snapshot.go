package session

import (
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// Phase is who owns the engine now.
type Phase uint8

// The phases.
const (
	Starting Phase = iota // the engine is on its way up
	Serving               // live load and the person's settings
	Sweeping              // a running sweep owns it; Live follows read-only
	Down                  // the engine is gone; Problem says why
)

var phaseNames = []string{Starting: "starting", Serving: "serving", Sweeping: "sweeping", Down: "down"}

func (p Phase) String() string { return phaseNames[p] }

// Snapshot is all a screen shows. It is immutable: read it, keep it, never
// write to it.
type Snapshot struct {
	At       time.Time
	Phase    Phase
	Problem  string // with Down: why, and what to do
	Info     sweep.Info
	SLA      trial.SLA
	Load     load.Spec // as asked for; Load.For gives a matched one its number
	LoadOn   bool      // false while the person holds the live load
	Settings knob.Settings
	Changes  []Change  // applied, oldest first
	Applying *Applying // nil when none is under way
	Live     Live
	Inside   Inside    // of the model
	Sweep    *Sweep    // nil before the first
	Recorded *Recorded // nil while nothing is recorded
	Messages []Message
}

// Change is one applied change of settings.
type Change struct {
	N        int // A1, A2 ...
	At       time.Time
	From, To knob.Settings
	Took     time.Duration
	Undo     bool // it took an earlier one back
}

// Applying is an apply under way.
type Applying struct {
	To    knob.Settings
	Since time.Time
	Steps []sweep.Step // finished ones
}

// Second is one second of live traffic. Latencies in ms are taken over the
// shortest of 1, 2, 5, 10 and 30 s that ends here and holds 100 answers.
type Second struct {
	At         time.Time // its end
	Window     time.Duration
	P50, P99   trial.Num
	ModelP99   trial.Num
	OK, Errors int       // answers and refused, failed or timed out requests in this second
	CPU        trial.Num // the engine's, percent of one core
	GPU        trial.Num // percent, not measured without one
}

// Live is the traffic now.
type Live struct {
	Seconds  []Second // oldest first, at most History
	Window   time.Duration
	Answers  int // in the window
	P50, P99 trial.Num
	ModelP99 trial.Num
	RPS      trial.Num // answers per second over the window
	Batch    trial.Num // mean formed batch over the window
	Verdict  trial.Verdict
	Totals   trial.Counts // since the session began
	Use      trial.ResourceUse
	Settling bool // less than the window has passed since the last change
}

// SweepState is where a sweep stands.
type SweepState uint8

// The states of a sweep. Pausing and Aborting end with the trial at hand.
const (
	Running SweepState = iota
	Pausing
	Paused
	Aborting
	Done
	Aborted
	Failed
)

var sweepStates = []string{
	Running: "running", Pausing: "pausing", Paused: "paused", Aborting: "aborting",
	Done: "done", Aborted: "aborted", Failed: "failed",
}

func (s SweepState) String() string { return sweepStates[s] }

// Ended tells whether nothing more will come.
func (s SweepState) Ended() bool { return s >= Done }

// Sweep is a sweep in the background or just ended.
type Sweep struct {
	State   SweepState
	ID      string // of its profile
	Path    string // of its profile
	Plan    plan.Plan
	Points  int    // settings under their loads that the plan leaves to choose from
	Total   int    // trials, those to come by the strategy's estimate
	Probes  int    // service times measured
	Untried int    // points that an ended sweep without an answer left out and that may keep the promise
	None    string // why no point can keep the promise at any load, where that is certain
	Skipped []trial.Skip
	Cost    search.Cost // of the promise; its rate is 0 until something was measured
	Elapsed time.Duration
	ETA     time.Duration // what is left, by the points done so far
	Current *sweep.Current
	Trials  []trial.Trial
	Resumed int // of the trials, those that the resumed sweep had measured
	Best    int // index into Trials, -1 while nothing was measured
	Open    int // index into Trials of the most promising setting that no validation confirmed, -1 without one, or with a Choice
	Events  []trial.Event
	Choice  *trial.Choice
	Problem string // with Failed, or a profile that could not be written
}

// Level is how much a message matters.
type Level uint8

// The levels.
const (
	Note Level = iota
	Warning
	Trouble
)

// Message is one line of the log.
type Message struct {
	At    time.Time
	Level Level
	Text  string
}
