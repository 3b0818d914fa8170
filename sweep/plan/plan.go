// Package plan describes a sweep before it starts.
//
// A [Plan] has the question (an SLA, loads, an objective), the search space (a range
// for each knob) and the effort (budget, length of a trial). [Default] returns a
// useful plan. [Parse] reads one plan from YAML. [Load] also reads the files of
// TorchServe's benchmark suite, which may contain several plans. [Plan.Validate]
// reports all errors together. [Plan.Canonical] returns the canonical text, which is
// the same for equal plans, and [Plan.Hash] its hash.
//
// [Plan.Resolve] expands the ranges of knobs that only the target has. [Plan.Points]
// returns the settings in the order in which they will be measured, and the skipped
// ones with the reasons. [Plan.Estimate] returns the expected time. The strategies are
// in package search.
//
// A Plan is a value. Copies share its maps and slices, so they must not be written by
// several goroutines. Nothing in this package reads a clock, a file or the
// environment.
package plan

import (
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Version is the value of the key version in a plan file.
const Version = 1

// TorchServe is the target that starts a TorchServe on this machine.
const TorchServe = "torchserve"

// Virtual is the target in virtual time, a simulated device.
const Virtual = "virtual"

// Unset is a value of Budget.LoadTests: the strategy chooses the number.
const Unset = -1

// Plan describes one sweep. Model may be empty if the caller has it from elsewhere. All other
// fields need a value; Default has one for each.
type Plan struct {
	Model string // .onnx, .mar, folder, builtin:NAME, sim:NAME
	Input string // file or folder of request bodies; if "", bodies are generated from the model's inputs
	// ContentType is that of all bodies of Input; if "", it follows from the name of each file.
	ContentType string
	Shapes      map[string][]int64 // sizes of open dimensions beside the batch, per input: of made requests, and of the model if it cannot leave them open
	// Lengths has mixes of sizes, per input, as package lengths reads them; the dimensions
	// stay open. In a file they stand under shapes too.
	Lengths map[string]string
	Values  map[string]string  // constants for inputs that requests leave out, per input: numbers joined by commas
	NoBatch bool               // no dimension of the inputs is a batch
	Pad     map[string]float64 // the value that fills an input up to the length of a batch, per input
	Buckets []int64            // lengths to pad to, ascending; nil pads to the longest of a batch
	Target  string             // local, virtual, command, torchserve, one or several management URLs, oip+URL
	Server  *Server            // how the server of the target command is started; nil for other targets

	Image          string // how image files become an input, as NAME=VALUE,...; "" is the default
	Handler        string // of TorchServe, as NAME,OPTION=VALUE,...; "" is that of an archive, or none
	Labels         string // file with the names of classes; "" is that of the archive or folder
	Vocabulary     string // file of text_classifier; likewise
	MaxRequestSize int    // bytes of the largest request body that the engine takes; 0 is any

	Options  knob.Options // the batching rule, and the options that are recorded with the settings
	Question Question
	SLA      trial.SLA
	Timeout  time.Duration // of a request, above the limit of the SLA; 0 is trial.SLA.RequestTimeout
	Loads    []load.Spec   // at least one; a grid measures every setting under each, and the chosen settings are validated under each; of question capacity only the arrivals are in force

	// LoadGiven says that somebody chose Loads, and that they are no default. It is not part of the canonical text.
	LoadGiven bool

	// Knobs has a range for each knob that varies: a text that knob.Expand reads, or
	// knob.Auto. All other knobs keep their start value. Names that are none of the seven
	// are the target's own knobs; [Plan.Resolve] checks and expands them.
	Knobs map[knob.Name]string

	Cost float64 // of one replica for an hour, in any currency, for question replicas; 0 is unknown
	// MaxRate is the largest rate that the target may get, in requests per second; 0 is no limit. It is a property of the target
	// and not in files.
	MaxRate float64

	Strategy    string // grid, climb, auto; if "", package search chooses
	Order       Order
	Objective   Objective
	Constraints Constraints
	Budget      Budget
	Trial       Trial
	Hold        time.Duration // how long the chosen settings are kept under load after the sweep; 0 is not at all
	AcceptFP16  bool          // FP16 may be chosen although its outputs disagree with those of FP32
	Seed        uint64        // of all random numbers: loads, shuffling, strategies

	// Name distinguishes the plans of one file. Notes say how the file was read.
	// Both are for people, and neither is part of the canonical text.
	Name  string
	Notes []string
	Suite *Suite // of a plan that was read from TorchServe's benchmark suite; nil for others
}

// Constraints are limits in addition to the SLA; 0 is no limit.
type Constraints struct {
	MemoryMB    int // resident memory of the server
	GPUMemoryMB int
}

// NeedsFreshServer reports whether there are constraints on memory. Each setting must then be
// measured in a newly started server, because a server keeps the memory of earlier settings.
func (p Plan) NeedsFreshServer() bool { return p.Constraints != Constraints{} }

// Budget limits a sweep; it ends at the first limit that is reached. 0 is no limit.
type Budget struct {
	Time      time.Duration
	LoadTests int // settings measured until their verdict; Unset lets the strategy choose
	Trials    int // measurements of any kind
}

// probeShare is the share of the time for probes of service times; most of the time is for load
// tests.
const probeShare = .3

// ProbeTime returns how long all probes together may take; 0 is no limit.
func (b Budget) ProbeTime() time.Duration { return time.Duration(probeShare * float64(b.Time)) }

// Trial limits one measurement. If Requests and Duration are 0, it ends when its verdict is certain
// or at MaxRequests.
type Trial struct {
	Requests    int           // exact number; 0 is until the verdict is certain
	Duration    time.Duration // exact length; 0 is until the verdict is certain
	MaxRequests int           // largest number; 0 is no limit
	Warmup      time.Duration // least time of load before a measurement; what it needs beyond that is found
}

// RequestTimeout returns the timeout of requests: that of the plan, or that of the SLA.
func (p Plan) RequestTimeout() time.Duration {
	if p.Timeout > 0 {
		return p.Timeout
	}
	return p.SLA.RequestTimeout()
}

// Default returns a plan without a model: P99 of request latency at most 100 ms under
// a closed load with 10 clients. It varies workers, batch size and batch delay; all
// other knobs keep their start values.
func Default() Plan {
	return Plan{
		Target:  "local",
		Options: knob.Options{Rule: knob.TorchServe}, // the product of a sweep is a config.properties for it
		SLA:     trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond},
		Loads:   []load.Spec{{Mode: load.Closed, Concurrency: 10}},
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
