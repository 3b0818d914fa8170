// Package plan says what a sweep does before it starts.
//
// A [Plan] is the question (a promise, a load, an objective), the space (a
// range per knob) and the effort (budget, length of a trial). [Default] is a
// useful one; [Parse] reads one plan from YAML and [Load] also reads the suite
// files of TorchServe's benchmark, which may hold several. [Plan.Validate]
// reports every fault at once. [Plan.Canonical] is the one text that equal
// plans share, and [Plan.Hash] names it.
//
// [Plan.Resolve] reads what the plan says of knobs that only its target has.
// [Plan.Points] expands the knobs to concrete settings in the order in which
// they will be tried, and says what it left out and why; [Plan.Estimate] says
// how long that takes. Which strategies exist is package search's to say.
//
// A Plan is data: copy it, compare it, but do not share its maps and slices
// between goroutines that write. Nothing here reads a clock, a file or the
// environment.
package plan

import (
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Version is the format version a plan file names.
const Version = 1

// Unset as Budget.LoadTests leaves the number to the strategy.
const Unset = -1

// Plan is one sweep, as FORMATS section 2 writes it. Model may be empty when
// the caller names it elsewhere; every other field wants a value, and Default
// has them.
type Plan struct {
	Model  string             // .onnx, .mar, folder, builtin:NAME, sim:NAME
	Input  string             // file or folder of request bodies; "" makes them from the model's inputs
	Shapes map[string][]int64 // open dimensions beside the batch, per input
	Target string             // local, virtual, torchserve, a management URL, oip+URL

	Options  knob.Options // the batching rule, and what is recorded beside the settings
	Question Question
	SLA      trial.SLA
	Timeout  time.Duration // a request's limit, above the promise's; 0 follows the promise
	Loads    []load.Spec   // one or more; every setting is tried under each

	// Knobs holds a range per knob that varies, in the form knob.Expand
	// reads, or knob.Auto. Knobs that are not named keep their start value.
	// Names beside the seven are the target's own knobs: what they take is known
	// when the target is ([Plan.Resolve]).
	Knobs map[knob.Name]string

	Strategy    string // grid, climb, auto; "" leaves it to package search
	Order       Order
	Objective   Objective
	Constraints Constraints
	Budget      Budget
	Trial       Trial
	Seed        uint64 // of load, shuffling and everything else left to chance

	// Name tells the plans of one file apart, and Notes say how the file was
	// understood. They are for people and no part of the plan's identity.
	Name  string
	Notes []string
}

// Constraints are limits beside the promise; 0 does not limit.
type Constraints struct {
	MemoryMB    int // the server's resident memory
	GPUMemoryMB int
}

// OwnMemory tells whether memory decides: then each setting is measured in a server
// that has run no other.
func (p Plan) NeedsFreshServer() bool { return p.Constraints != Constraints{} }

// Budget ends a sweep at whichever comes first; 0 does not limit.
type Budget struct {
	Time      time.Duration
	LoadTests int // settings taken to their verdict; Unset leaves it to the strategy
	Trials    int // measurements of any kind
}

// probeShare is the part of the time that probes of service times may take: it is
// to be spent on load tests in the main.
const probeShare = .3

// Probes is how long probes may take all together; 0 does not limit.
func (b Budget) ProbeTime() time.Duration { return time.Duration(probeShare * float64(b.Time)) }

// Trial is the length of one measurement. With Requests and Duration 0 it ends
// when its verdict is certain, or at MaxRequests.
type Trial struct {
	Requests    int           // exactly so many, 0 until certain
	Duration    time.Duration // exactly so long, 0 until certain
	MaxRequests int           // never more, 0 does not limit
}

// RequestTimeout is the request limit in force: the plan's, or the promise's.
func (p Plan) RequestTimeout() time.Duration {
	if p.Timeout > 0 {
		return p.Timeout
	}
	return p.SLA.RequestTimeout()
}

// Default returns the plan of FORMATS section 2 without a model: P99 of
// requests within 100 ms at 10 closed clients, workers, batch size and batch
// delay searched, everything else at its start value.
func Default() Plan {
	return Plan{
		Target: "local",
		SLA:    trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond},
		Loads:  []load.Spec{{Mode: load.Closed, Concurrency: 10}},
		Knobs: map[knob.Name]string{
			knob.Workers:    knob.Auto,
			knob.BatchSize:  knob.Auto,
			knob.BatchDelay: knob.Auto,
		},
		Budget: Budget{Time: 3 * time.Minute, LoadTests: Unset},
		Trial:  Trial{MaxRequests: 20000},
		Seed:   1,
	}
}
