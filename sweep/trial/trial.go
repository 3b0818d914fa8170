// Package trial defines one measurement: a [Trial] of settings under a load, its
// [Result], the [SLA], and the [Verdict] about it. Their JSON is that of the lines of a
// profile.
//
// Numbers that may be missing are of type [Num]. Its zero value is a missing number and
// null in JSON, so that it cannot be mistaken for 0.
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

// Num is a number that may be missing, usually because it was not measured.
type Num struct {
	v  float64
	ok bool
}

// NumOf returns v; NaN and infinities become a missing number.
func NumOf(v float64) Num { return Num{v, v-v == 0} }

// Get returns the number and whether there is one.
func (n Num) Get() (float64, bool) { return n.v, n.ok }

// Or returns the number, or d if it is missing.
func (n Num) Or(d float64) float64 {
	if n.ok {
		return n.v
	}
	return d
}

// OK reports whether there is a number.
func (n Num) OK() bool { return n.ok }

// Text formats the number with the given decimals, or "n/a".
func (n Num) Text(decimals int) string {
	if !n.ok {
		return "n/a"
	}
	return fmt.Sprintf("%.*f", decimals, n.v)
}

// MarshalJSON writes the number with at most 6 significant digits, or null.
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

// Estimate is a number with its 95% interval. A missing Low or High is an open end: the
// data give no bound on that side.
type Estimate struct {
	Value Num `json:"value"`
	Low   Num `json:"low"`
	High  Num `json:"high"`
}

// LatencyKind says which latency an SLA limits.
type LatencyKind uint8

// The two latencies.
const (
	RequestLatency LatencyKind = iota // from the planned send time to the last byte of the answer
	ModelLatency                      // execution time of the batch of the request
)

func (k LatencyKind) String() string {
	if k == ModelLatency {
		return "model"
	}
	return "request"
}

