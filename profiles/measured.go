package profiles

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// BestPair has the best trials of two profiles, to be measured again in turns, on one
// machine and under one load; see [sweep.Turns].
type BestPair struct {
	A, B trial.Trial
	Load load.Spec // load of both measurements: that of B
	ids  [2]string // IDs of the profiles
}

// NewBestPair returns the best trials of two profiles. If one engine cannot run both and o
// does not force it, it returns an error that wraps [ErrNotComparable].
func NewBestPair(a, b *Profile, o CompareOptions) (BestPair, error) {
	var best [2]trial.Trial
	for i, p := range []*Profile{a, b} {
		t, ok := p.Best()
		if !ok {
			return BestPair{}, fmt.Errorf("%s has no setting that kept the promise", p.Header.ID)
		}
		best[i] = t
	}
	p := BestPair{A: best[0], B: best[1], Load: best[1].Load, ids: [2]string{a.Header.ID, b.Header.ID}}
	if p.A.Options != p.B.Options && !o.Force {
		return p, notComparable("%s was measured with %s and %s with %s: one engine cannot run both",
			p.ids[0], describeOptions(p.A.Options), p.ids[1], describeOptions(p.B.Options))
	}
	return p, nil
}

// Points returns the two points to measure. A matched load depends on the settings.
func (p BestPair) Points() (a, b plan.Point) {
	at := func(s knob.Settings) plan.Point {
		return plan.Point{Settings: s, Load: p.Load.For(s.Workers * s.BatchSize)}
	}
	return at(p.A.Settings), at(p.B.Settings)
}

// Judge decides whether B is worse: that is certain, and possibly by more than the
// tolerance. A difference is not certain if blocks of one side differ as much from each
// other (A/A). With force it also decides if the load generator limited the blocks.
func (p BestPair) Judge(d sweep.Difference, sla trial.SLA, o CompareOptions) Measured {
	m := Measured{
		A: sideOf(p.ids[0], p.A, d.A), B: sideOf(p.ids[1], p.B, d.B),
		Load: p.Load, SLA: sla, Tolerance: o.Tolerance, Pairs: d.Pairs, Notes: p.notes(),
		Percentile: estimateOf(d.Percentile), PercentileAA: estimateOf(d.PercentileAA),
		Throughput: estimateOf(d.Throughput), ThroughputAA: estimateOf(d.ThroughputAA),
	}
	m.judge(d)
	m.addNotes(d, o.Force)
	return m
}

// notes says what differs from the conditions of the two trials.
func (p BestPair) notes() []string {
	out := []string{}
	if a, b := p.A.Load, p.Load; a != b && !(a.Matched && b.Matched) {
		out = append(out, fmt.Sprintf("A was chosen under %v; both are measured under B's load", a))
	}
	if a, b := p.A.Options, p.B.Options; a != b {
		out = append(out, fmt.Sprintf("A was chosen with %s; both are measured with %s", describeOptions(a), describeOptions(b)))
	}
	return out
}

// describeOptions formats options: the rule, and the other ones that are set.
func describeOptions(o knob.Options) string {
	text, err := json.Marshal(o)
	if err != nil || o == (knob.Options{}) {
		return o.Describe()
	}
	return strings.NewReplacer(`"`, "", "{", "", "}", "", ":", " ", ",", ", ").Replace(string(text))
}

// Measured is the comparison of two settings that were measured in turns. Ratios are B / A.
// It is data.
type Measured struct {
	A            MeasuredSide   `json:"a"`
	B            MeasuredSide   `json:"b"`
	Load         load.Spec      `json:"load"`
	SLA          trial.SLA      `json:"sla"`
	Tolerance    float64        `json:"tolerance"`
	Pairs        int            `json:"pairs"`
	Percentile   trial.Estimate `json:"percentile_ratio"`
	PercentileAA trial.Estimate `json:"percentile_aa"` // A/A
	Throughput   trial.Estimate `json:"throughput_ratio"`
	ThroughputAA trial.Estimate `json:"throughput_aa"` // A/A
	Notes        []string       `json:"notes"`         // remarks on the figures
	Outcome      Outcome        `json:"outcome"`
	Exit         int            `json:"exit"` // exit code; set by the command that measured
	Why          string         `json:"why"`
}

// MeasuredSide is one of the two settings. Its figures are medians of its blocks.
type MeasuredSide struct {
	Profile    string        `json:"profile"` // ID
	Trial      int           `json:"trial"`
	Settings   knob.Settings `json:"settings"`
	Percentile trial.Num     `json:"percentile_ms"`
	RPS        trial.Num     `json:"throughput_rps"`
	Sent       int           `json:"sent"`
	Failed     int           `json:"failed"` // including refused requests
}

func sideOf(id string, t trial.Trial, d sweep.Side) MeasuredSide {
	return MeasuredSide{
		Profile: id, Trial: t.N, Settings: t.Settings,
		Percentile: trial.NumOf(d.PercentileMS), RPS: trial.NumOf(d.RPS), Sent: d.Sent, Failed: d.Failed,
	}
}

// errors returns the share of requests that failed.
func (s MeasuredSide) errors() float64 { return float64(s.Failed) / float64(max(1, s.Sent)) }

