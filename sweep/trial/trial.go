// Package trial owns what one measurement is: a [Trial] of settings under a
// load, its [Result], the [SLA] it is held against and the [Verdict]. Their
// JSON is the profile's (FORMATS section 3).
//
// Figures that may be missing are [Num]: its zero value is "not measured" and
// reads null in JSON, so nothing unmeasured can look like 0.
package trial

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// Num is a figure that may not have been measured.
type Num struct {
	v  float64
	ok bool
}

// Of returns a measured figure. NaN and infinities are not measured.
func NumOf(v float64) Num { return Num{v, v-v == 0} }

// Get returns the figure and whether it was measured.
func (n Num) Get() (float64, bool) { return n.v, n.ok }

// Or returns the figure, or d if it was not measured.
func (n Num) Or(d float64) float64 {
	if n.ok {
		return n.v
	}
	return d
}

// OK tells whether the figure was measured.
func (n Num) OK() bool { return n.ok }

// Text formats the figure with the given decimals, or "n/a".
func (n Num) Text(decimals int) string {
	if !n.ok {
		return "n/a"
	}
	return fmt.Sprintf("%.*f", decimals, n.v)
}

// MarshalJSON writes the number with at most 6 significant decimals, or null.
func (n Num) MarshalJSON() ([]byte, error) {
	if !n.ok {
		return []byte("null"), nil
	}
	return json.Marshal(roundTo6(n.v))
}

// UnmarshalJSON reads a number or null.
func (n *Num) UnmarshalJSON(b []byte) error {
	var p *float64
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*n = Num{}
	if p != nil {
		*n = NumOf(*p)
	}
	return nil
}

// Estimate is a figure with its 95% interval. A missing Low or High is an open
// end: the data cannot bound the figure on that side.
type Estimate struct {
	Value Num `json:"value"`
	Low   Num `json:"low"`
	High  Num `json:"high"`
}

// Which latency a promise binds.
type LatencyKind uint8

// The two latencies.
const (
	RequestLatency LatencyKind = iota // planned send to last byte
	ModelLatency                // execution of the batch the request rode in
)

func (w LatencyKind) String() string {
	if w == ModelLatency {
		return "model"
	}
	return "request"
}

// MarshalText renders request or model.
func (w LatencyKind) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads request or model.
func (w *LatencyKind) UnmarshalText(b []byte) error {
	switch string(b) {
	case "request":
		*w = RequestLatency
	case "model":
		*w = ModelLatency
	default:
		return fmt.Errorf("latency %q: want request or model", b)
	}
	return nil
}

// SLA is a promise.
type SLA struct {
	Percentile   float64       // 50-99.99
	Limit        time.Duration // the percentile stays at or below it
	Latency      LatencyKind
	MaxErrorRate float64       // 0-1, share of refused, failed and timed out requests
	Horizon      time.Duration // over which the promise is to be seen kept; 0 is what the budget allows
}

// String is the promise in words: "P99 of requests <= 100ms".
func (s SLA) String() string {
	return fmt.Sprintf("P%g of %s latency <= %v", s.Percentile, s.Latency, s.Limit)
}

// What a request's limit is by the promise, see RequestTimeout.
const (
	timeoutFactor = 10               // limits of the promise
	minTimeout = 10 * time.Second // a fast server that pauses is late, and no more
	longTimeout  = 2 * time.Minute  // above, twice the limit has to do
)

// RequestTimeout is how long a request under this promise is waited for before it
// counts as lost: ten times the limit, so that what is late is seen to be late,
// and at least 10 s. A run waits that long for its last answers; so above two
// minutes it is only twice the limit. It is always well above the limit: requests
// cut off at it would hide how late they are.
func (s SLA) RequestTimeout() time.Duration {
	return max(minTimeout, min(timeoutFactor*s.Limit, max(longTimeout, 2*s.Limit)))
}

type slaJSON struct {
	Percentile   float64 `json:"percentile"`
	LimitMS      float64 `json:"limit_ms"`
	Latency      LatencyKind   `json:"latency"`
	MaxErrorRate float64 `json:"max_error_rate"`
	HorizonMS    float64 `json:"horizon_ms,omitempty"`
}

// MarshalJSON writes the limit in ms.
func (s SLA) MarshalJSON() ([]byte, error) {
	return json.Marshal(slaJSON{s.Percentile, float64(s.Limit) / 1e6, s.Latency, s.MaxErrorRate, float64(s.Horizon) / 1e6})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *SLA) UnmarshalJSON(b []byte) error {
	var w slaJSON
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*s = SLA{w.Percentile, fromMS(w.LimitMS), w.Latency, w.MaxErrorRate, fromMS(w.HorizonMS)}
	return nil
}

