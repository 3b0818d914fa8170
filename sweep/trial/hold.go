package trial

import (
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// Tail counts the values over a limit; see stat.Tail.
type Tail struct {
	N        int     `json:"n"`
	Over     int     `json:"over"`
	Near     int     `json:"near"` // values over half of the limit
	Clusters int     `json:"clusters"`
	Squares  float64 `json:"squares"` // sum of the squared sizes of the clusters
	Largest  float64 `json:"largest"` // size of the largest cluster
}

// Held is what a hold, which has several runs, must know of each run beside its figures.
type Held struct {
	Undisturbed Tail // latencies after the warm-up, without rejected blocks
	All         Tail // latencies after the shortest warm-up, with rejected blocks
	Failed      Tail // of all requests, also those of the warm-up: those that were refused, failed or timed out
	Backlog     bool // answers certainly did not keep up with arrivals
}

// HoldPeriod is one period of a hold: one run under the load. Its verdict is that of the period alone.
type HoldPeriod struct {
	N          int       `json:"n"` // 1, 2, 3 ...
	At         time.Time `json:"at"`
	FromS      float64   `json:"from_s"`  // time of the hold before it
	Seconds    float64   `json:"seconds"` // its length, with its warm-up
	Counts     Counts    `json:"counts"`
	Throughput Estimate  `json:"throughput_rps"`
	Verdict    Verdict   `json:"verdict"`
	// Broken says that the promise is broken in this period with the certainty that one of many needs.
	Broken      bool      `json:"broken,omitempty"`
	Undisturbed Tail      `json:"undisturbed"` // see Held
	All         Tail      `json:"all"`
	Failed      Tail      `json:"failed"`
	Backlog     bool      `json:"backlog,omitempty"`
	MemoryMB    Num       `json:"memory_mb"` // largest resident memory of the server in the period
	CPUPercent  Num       `json:"cpu_percent"`
	GPU         GPUUse    `json:"gpu"`
	Blocks      Blocks    `json:"blocks"`
	Limited     bool      `json:"generator_limited,omitempty"`
	Warnings    []Warning `json:"warnings"`
	Error       string    `json:"error,omitempty"` // why it was not measured
	Died        bool      `json:"died,omitempty"`  // the server ended unexpectedly
}

// Measured reports whether the figures are those of the server under the whole load.
func (p HoldPeriod) Measured() bool { return p.Error == "" && !p.Limited && p.Failed.N > 0 }

// Disturbed reports whether so many blocks were disturbed that they were kept.
func (p HoldPeriod) Disturbed() bool { return p.Blocks.Disturbed > 0 }

// Drift says whether a figure changed during a hold.
type Drift string

// The answers.
const (
	Steady  Drift = "steady"  // any change is small
	Growing Drift = "growing" // certainly
	Falling Drift = "falling" // certainly
	Unclear Drift = "unclear" // neither a change nor its absence can be shown
)

// Trend is the line through the figures of the periods of a hold, and what it says.
type Trend struct {
	Drift   Drift    `json:"drift"`
	Change  Estimate `json:"change"`   // over the whole hold, as a share of First; missing without a line
	PerHour Estimate `json:"per_hour"` // in the unit of the figure
	First   Num      `json:"first"`    // the line at the beginning
	Last    Num      `json:"last"`     // the line at the end
	Lowest  Num      `json:"lowest"`   // of the figures
	Median  Num      `json:"median"`
	Highest Num      `json:"highest"`
	Why     string   `json:"why,omitempty"` // why it is unclear
}

// Hold is the result of a hold: settings under one load for a long time. Lists have numbers of periods.
type Hold struct {
	At       time.Time     `json:"at"`
	N        int           `json:"n"` // number of the trial with these settings
	Settings knob.Settings `json:"settings"`
	Load     load.Spec     `json:"load"`
	AskedS   float64       `json:"asked_s"`
	PeriodS  float64       `json:"period_s"`
	Planned  int           `json:"planned"` // number of periods
	Periods  int           `json:"periods"` // those that were begun and ended
	Seconds  float64       `json:"seconds"` // measured

	// Result is Pass if the promise was certainly kept all the time, and Fail if it was certainly broken in a period, in a
	// tenth of the time, or over all the time.
	Result  Answer   `json:"result"`
	Why     string   `json:"why"`
	Ended   string   `json:"ended,omitempty"` // why it ended before its time
	Over    Estimate `json:"over"`            // share of all latencies over the limit; High with 95% on this side, Low is missing
	All     Tail     `json:"all"`
	Failed  Tail     `json:"failed"`
	Latency Trend    `json:"latency_ms"` // of the percentile of the promise
	Memory  Trend    `json:"memory_mb"`

	Broken       []int  `json:"broken"`
	Unmeasured   []int  `json:"unmeasured"`
	Disturbed    []int  `json:"disturbed"` // with rejected blocks, or disturbed ones that were kept
	Throttled    []int  `json:"throttled"` // with a throttled GPU
	ThrottledWhy string `json:"throttled_why,omitempty"`
}