// MarshalText returns request or model.
func (k LatencyKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads request or model.
func (k *LatencyKind) UnmarshalText(b []byte) error {
	switch string(b) {
	case "request":
		*k = RequestLatency
	case "model":
		*k = ModelLatency
	default:
		return fmt.Errorf("latency %q: want request or model", b)
	}
	return nil
}

// SLA is a service level agreement: a limit for a percentile of latencies, and a limit for errors.
type SLA struct {
	Percentile   float64       // 50-99.99
	Limit        time.Duration // the percentile must not be higher
	Latency      LatencyKind   // which latency
	MaxErrorRate float64       // 0-1, share of refused, failed and timed out requests
	Horizon      time.Duration // length of the validation; 0 is what the budget allows
}

// String describes the percentile and its limit: "P99 of request latency <= 100ms".
func (s SLA) String() string {
	return fmt.Sprintf("P%g of %s latency <= %v", s.Percentile, s.Latency, s.Limit)
}

// The rule of RequestTimeout.
const (
	timeoutFactor = 10               // timeout / limit of the SLA
	minTimeout    = 10 * time.Second // the shortest timeout: a pause of a fast server must not look like an error
	longTimeout   = 2 * time.Minute  // a longer timeout is only twice the limit
)

// RequestTimeout returns the timeout of requests under this SLA: ten times the limit,
// and at least 10 s. At its end a run waits that long for the last answers, so a
// timeout above two minutes is only twice the limit. The timeout is always well above
// the limit, because the latency of a request that timed out is unknown.
func (s SLA) RequestTimeout() time.Duration {
	return max(minTimeout, min(timeoutFactor*s.Limit, max(longTimeout, 2*s.Limit)))
}

type slaJSON struct {
	Percentile   float64     `json:"percentile"`
	LimitMS      float64     `json:"limit_ms"`
	Latency      LatencyKind `json:"latency"`
	MaxErrorRate float64     `json:"max_error_rate"`
	HorizonMS    float64     `json:"horizon_ms,omitempty"`
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

// fromMS converts ms to a duration, rounded to a nanosecond.
func fromMS(ms float64) time.Duration { return time.Duration(math.Round(ms * 1e6)) }

// Answer is the result of a verdict.
type Answer uint8

// The answers. Undecided is the zero value, so that a verdict that was never set is not a pass.
const (
	Undecided Answer = iota
	Pass
	Fail
)

var answerNames = []string{Undecided: "undecided", Pass: "pass", Fail: "fail"}

func (a Answer) String() string { return answerNames[a] }

// Label returns the answer as screens and tables show it: pass, FAIL, ?
func (a Answer) Label() string { return []string{"?", "pass", "FAIL"}[a] }

// MarshalText returns the name of the answer.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the name of an answer.
func (a *Answer) UnmarshalText(b []byte) error {
	for i, n := range answerNames {
		if strings.EqualFold(n, string(b)) {
			*a = Answer(i)
			return nil
		}
	}
	return fmt.Errorf("verdict %q: want pass, fail or undecided", b)
}

// Verdict says whether an SLA is met, with the percentile and its interval.
type Verdict struct {
	Result     Answer      `json:"result"`
	Leaning    Answer      `json:"leaning,omitzero"` // the likely result of an undecided verdict: sufficient for ranking, not for a recommendation
	Latency    LatencyKind `json:"latency"`
	Percentile float64     `json:"percentile"`
	LimitMS    float64     `json:"limit_ms"`
	ValueMS    Num         `json:"value_ms"`
	LowMS      Num         `json:"low_ms"`
	HighMS     Num         `json:"high_ms"`
	ErrorRate  Num         `json:"error_rate"` // missing if no request was sent
	Why        string      `json:"why"`
}

// Likely returns the result, or the leaning of an undecided verdict.
func (v Verdict) Likely() Answer {
	if v.Result == Undecided {
		return v.Leaning
	}
	return v.Result
}

// Label returns the result as tables show it: pass, FAIL, ? or, for an undecided verdict with a
// leaning, pass? or FAIL?
func (v Verdict) Label() string {
	if v.Result == Undecided && v.Leaning != Undecided {
		return v.Leaning.Label() + "?"
	}
	return v.Result.Label()
}

// Counts has the number of requests by outcome. Planned is null for a closed load.
type Counts struct {
	Planned *int `json:"planned"`
	Sent    int  `json:"sent"`
	OK      int  `json:"ok"`
	Refused int  `json:"refused"`
	Failed  int  `json:"failed"`
	Timeout int  `json:"timeout"`
	Late    int  `json:"late"`
}

// ErrorRate is Errors; it is missing if no request was sent.
func (c Counts) ErrorRate() Num {
	if c.Sent == 0 {
		return Num{}
	}
	return NumOf(c.Errors())
}

// Errors returns the share of sent requests that were refused, failed or timed out; 0
// if none was sent.
func (c Counts) Errors() float64 {
	if c.Sent == 0 {
		return 0
	}
	return float64(c.Refused+c.Failed+c.Timeout) / float64(c.Sent)
}

// Latencies has statistics of request latencies in ms.
type Latencies struct {
	Mean Num      `json:"mean"`
	Max  Num      `json:"max"`
	P50  Estimate `json:"p50"`
	P90  Estimate `json:"p90"`
	P95  Estimate `json:"p95"`
	P99  Estimate `json:"p99"`
	P999 Estimate `json:"p999"`
}

// ModelLatencies has percentiles of the model latencies of requests in ms.
type ModelLatencies struct {
	P50 Num `json:"p50"`
	P90 Num `json:"p90,omitzero"` // profiles of earlier versions do not have it
	P99 Num `json:"p99"`
}

// QueueTimes has percentiles of the times of requests from their arrival in the queue to the
// start of their batch, in ms. It has the numbers that benchmark reports of TorchServe have.
type QueueTimes struct {
	P50 Num `json:"p50"`
	P90 Num `json:"p90"`
	P99 Num `json:"p99"`
}

// Breakdown has the mean times of the parts of a request in ms. If Formation is missing and Queue is not, as with TorchServe, Queue is
// the whole time until the batch of the request is sent, also that in which it fills.
type Breakdown struct {
	Decode    Num `json:"decode"`
	Queue     Num `json:"queue"`
	Formation Num `json:"formation"`
	Execution Num `json:"execution"`
	Encode    Num `json:"encode"`
	// Handler is the part of Execution that the handler of the model reports, without the exchange with its process.
	Handler Num `json:"handler,omitzero"`
}

// Batches has the mean size of the batches and the number of batches by size.
type Batches struct {
	Mean  Num         `json:"mean"`
	Sizes map[int]int `json:"sizes"`
}

// Lengths says how the batches of a model with open dimensions ran: each in one run per
// shape of its rows.
type Lengths struct {
	Split     Num `json:"split_share"`    // share of the batches that took more than one run
	Runs      Num `json:"runs_per_batch"` // mean
	Padding   Num `json:"padding_share"`  // share of padding in all elements of the inputs
	NewShapes int `json:"new_shapes"`     // shapes that ran for the first time since the server's start
	GrownMB   Num `json:"grown_mb"`       // by how much the server's highest memory rose meanwhile
}

// String is the one line that screens and tables show.
func (l Lengths) String() string {
	percent := func(n Num) string {
		if v, ok := n.Get(); ok {
			return fmt.Sprintf("%.0f%%", 100*v)
		}
		return "n/a"
	}
	return fmt.Sprintf("%s of batches split by shape (%s runs a batch), padding %s of the work", percent(l.Split), l.Runs.Text(1), percent(l.Padding))
}

// GPUUse is the use of the GPU during a trial. Reason says why it is missing.
type GPUUse struct {
	PercentMean Num   `json:"percent_mean"`
	PercentMax  Num   `json:"percent_max"`
	MemoryMB    Num   `json:"memory_mb"`
	PowerW      Num   `json:"power_w"`
	EnergyJ     Num   `json:"energy_j"`
	SMMHz       Num   `json:"sm_mhz"`
	Throttled   *bool `json:"throttled"`
	// ThrottledShare is the share of the samples, 0-1, in which heat or the power limit held the clock back;
	// Throttle are the causes. A trial with a share above 0 has a warning.
	ThrottledShare Num        `json:"throttled_share,omitzero"`
	Throttle       []string   `json:"throttle,omitempty"`
	Reason         string     `json:"reason,omitempty"`
	Each           []GPUShare `json:"each,omitempty"` // of several GPUs
}

// GPUShare is the use of one of several GPUs, in their order.
type GPUShare struct {
	PercentMean Num `json:"percent_mean"`
	MemoryMB    Num `json:"memory_mb"`
}

// ResourceUse is the use of processor, memory and GPU during a trial. CPU is in percent of one core.
type ResourceUse struct {
	CPUPercent          Num    `json:"cpu_percent"`
	GeneratorCPUPercent Num    `json:"generator_cpu_percent"`
	RSSMB               Num    `json:"rss_mb"`
	RSSDuringMB         Num    `json:"rss_during_mb,omitzero"` // largest resident memory during the trial; missing if it is not known
	RSSIsBound          bool   `json:"rss_up_to,omitempty"`    // RSSMB is an upper bound: the server may have kept memory of earlier, larger settings
	GPU                 GPUUse `json:"gpu"`
}

// Lag has percentiles of the lag of the load generator in ms.
type Lag struct {
	P50 Num `json:"p50"`
	P99 Num `json:"p99"`
}

// Blocks has the numbers of blocks of the run that were kept and rejected, and the
// reasons.
type Blocks struct {
	Kept      int            `json:"kept"`
	Disturbed int            `json:"disturbed,omitempty"` // kept although disturbed, because too few others would remain
	Rejected  int            `json:"rejected"`
	Why       map[string]int `json:"why,omitempty"` // rejected blocks by reason; "n/a" counts kept blocks whose disturbance is unknown
}

// Hist is the request latency histogram, HDR V2 compressed, base64.
type Hist struct {
	Unit string `json:"unit"`
	HDR  string `json:"hdr"`
}

// Result is the result of one measurement.
type Result struct {
	Seconds       float64        `json:"seconds"`
	WarmupSeconds float64        `json:"warmup_seconds"`
	Counts        Counts         `json:"counts"`
	Status        map[string]int `json:"status"`
	Throughput    Estimate       `json:"throughput_rps"`
	BareRPS       Num            `json:"bare_rps"` // the bare rate with these settings, see Bare
	Latency       Latencies      `json:"latency_ms"`
	Model         ModelLatencies `json:"model_ms"`
	QueueTimes    QueueTimes     `json:"queue_ms,omitzero"` // missing if the target does not report it
	P99Corrected  Num            `json:"p99_corrected_ms"`
	Verdict       Verdict        `json:"verdict"`
	Breakdown     Breakdown      `json:"breakdown_ms"`
	Batches       Batches        `json:"batches"`
	Lengths       *Lengths       `json:"lengths,omitempty"` // nil if rows have one shape, or the target does not report it
	Use           ResourceUse    `json:"use"`
	Lag           Lag            `json:"lag_ms"`
	Blocks        Blocks         `json:"blocks"`
	Hist          Hist           `json:"hist"`
	// GeneratorLimited says that the load generator was the bottleneck, not the server; a
	// warning has the reason. The result then does not describe the server.
	GeneratorLimited bool      `json:"generator_limited,omitempty"`
	Warnings         []Warning `json:"warnings"`
	Held             *Held     `json:"-"` // for a hold; not recorded with trials
	// FP16 is of trials in FP16; Answers of targets that can be asked without load. Both are nil if
	// nothing was compared.
	FP16    *FP16Agreement `json:"fp16,omitempty"`
	Answers *AnswerCheck   `json:"answers,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// Disturbed reports whether disturbed blocks were kept, because there were too many to
// reject them. High latencies may then be due to the disturbance.
func (r Result) Disturbed() bool { return r.Blocks.Disturbed > 0 }

// Role is the purpose of a trial.
type Role string

// The roles.
const (
	RoleLoad       Role = "load"       // the search measures a setting
	RoleControl    Role = "control"    // the search measures the best setting so far again, with another seed; or the setting that all shards of a grid measure
	RoleValidation Role = "validation" // a long measurement of the best setting at the end
	RoleLive       Role = "live"       // recorded from the live view
	RoleProbe      Role = "probe"      // a point with this role becomes a Probe; no Trial has it
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

	Predicted *Predicted `json:"predicted"` // nil if there is no prediction
	Result
}

// Event is something that happened during a sweep, such as a pause.
type Event struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Detail string    `json:"detail"`
	Short  string    `json:"-"` // a shorter Detail for narrow screens; if "", use Detail. Profiles do not have it
}

// Skip is a setting that was not measured, with the reason.
type Skip struct {
	Settings knob.Settings `json:"settings"`
	Reason   string        `json:"reason"`
}

// Explanation says why settings were chosen.
type Explanation struct {
	Limit    string `json:"limit"`    // the bottleneck: execution, queue, delay ...
	Headroom Num    `json:"headroom"` // 1 - value/limit

	HighestRPS Num `json:"highest_rps,omitzero"` // the highest rate within the SLA; missing if the question was not the highest load
	PlanRPS    Num `json:"plan_rps,omitzero"`    // the recommended rate, below HighestRPS

	Replicas *Replicas `json:"replicas,omitempty"` // of question replicas, else nil

	RunnersUp []int  `json:"runners_up"`        // numbers of the next best trials, best first
	Skipped   []Skip `json:"skipped,omitempty"` // settings that were not measured
	Text      string `json:"text,omitempty"`    // the explanation as one text
	Lines     []Line `json:"lines,omitempty"`   // the same, by topic
}

// Replicas says how many replicas of some settings carry a rate within the SLA.
type Replicas struct {
	RPS         float64 `json:"rps"`         // the rate for all replicas together
	Needed      int     `json:"needed"`      // the fewest; each was measured at its share of the rate
	Recommended int     `json:"recommended"` // with headroom, and one more that may be lost
	EachRPS     Num     `json:"each_rps"`    // the highest rate of one replica that passed
	PlanRPS     Num     `json:"plan_rps"`    // the rate of one replica with headroom

	CostPerHour     Num `json:"cost_per_hour,omitzero"`     // of the recommended replicas, in the currency of --cost
	CostPerThousand Num `json:"cost_per_thousand,omitzero"` // requests at the rate, likewise
}

// Price sets the costs from the price of one replica for an hour.
func (r *Replicas) Price(perHour float64) {
	total := perHour * float64(r.Recommended)
	r.CostPerHour, r.CostPerThousand = NumOf(total), NumOf(total/(3.6*r.RPS))
}

// Choice has the chosen settings.
type Choice struct {
	At       time.Time     `json:"at"`
	N        int           `json:"n"` // number of the trial with these settings
	By       string        `json:"by"`
	Settings knob.Settings `json:"settings"`
	Why      Explanation   `json:"why"`
}