// judge sets the outcome.
func (m *Measured) judge(d sweep.Difference) {
	figures := []worsening{
		{name: fmt.Sprintf("P%g of %s latency", m.SLA.Percentile, m.SLA.Latency), ratio: d.Percentile, noise: largestRatio(d.PercentileAA)},
		{name: "throughput", lower: true, ratio: invert(d.Throughput), noise: largestRatio(d.ThroughputAA)},
	}
	m.Outcome, m.Why = NoRegression, fmt.Sprintf("nothing is worse by more than %s", oneDecimal(m.Tolerance))
	m.decide(CannotTell, figures, worsening.possible)
	if m.Outcome == CannotTell {
		m.Why += fmt.Sprintf("; %s is tolerated: more --pairs or a longer --block can decide it", oneDecimal(m.Tolerance))
	}
	m.decide(Regression, figures, worsening.certain)
	if m.B.errors() > max(m.SLA.MaxErrorRate, m.A.errors()) {
		m.Outcome, m.Why = Regression, fmt.Sprintf("%d of %d requests fail with B, %d of %d with A", m.B.Failed, m.B.Sent, m.A.Failed, m.A.Sent)
	}
}

// decide sets the outcome to o if reason is not empty for one of the figures, with the
// reasons of all figures.
func (m *Measured) decide(o Outcome, fs []worsening, reason func(worsening, float64) string) {
	var whys []string
	for _, f := range fs {
		if why := reason(f, m.Tolerance); why != "" {
			whys = append(whys, why)
		}
	}
	if len(whys) > 0 {
		m.Outcome, m.Why = o, strings.Join(whys, "; ")
	}
}

// addNotes adds notes on conditions that make the figures less reliable. If the load
// generator limited more than a tenth of the blocks, the outcome is CannotTell, unless
// force is set.
func (m *Measured) addNotes(d sweep.Difference, force bool) {
	if d.TooFew > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("in %d of %d pairs a block had too few answers for its P%g", d.TooFew, d.Pairs, m.SLA.Percentile))
	}
	if d.Disturbed > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("other programs used the CPU in %d of %d blocks: an idle machine shows smaller differences", d.Disturbed, 2*d.Pairs))
	}
	if d.Limited == 0 {
		return
	}
	text := fmt.Sprintf("in %d of %d blocks: %s", d.Limited, 2*d.Pairs, d.LimitedReason)
	m.Notes = append(m.Notes, text)
	if 10*d.Limited > 2*d.Pairs && !force {
		m.Outcome, m.Why = CannotTell, text
	}
}

// PercentileChange says how the percentile changed; NoChange if the A/A comparison shows
// as large a difference.
func (m Measured) PercentileChange() Change {
	return changeOf(m.Percentile, m.PercentileAA, Worse, Better)
}

// ThroughputChange says how the throughput changed, in the same way.
func (m Measured) ThroughputChange() Change {
	return changeOf(m.Throughput, m.ThroughputAA, Better, Worse)
}

// changeOf returns above if the ratio r is certainly above 1, by more than the noise aa of
// the A/A comparison, and below if it is certainly below 1 by more than that.
func changeOf(r, aa trial.Estimate, above, below Change) Change {
	noise := max(aa.High.Or(math.NaN()), 1/aa.Low.Or(math.NaN()))
	switch {
	case r.Low.Or(math.NaN()) > noise:
		return above
	case 1/r.High.Or(math.NaN()) > noise:
		return below
	}
	return NoChange
}

// worsening is the factor by which one figure is worse.
type worsening struct {
	name  string
	lower bool          // a lower value of the figure is worse
	ratio stat.Interval // above 1 is worse
	noise float64       // largest ratio of the A/A interval, 1 or more; NaN if the interval is open
}

// certain returns a description if the figure is certainly worse, by more than the noise,
// and possibly by more than the tolerance; else "".
func (f worsening) certain(tolerance float64) string {
	if f.ratio.Low > f.noise && f.ratio.High > 1+tolerance {
		return fmt.Sprintf("%s is %s %s (%s to %s)", f.name, f.percent(f.ratio.Value), f.direction(), f.percent(f.ratio.Low), f.percent(f.ratio.High))
	}
	return ""
}

// possible returns a description if the figure may be worse by more than the tolerance;
// else "".
func (f worsening) possible(tolerance float64) string {
	switch {
	case f.ratio.High <= 1+tolerance:
		return ""
	case math.IsNaN(f.ratio.High):
		return f.name + ": too few pairs have a value"
	}
	return fmt.Sprintf("%s may be up to %s %s", f.name, f.percent(f.ratio.High), f.direction())
}

func (f worsening) direction() string {
	if f.lower {
		return "lower"
	}
	return "higher"
}

// percent formats a ratio as a change of the figure: a throughput that is worse by a
// factor of 3 is 66.7% lower.
func (f worsening) percent(ratio float64) string {
	if f.lower {
		return oneDecimal(1 - 1/ratio)
	}
	return oneDecimal(ratio - 1)
}

// largestRatio returns the larger of the ends of an interval of ratios, as a ratio of 1 or more.
func largestRatio(i stat.Interval) float64 { return max(i.High, 1/i.Low) }

// invert returns 1/i.
func invert(i stat.Interval) stat.Interval {
	return stat.Interval{Value: 1 / i.Value, Low: 1 / i.High, High: 1 / i.Low}
}

func estimateOf(i stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.NumOf(i.Value), Low: trial.NumOf(i.Low), High: trial.NumOf(i.High)}
}

// oneDecimal formats a share in percent with one decimal.
func oneDecimal(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }
