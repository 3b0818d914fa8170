package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// measured is the outcome of compare --measure. Ratios are B over A.
type measured struct {
	A            measuredSide     `json:"a"`
	B            measuredSide     `json:"b"`
	Load         load.Spec        `json:"load"`
	SLA          trial.SLA        `json:"sla"`
	Tolerance    float64          `json:"tolerance"`
	Pairs        int              `json:"pairs"`
	Percentile   trial.Estimate   `json:"percentile_ratio"`
	PercentileAA trial.Estimate   `json:"percentile_aa"`
	Throughput   trial.Estimate   `json:"throughput_ratio"`
	ThroughputAA trial.Estimate   `json:"throughput_aa"`
	Notes        []string         `json:"notes"` // what to know beside the figures
	Outcome      profiles.Outcome `json:"outcome"`
	Exit         int              `json:"exit"`
	Why          string           `json:"why"`
}

// measuredSide is one of the two. Its figures are medians over its blocks.
type measuredSide struct {
	Profile    string        `json:"profile"`
	Trial      int           `json:"trial"`
	Settings   knob.Settings `json:"settings"`
	Percentile trial.Num     `json:"percentile_ms"`
	RPS        trial.Num     `json:"throughput_rps"`
	Sent       int           `json:"sent"`
	Failed     int           `json:"failed"` // refused ones too
}

// errors is the share of requests that failed.
func (s measuredSide) errors() float64 { return float64(s.Failed) / float64(max(1, s.Sent)) }

// take takes a side's figures.
func (s *measuredSide) take(t sweep.Turn) {
	s.Percentile, s.RPS, s.Sent, s.Failed = trial.Of(t.PercentileMS), trial.Of(t.RPS), t.Sent, t.Failed
}

// note says what of the two trials is not measured as it was.
func (m *measured) note(best [2]trial.Trial) {
	m.Notes = []string{}
	if a, b := best[0].Load, best[1].Load; a != b && !(a.Matched && b.Matched) {
		m.Notes = append(m.Notes, fmt.Sprintf("A was chosen under %v; both are measured under B's load", a))
	}
	if a, b := best[0].Options, best[1].Options; a != b {
		m.Notes = append(m.Notes, fmt.Sprintf("A was chosen with %s; both are measured with %s", options(best[0]), options(best[1])))
	}
}

// judge says whether B is worse: certainly so, and perhaps by more than the
// tolerance. Nothing narrower than the comparison of equal blocks is believed.
// With force it also judges blocks that the generator limited.
func (m *measured) judge(d sweep.Difference, force bool) {
	m.Pairs = d.Pairs
	m.A.take(d.A)
	m.B.take(d.B)
	m.Percentile, m.PercentileAA = spread(d.Percentile), spread(d.PercentileAA)
	m.Throughput, m.ThroughputAA = spread(d.Throughput), spread(d.ThroughputAA)
	figures := []figure{
		{fmt.Sprintf("P%g of %s latency", m.SLA.Percentile, m.SLA.Latency), higher, d.Percentile, widest(d.PercentileAA)},
		{"throughput", lower, inverse(d.Throughput), widest(d.ThroughputAA)},
	}
	m.Outcome, m.Why = profiles.NoRegression, fmt.Sprintf("nothing is worse by more than %s", percent(m.Tolerance))
	m.decide(profiles.CannotTell, figures, figure.unsure)
	if m.Outcome == profiles.CannotTell {
		m.Why += fmt.Sprintf("; %s is tolerated: more --pairs or a longer --block would tell", percent(m.Tolerance))
	}
	m.decide(profiles.Regression, figures, figure.worse)
	if m.B.errors() > max(m.SLA.MaxErrorRate, m.A.errors()) {
		m.Outcome, m.Why = profiles.Regression, fmt.Sprintf("%d of %d requests fail with B, %d of %d with A", m.B.Failed, m.B.Sent, m.A.Failed, m.A.Sent)
	}
	if d.Thin > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("in %d of %d pairs a block held too few answers for its P%g", d.Thin, d.Pairs, m.SLA.Percentile))
	}
	if d.Busy > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("other programs were busy in %d of %d blocks: a quiet machine tells smaller differences apart", d.Busy, 2*d.Pairs))
	}
	if d.Limited > 0 {
		m.objectTo(d, force)
	}
	m.Exit = map[profiles.Outcome]int{profiles.NoRegression: exitYes, profiles.Regression: exitNo, profiles.CannotTell: exitCannotTell}[m.Outcome]
}