// duration of so many ms, to the nanosecond.
func fromMS(ms float64) time.Duration { return time.Duration(math.Round(ms * 1e6)) }

// Answer is a verdict's word.
type Answer uint8

// The answers. Undecided is the zero value: saying nothing is safe.
const (
	Undecided Answer = iota
	Pass
	Fail
)

var answerNames = []string{Undecided: "undecided", Pass: "pass", Fail: "fail"}

func (a Answer) String() string { return answerNames[a] }

// Word is the answer as screens and tables show it: pass, FAIL, ?
func (a Answer) Label() string { return []string{"?", "pass", "FAIL"}[a] }

// MarshalText renders the answer by name.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads an answer's name.
func (a *Answer) UnmarshalText(b []byte) error {
	for i, n := range answerNames {
		if strings.EqualFold(n, string(b)) {
			*a = Answer(i)
			return nil
		}
	}
	return fmt.Errorf("verdict %q: want pass, fail or undecided", b)
}

// Verdict is the answer to one SLA, with the number and its interval.
type Verdict struct {
	Result     Answer  `json:"result"`
	Leaning    Answer  `json:"leaning,omitzero"` // what an undecided one looks like: good enough to rank by, never to rely on
	Latency    LatencyKind   `json:"latency"`
	Percentile float64 `json:"percentile"`
	LimitMS    float64 `json:"limit_ms"`
	ValueMS    Num     `json:"value_ms"`
	LowMS      Num     `json:"low_ms"`
	HighMS     Num     `json:"high_ms"`
	ErrorRate  float64 `json:"error_rate"`
	Why        string  `json:"why"`
}

// Seems is the answer, or what an undecided verdict looks like.
func (v Verdict) Likely() Answer {
	if v.Result == Undecided {
		return v.Leaning
	}
	return v.Result
}

// Word is the answer as tables show it; an undecided one that looks like a pass or
// a failure says so with a question mark: pass, FAIL, pass?, FAIL?, ?
func (v Verdict) Label() string {
	if v.Result == Undecided && v.Leaning != Undecided {
		return v.Leaning.Label() + "?"
	}
	return v.Result.Label()
}

// Counts are requests by outcome. Planned is null for a closed load.
type Counts struct {
	Planned *int `json:"planned"`
	Sent    int  `json:"sent"`
	OK      int  `json:"ok"`
	Refused int  `json:"refused"`
	Failed  int  `json:"failed"`
	Timeout int  `json:"timeout"`
	Late    int  `json:"late"`
}

// Errors is the share of refused, failed and timed out requests among those sent;
// 0 when none was sent.
func (c Counts) Errors() float64 {
	if c.Sent == 0 {
		return 0
	}
	return float64(c.Refused+c.Failed+c.Timeout) / float64(c.Sent)
}

// Latencies are request latencies in ms.
type Latencies struct {
	Mean Num      `json:"mean"`
	Max  Num      `json:"max"`
	P50  Estimate `json:"p50"`
	P90  Estimate `json:"p90"`
	P95  Estimate `json:"p95"`
	P99  Estimate `json:"p99"`
	P999 Estimate `json:"p999"`
}

// ModelLatencies are execution times, per request, in ms.
type ModelLatencies struct {
	P50 Num `json:"p50"`
	P99 Num `json:"p99"`
}

// Breakdown is where a request's time went on average, in ms.
type Breakdown struct {
	Decode    Num `json:"decode"`
	Queue     Num `json:"queue"`
	Formation Num `json:"formation"`
	Execution Num `json:"execution"`
	Encode    Num `json:"encode"`
}

// Batches are the batches that formed, by size.
type Batches struct {
	Mean  Num         `json:"mean"`
	Sizes map[int]int `json:"sizes"`
}

// GPUUse is GPU utilization during a trial; Reason says why it is missing.
type GPUUse struct {
	PercentMean Num    `json:"percent_mean"`
	PercentMax  Num    `json:"percent_max"`
	MemoryMB    Num    `json:"memory_mb"`
	PowerW      Num    `json:"power_w"`
	EnergyJ     Num    `json:"energy_j"`
	SMMHz       Num    `json:"sm_mhz"`
	Throttled   *bool  `json:"throttled"`
	Reason      string `json:"reason,omitempty"`
}

