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

// BestPair is the best trials of two profiles, to be measured anew in turns on one
// machine under one load; see [sweep.Comparison].
type BestPair struct {
	A, B trial.Trial
	Load load.Spec // of both: that of B
	ids  [2]string // of the profiles
}

// BestOf takes the best trials of two profiles. It is an error with [ErrUnlike] if
// one engine cannot run both and o does not force it.
func BestOf(a, b *Profile, o CompareOptions) (BestPair, error) {
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
		return p, unlikef("%s was measured with %s and %s with %s: one engine runs one of them",
			p.ids[0], optionWords(p.A.Options), p.ids[1], optionWords(p.B.Options))
	}
	return p, nil
}

// Points are what is measured in turns. A matched load follows the settings.
func (p BestPair) Points() (a, b plan.Point) {
	at := func(s knob.Settings) plan.Point {
		return plan.Point{Settings: s, Load: p.Load.For(s.Workers * s.BatchSize)}
	}
	return at(p.A.Settings), at(p.B.Settings)
}

// Judge says whether B is worse: certainly so, and perhaps by more than the
// tolerance. Nothing narrower than the comparison of equal blocks is believed.
// With force it also judges blocks that the generator limited.
func (p BestPair) Judge(d sweep.Difference, sla trial.SLA, o CompareOptions) Measured {
	m := Measured{
		A: sideOf(p.ids[0], p.A, d.A), B: sideOf(p.ids[1], p.B, d.B),
		Load: p.Load, SLA: sla, Tolerance: o.Tolerance, Pairs: d.Pairs, Notes: p.notes(),
		Percentile: estimateOf(d.Percentile), PercentileAA: estimateOf(d.PercentileAA),
		Throughput: estimateOf(d.Throughput), ThroughputAA: estimateOf(d.ThroughputAA),
	}
	m.judge(d)
	m.object(d, o.Force)
	return m
}

// notes say what of the two trials is not measured as it was.
func (p BestPair) notes() []string {
	out := []string{}
	if a, b := p.A.Load, p.Load; a != b && !(a.Matched && b.Matched) {
		out = append(out, fmt.Sprintf("A was chosen under %v; both are measured under B's load", a))
	}
	if a, b := p.A.Options, p.B.Options; a != b {
		out = append(out, fmt.Sprintf("A was chosen with %s; both are measured with %s", optionWords(a), optionWords(b)))
	}
	return out
}

// optionWords are options in words: the rule, and what else is set.
func optionWords(o knob.Options) string {
	text, err := json.Marshal(o)
	if err != nil {
		return o.Rule.String()
	}
	return strings.NewReplacer(`"`, "", "{", "", "}", "", ":", " ", ",", ", ").Replace(string(text))
}

// Measured is the outcome of two settings measured in turns. Ratios are B over A.
// It is data.
type Measured struct {
	A            MeasuredSide   `json:"a"`
	B            MeasuredSide   `json:"b"`
	Load         load.Spec      `json:"load"`
	SLA          trial.SLA      `json:"sla"`
	Tolerance    float64        `json:"tolerance"`
	Pairs        int            `json:"pairs"`
	Percentile   trial.Estimate `json:"percentile_ratio"`
	PercentileAA trial.Estimate `json:"percentile_aa"` // of equal blocks
	Throughput   trial.Estimate `json:"throughput_ratio"`
	ThroughputAA trial.Estimate `json:"throughput_aa"` // of equal blocks
	Notes        []string       `json:"notes"`         // what to know beside the figures
	Outcome      Outcome        `json:"outcome"`
	Exit         int            `json:"exit"` // the exit code of the command that measured, which fills it in
	Why          string         `json:"why"`
}

// MeasuredSide is one of the two. Its figures are medians over its blocks.
type MeasuredSide struct {
	Profile    string        `json:"profile"` // its ID
	Trial      int           `json:"trial"`
	Settings   knob.Settings `json:"settings"`
	Percentile trial.Num     `json:"percentile_ms"`
	RPS        trial.Num     `json:"throughput_rps"`
	Sent       int           `json:"sent"`
	Failed     int           `json:"failed"` // refused ones too
}

func sideOf(id string, t trial.Trial, d sweep.Side) MeasuredSide {
	return MeasuredSide{
		Profile: id, Trial: t.N, Settings: t.Settings,
		Percentile: trial.NumOf(d.PercentileMS), RPS: trial.NumOf(d.RPS), Sent: d.Sent, Failed: d.Failed,
	}
}

// errors is the share of requests that failed.
func (s MeasuredSide) errors() float64 { return float64(s.Failed) / float64(max(1, s.Sent)) }