// objectTo is about blocks that the load generator limited: of more than a tenth of
// them the figures mean little.
func (m *measured) objectTo(d sweep.Difference, force bool) {
	text := fmt.Sprintf("in %d of %d blocks: %s", d.Limited, 2*d.Pairs, d.LimitedWhy)
	m.Notes = append(m.Notes, text)
	if 10*d.Limited > 2*d.Pairs && !force {
		m.Outcome, m.Why = profiles.CannotTell, text
	}
}

// decide makes o the outcome if one of the figures says so, with all that do.
func (m *measured) decide(o profiles.Outcome, fs []figure, says func(figure, float64) string) {
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

// The ways to be worse.
const (
	higher = "higher"
	lower  = "lower"
)

// figure is how many times worse one figure is, and what equals differ by.
type figure struct {
	name, way string // way is higher or lower
	times     stat.Interval
	equals    float64 // the far end of the interval of equals, 1 or more; NaN if open
}

// worse says so of a figure that certainly is, beyond what equals differ by, and
// may be so by more than the tolerance.
func (f figure) worse(tolerance float64) string {
	if f.times.Low > f.equals && f.times.High > 1+tolerance {
		return fmt.Sprintf("%s is %s %s (%s to %s)", f.name, f.by(f.times.Value), f.way, f.by(f.times.Low), f.by(f.times.High))
	}
	return ""
}

// unsure says so of a figure that may be worse by more than the tolerance.
func (f figure) unsure(tolerance float64) string {
	switch {
	case f.times.High <= 1+tolerance:
		return ""
	case math.IsNaN(f.times.High):
		return f.name + ": too few pairs tell"
	}
	return fmt.Sprintf("%s may be up to %s %s", f.name, f.by(f.times.High), f.way)
}

// by is the share that stands for so many times worse: what is three times lower
// is lower by two thirds.
func (f figure) by(times float64) string {
	if f.way == lower {
		return percent(1 - 1/times)
	}
	return percent(times - 1)
}

// widest is how far apart, as a ratio of 1 or more, equals may be.
func widest(i stat.Interval) float64 { return max(i.High, 1/i.Low) }

func inverse(i stat.Interval) stat.Interval {
	return stat.Interval{Value: 1 / i.Value, Low: 1 / i.High, High: 1 / i.Low}
}

func spread(i stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.Of(i.Value), Low: trial.Of(i.Low), High: trial.Of(i.High)}
}

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

func (m measured) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(m)
}

// write draws the outcome for people.
func (m measured) write(w io.Writer) error {
	var b strings.Builder
	for _, s := range []struct {
		name string
		side measuredSide
	}{{"A", m.A}, {"B", m.B}} {
		fmt.Fprintf(&b, "%s         %v (trial %d of %s)\n", s.name, s.side.Settings, s.side.Trial, s.side.Profile)
	}
	fmt.Fprintf(&b, "load      %v, %d pairs of blocks in turns\n\n", m.Load, m.Pairs)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tin A\tin B\tB/A\t95%\tequal blocks\tchange")
	row := func(name string, a, b trial.Num, r, equals trial.Estimate, moreIsBetter bool) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s-%s\t%s-%s\t%s\n", name, profiles.Figure(a), profiles.Figure(b), third(r.Value),
			third(r.Low), third(r.High), third(equals.Low), third(equals.High), change(r, equals, moreIsBetter))
	}
	row(fmt.Sprintf("P%g %s ms", m.SLA.Percentile, m.SLA.Latency), m.A.Percentile, m.B.Percentile, m.Percentile, m.PercentileAA, false)
	row("throughput req/s", m.A.RPS, m.B.RPS, m.Throughput, m.ThroughputAA, true)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nfailed    %d of %d in A, %d of %d in B\n", m.A.Failed, m.A.Sent, m.B.Failed, m.B.Sent)
	for _, n := range m.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	fmt.Fprintf(&b, "%s: %s\n", m.Outcome, m.Why)
	_, err := io.WriteString(w, b.String())
	return err
}

// change is what became of a figure, as far as equals let it be told.
func change(r, equals trial.Estimate, moreIsBetter bool) profiles.Change {
	far := max(equals.High.Or(math.NaN()), 1/equals.Low.Or(math.NaN()))
	up, down := profiles.Worse, profiles.Better
	if moreIsBetter {
		up, down = down, up
	}
	switch {
	case r.Low.Or(math.NaN()) > far:
		return up
	case 1/r.High.Or(math.NaN()) > far:
		return down
	}
	return profiles.Tilde
}

// third is a ratio with three decimals; "?" at an open end.
func third(n trial.Num) string {
	if !n.OK() {
		return "?"
	}
	return n.Text(3)
}