// Use is utilization during a trial. CPU is in percent of one core.
type ResourceUse struct {
	CPUPercent          Num    `json:"cpu_percent"`
	GeneratorCPUPercent Num    `json:"generator_cpu_percent"`
	RSSMB               Num    `json:"rss_mb"`
	RSSIsBound             bool   `json:"rss_up_to,omitempty"` // RSSMB is a bound: the server had run larger settings before, and keeps memory
	GPU                 GPUUse `json:"gpu"`
}

// Lag is how late the generator sent, in ms.
type Lag struct {
	P50 Num `json:"p50"`
	P99 Num `json:"p99"`
}

// Blocks are the parts of the run kept and rejected, with the reasons.
type Blocks struct {
	Kept      int            `json:"kept"`
	Disturbed int            `json:"disturbed,omitempty"` // of those kept: others disturbed too many to reject them
	Rejected  int            `json:"rejected"`
	Why       map[string]int `json:"why,omitempty"`
}

// Hist is the request latency histogram, HDR V2 compressed, base64.
type Hist struct {
	Unit string `json:"unit"`
	HDR  string `json:"hdr"`
}

// Result is what one measurement found.
type Result struct {
	Seconds       float64        `json:"seconds"`
	WarmupSeconds float64        `json:"warmup_seconds"`
	Counts        Counts         `json:"counts"`
	Status        map[string]int `json:"status"`
	Throughput    Estimate       `json:"throughput_rps"`
	BareRPS       Num            `json:"bare_rps"` // what the model alone does with these settings, see Bare
	Latency       Latencies      `json:"latency_ms"`
	Model         ModelLatencies `json:"model_ms"`
	P99Corrected  Num            `json:"p99_corrected_ms"`
	Verdict       Verdict        `json:"verdict"`
	Breakdown     Breakdown      `json:"breakdown_ms"`
	Batches       Batches        `json:"batches"`
	Use           ResourceUse            `json:"use"`
	Lag           Lag            `json:"lag_ms"`
	Blocks        Blocks         `json:"blocks"`
	Hist          Hist           `json:"hist"`
	// GeneratorLimited: the load generator and not the server was the limit; a
	// warning says why. The figures say nothing of the server.
	GeneratorLimited bool      `json:"generator_limited,omitempty"`
	Warnings         []Warning `json:"warnings"`
	Error            string    `json:"error,omitempty"`
}

// Busy tells whether others disturbed most of a measurement, so that slowness
// may be theirs.
func (r Result) Disturbed() bool { return r.Blocks.Disturbed > 0 }

// Role is why a trial was run.
type Role string

// The roles.
const (
	RoleLoad       Role = "load"
	RoleControl    Role = "control"
	RoleValidation Role = "validation"
	RoleLive       Role = "live"
	RoleProbe      Role = "probe" // of a point whose measurement becomes a Probe, never of a Trial
)

// Trial is one measurement: settings under a load.
type Trial struct {
	N        int           `json:"n"` // 1, 2, 3 ... in the profile
	At       time.Time     `json:"at"`
	Role     Role          `json:"role"`
	Reason   string        `json:"reason"`
	Settings knob.Settings `json:"settings"`
	Options  knob.Options  `json:"options"`
	Load     load.Spec     `json:"load"`
	Seed     uint64        `json:"seed"`

	Predicted *Predicted `json:"predicted"` // nil where nobody predicted
	Result
}

// Event is something that happened during a sweep.
type Event struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Detail string    `json:"detail"`
	Short  string    `json:"-"` // Detail where there is little room; "" is all of it, as in what was read from a profile
}

// Skip is a setting that was not tried, with the reason.
type Skip struct {
	Settings knob.Settings `json:"settings"`
	Reason   string        `json:"reason"`
}

// Why explains a choice.
type Explanation struct {
	Limit    string `json:"limit"`    // what limits: execution, queue, delay ...
	Headroom Num    `json:"headroom"` // 1 - value/limit

	HighestRPS Num `json:"highest_rps,omitzero"` // the highest open load that keeps the promise, where that was asked
	PlanRPS    Num `json:"plan_rps,omitzero"`    // what is recommended of it

	RunnersUp []int  `json:"runners_up"`        // trial numbers, best first
	Skipped   []Skip `json:"skipped,omitempty"` // settings not tried
	Text      string `json:"text,omitempty"`    // the explanation in words
	Lines     []Line `json:"lines,omitempty"`   // the same by what it is about
}

// Choice is the settings picked.
type Choice struct {
	At       time.Time     `json:"at"`
	N        int           `json:"n"` // the trial that won
	By       string        `json:"by"`
	Settings knob.Settings `json:"settings"`
	Why      Explanation           `json:"why"`
}