// judge decides by the figures.
func (m *Measured) judge(d sweep.Difference) {
	figures := []timesWorse{
		{name: fmt.Sprintf("P%g of %s latency", m.SLA.Percentile, m.SLA.Latency), times: d.Percentile, equals: widest(d.PercentileAA)},
		{name: "throughput", lower: true, times: overturned(d.Throughput), equals: widest(d.ThroughputAA)},
	}
	m.Outcome, m.Why = NoRegression, fmt.Sprintf("nothing is worse by more than %s", tenths(m.Tolerance))
	m.decide(CannotTell, figures, timesWorse.unsure)
	if m.Outcome == CannotTell {
		m.Why += fmt.Sprintf("; %s is tolerated: more --pairs or a longer --block would tell", tenths(m.Tolerance))
	}
	m.decide(Regression, figures, timesWorse.worse)
	if m.B.errors() > max(m.SLA.MaxErrorRate, m.A.errors()) {
		m.Outcome, m.Why = Regression, fmt.Sprintf("%d of %d requests fail with B, %d of %d with A", m.B.Failed, m.B.Sent, m.A.Failed, m.A.Sent)
	}
}

// decide makes o the outcome if one of the figures says so, with all that do.
func (m *Measured) decide(o Outcome, fs []timesWorse, says func(timesWorse, float64) string) {
	var whys []string
	for _, f := range fs {
		if why := says(f, m.Tolerance); why != "" {
			whys = append(whys, why)
		}
	}
	if len(whys) > 0 {
		m.Outcome, m.Why = o, strings.Join(whys, "; ")
	}
}

// object notes what of the blocks weakens the figures. Where the load generator
// limited more than a tenth of the blocks they mean little, and decide nothing
// unless that is forced.
func (m *Measured) object(d sweep.Difference, force bool) {
	if d.TooFew > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("in %d of %d pairs a block held too few answers for its P%g", d.TooFew, d.Pairs, m.SLA.Percentile))
	}
	if d.Disturbed > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("other programs were busy in %d of %d blocks: a quiet machine tells smaller differences apart", d.Disturbed, 2*d.Pairs))
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

// PercentileChange is what became of the percentile, as far as equal blocks let it
// be told.
func (m Measured) PercentileChange() Change {
	return changeOf(m.Percentile, m.PercentileAA, Worse, Better)
}

// ThroughputChange is what became of the throughput, likewise.
func (m Measured) ThroughputChange() Change {
	return changeOf(m.Throughput, m.ThroughputAA, Better, Worse)
}

// changeOf is what a ratio is called that is certainly above 1, or below, by more
// than equals are apart.
func changeOf(r, equals trial.Estimate, above, below Change) Change {
	far := max(equals.High.Or(math.NaN()), 1/equals.Low.Or(math.NaN()))
	switch {
	case r.Low.Or(math.NaN()) > far:
		return above
	case 1/r.High.Or(math.NaN()) > far:
		return below
	}
	return Tilde
}

// timesWorse is how many times worse one figure is, and what equals differ by.
type timesWorse struct {
	name   string
	lower  bool // the figure is worse where it is lower
	times  stat.Interval
	equals float64 // the far end of the interval of equals, 1 or more; NaN if open
}

// worse says so of a figure that certainly is, beyond what equals differ by, and
// may be so by more than the tolerance.
func (f timesWorse) worse(tolerance float64) string {
	if f.times.Low > f.equals && f.times.High > 1+tolerance {
		return fmt.Sprintf("%s is %s %s (%s to %s)", f.name, f.by(f.times.Value), f.way(), f.by(f.times.Low), f.by(f.times.High))
	}
	return ""
}

// unsure says so of a figure that may be worse by more than the tolerance.
func (f timesWorse) unsure(tolerance float64) string {
	switch {
	case f.times.High <= 1+tolerance:
		return ""
	case math.IsNaN(f.times.High):
		return f.name + ": too few pairs tell"
	}
	return fmt.Sprintf("%s may be up to %s %s", f.name, f.by(f.times.High), f.way())
}

func (f timesWorse) way() string {
	if f.lower {
		return "lower"
	}
	return "higher"
}

// by is the share that stands for so many times worse: what is three times lower
// is lower by two thirds.
func (f timesWorse) by(times float64) string {
	if f.lower {
		return tenths(1 - 1/times)
	}
	return tenths(times - 1)
}

// widest is how far apart, as a ratio of 1 or more, equals may be.
func widest(i stat.Interval) float64 { return max(i.High, 1/i.Low) }

// overturned is 1/i.
func overturned(i stat.Interval) stat.Interval {
	return stat.Interval{Value: 1 / i.Value, Low: 1 / i.High, High: 1 / i.Low}
}

func estimateOf(i stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.NumOf(i.Value), Low: trial.NumOf(i.Low), High: trial.NumOf(i.High)}
}

// tenths is a share in percent with one decimal.
func tenths(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }
