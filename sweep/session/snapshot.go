package session

import (
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// Phase says who owns the engine.
type Phase uint8

// The phases.
const (
	Starting Phase = iota // the engine is starting
	Serving               // the user owns it, with the live load
	Sweeping              // a running sweep owns it; the screen is read-only
	Down                  // the engine has failed; Problem says why
)

var phaseNames = []string{Starting: "starting", Serving: "serving", Sweeping: "sweeping", Down: "down"}

func (p Phase) String() string { return phaseNames[p] }

// Snapshot is everything that a screen shows. It must not be changed.
type Snapshot struct {
	At        time.Time
	Phase     Phase
	Problem   string // in phase Down: the cause, and what to do
	Info      sweep.Info
	SLA       trial.SLA
	Load      load.Spec // as the user has set it; Load.For computes the concurrency of a matched load
	LoadOn    bool      // false if the user has stopped the live load
	Settings  knob.Settings
	FP16      *trial.FP16Agreement // of the model with its FP32 outputs; nil before it was compared
	Answers   *trial.AnswerCheck   // with the settings in force, in batches and alone; nil before they were compared
	Lengths   *trial.Lengths       // of the batches since the last change; nil without open dimensions
	Changes   []Change             // applied changes, oldest first
	Baseline  knob.Settings        // those at the start
	Undoable  int                  // changes that Undo can undo
	Redoable  int                  // undone changes that Redo can apply again
	Applying  *Applying            // nil without an apply in progress
	Comparing *Comparing           // nil without a comparison of the traffic before and after a change
	Effect    *Effect              // of the last change that was compared; nil before the first
	HeldSince time.Time            // while the load is held by the user: since when
	Crashes   []time.Time          // when the engine was found dead, oldest first
	CanKill   bool                 // Restart can end an engine that answers nothing
	Live      Live
	Internals Internals        // of the model
	Plan      plan.Plan        // of the next sweep, with the promise and the live load
	Sweep     *Sweep           // nil before the first sweep
	Recording *RecordingStatus // nil without a recording
	Messages  []Message
}

// Change is one applied change of settings.
type Change struct {
	N        int // A1, A2 ...
	At       time.Time
	From, To knob.Settings
	Took     time.Duration
	Undo     bool // it undid an earlier change
}

// Applying is an apply in progress.
type Applying struct {
	To    knob.Settings
	Since time.Time
	Steps []sweep.Step // finished ones
}

// Second is one second of live traffic. Latencies are in ms, over the shortest of the last 1, 2, 5,
// 10 and 30 s that has 100 answers; none are from before the last change of settings or load. A second
// without answers has no latencies.
type Second struct {
	At         time.Time // its end
	Window     time.Duration
	P50, P99   trial.Num
	ModelP99   trial.Num
	OK, Errors int       // in this second; Errors are refused, failed and timed-out requests
	CPU        trial.Num // of the engine, percent of one core
	GPU        trial.Num // percent; not measured without a GPU
	// Latencies are those of the answers and timeouts of this second alone, of the kind that
	// the promise binds; nil without any. It is not changed after it was made.
	Latencies []LatencyBin
	Slowest   []SlowRequest // the slowest first, at most five; not changed after it was made
}

// Live is the state of the live traffic. All figures except Totals and Use are of one window: the
// traffic since the last change of settings or load, at most 30 s, or longer while it has few answers.
type Live struct {
	Seconds   []Second // oldest first, at most HistorySeconds
	Window    time.Duration
	Answers   int // with those that timed out
	Sent      int // requests
	Errors    int // refused, failed and timed-out requests
	P50, P99  trial.Num
	ModelP99  trial.Num
	RPS       trial.Num // answers per second
	Batch     trial.Num // mean batch size
	Verdict   trial.Verdict
	Over      int           // latencies over the limit of the promise
	More      time.Duration // of an undecided verdict: about how much more traffic like this decides; 0 if that is not known
	HostBusy  bool          // others used the machine in more than a third of the seconds
	Totals    trial.Counts  // since the session began
	Use       trial.ResourceUse
	Host      sweep.Host
	Silent    time.Duration // how long requests have got no answer, while that is longer than usual; 0 otherwise
	Transient bool          // the present second is that of the last change: there is no traffic after it yet
}

// SweepState is the state of a sweep.
type SweepState uint8

// The states of a sweep. Pausing and Aborting last until the end of the present trial.
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

// Ended reports whether the sweep has ended.
func (s SweepState) Ended() bool { return s >= Done }

// Sweep is the state of a sweep that runs or has ended.
type Sweep struct {
	State       SweepState
	ID          string // of its profile
	Path        string // of its profile
	Plan        plan.Plan
	Part        *plan.Part // of a shard; nil if the whole grid is measured
	Points      int        // points that the strategy chooses from
	Total       int        // trials, including the strategy's estimate of those still to come
	Probes      int        // number of measured service times
	Untried     int        // of a sweep that ended without a choice: untried points that may keep the promise
	Impossible  string     // why no point can keep the promise at any load; "" if that is not certain
	Skipped     []trial.Skip
	FP16        *trial.FP16Agreement // with FP32; nil if no point was to be measured in FP16, or the target cannot compare
	Cost        search.Cost          // of the promise; its rate is 0 before the first measurement
	Elapsed     time.Duration
	ETA         time.Duration // estimated remaining time, from the points so far
	Current     *sweep.Current
	Trials      []trial.Trial
	Predictions []search.Prediction // of all points, corrected with the trials; nil if there are none
	Resumed     int                 // number of Trials that the resumed sweep had measured
	Best        int                 // index into Trials, -1 before the first trial
	Unconfirmed int                 // index into Trials of the best setting that no validation has confirmed, -1 without one or with a Choice
	Events      []trial.Event
	Choice      *trial.Choice
	Hold        *HoldState // nil unless the choice is or was held
	Problem     string     // why it failed, or why the profile could not be written
}

// Level is the severity of a message.
type Level uint8

// The levels.
const (
	Note Level = iota
	Warning
	Error
)

// Message is one message of the log.
type Message struct {
	At    time.Time
	Level Level
	Text  string
	Short string // the same in fewer words, for a screen without room for the text; "" for none
}

// startSettings returns the settings that are shown before the target is open: those with which our
// engine starts. A remote server has not reported its own yet.
func startSettings(p plan.Plan) knob.Settings {
	if strings.Contains(p.Target, "://") || p.Target == plan.Command {
		return knob.Settings{}
	}
	return knob.Default(p.Options.Rule)
}
