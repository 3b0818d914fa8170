package profiles

import (
	"fmt"
	"slices"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// ControlRuns are the measurements of the control of one shard, joined.
type ControlRuns struct {
	Shard      plan.Shard     `json:"shard"`          // i/n
	Profile    string         `json:"profile"`        // ID of the profile with the last run
	Runs       int            `json:"runs"`           // measurements without an error
	Throughput trial.Estimate `json:"throughput_rps"` // median of the runs, with the smallest interval that contains all their intervals
	Name       string         `json:"name"`           // of the latency, such as P99
	Latency    trial.Estimate `json:"latency_ms"`     // the percentile of the promise, likewise
	Drift      []Compared     `json:"drift"`          // the last run compared with the first one; empty with fewer than two
}

// controlOf joins the measurements of a control. Other trials are ignored.
func controlOf(c plan.Control, s plan.Shard, trials []trial.Trial) ControlRuns {
	out := ControlRuns{Shard: s, Drift: []Compared{}}
	var runs []trial.Trial
	for _, t := range trials {
		if t.Role == trial.RoleControl && t.Settings == c.Settings && t.Load == c.Load && t.Error == "" && t.Counts.OK > 0 {
			runs = append(runs, t)
		}
	}
	out.Runs = len(runs)
	if len(runs) == 0 {
		return out
	}
	var rates, latencies []trial.Estimate
	for _, t := range runs {
		rates, latencies = append(rates, t.Throughput), append(latencies, verdictEstimate(t.Verdict))
	}
	v := runs[0].Verdict
	out.Name = fmt.Sprintf("P%g", v.Percentile)
	if v.Latency == trial.ModelLatency {
		out.Name = "model " + out.Name
	}
	out.Throughput, out.Latency = hull(rates), hull(latencies)
	if n := len(runs) - 1; n > 0 {
		p := Pair{k: widening(2)}
		out.Drift = append(out.Drift,
			p.figure("throughput", PerSecond, rates[0], rates[n], 0),
			p.figure(out.Name, Milliseconds, latencies[0], latencies[n], 0))
	}
	return out
}

// hull returns the median of values, with the smallest interval that contains all their intervals. An
// end is open if it is open in one of them.
func hull(all []trial.Estimate) trial.Estimate {
	var values []float64
	out := trial.Estimate{Low: all[0].Low, High: all[0].High}
	for _, e := range all {
		if v, ok := e.Value.Get(); ok {
			values = append(values, v)
		}
		out.Low = outer(out.Low, e.Low, func(a, b float64) float64 { return min(a, b) })
		out.High = outer(out.High, e.High, func(a, b float64) float64 { return max(a, b) })
	}
	if len(values) == 0 {
		return trial.Estimate{}
	}
	slices.Sort(values)
	n := len(values)
	out.Value = trial.NumOf((values[(n-1)/2] + values[n/2]) / 2)
	return out
}

// outer returns the outer of two ends of intervals; missing if one is open.
func outer(a, b trial.Num, f func(a, b float64) float64) trial.Num {
	x, okA := a.Get()
	y, okB := b.Get()
	if !okA || !okB {
		return trial.Num{}
	}
	return trial.NumOf(f(x, y))
}

// text describes the control of a shard in one line.
func (c ControlRuns) text() string {
	if c.Runs == 0 {
		return "its control was not measured"
	}
	text := fmt.Sprintf("control %s/s (%s-%s), %s %s ms (%s-%s), ", c.Throughput.Value.Text(1), endText(c.Throughput.Low), endText(c.Throughput.High),
		c.Name, c.Latency.Value.Text(1), endText(c.Latency.Low), endText(c.Latency.High))
	if c.Runs == 1 {
		return text + "1 run: a drift cannot be seen"
	}
	text += fmt.Sprintf("%d runs", c.Runs)
	if d := c.drift(); d != "" {
		return text + "; from the first to the last " + d
	}
	return text + ", no drift beyond their intervals"
}

// drift says which figures of the control differ from the first run to the last, beyond their
// intervals; "" if none.
func (c ControlRuns) drift() string { return changesText(c.Drift) }

// endText formats an end of an interval; "?" is an open one.
func endText(n trial.Num) string {
	if !n.OK() {
		return "?"
	}
	return n.Text(1)
}

// changesText says how figures changed beyond their intervals: "throughput 12% lower (8.1% to 15%)".
func changesText(figures []Compared) string {
	text := ""
	for _, f := range figures {
		if f.Change == NoChange {
			continue
		}
		if text != "" {
			text += ", "
		}
		r, direction := f.Ratio, "higher"
		low, high := r.Low, r.High
		if r.Value.Or(1) < 1 {
			low, high, direction = r.High, r.Low, "lower"
		}
		text += fmt.Sprintf("%s %s %s (%s to %s)", f.Name, deviation(r.Value), direction, deviation(low), deviation(high))
	}
	return text
}

// Machines says whether the machines of shards can be told apart by their controls.
type Machines string

// The answers. Unknown is the safe one.
const (
	Alike   Machines = "alike"   // no two controls differ beyond their intervals
	Differ  Machines = "differ"  // two controls differ beyond their intervals
	Unknown Machines = "unknown" // the control of a shard was not measured
)

// ControlPair are two shards whose controls differ beyond their intervals.
type ControlPair struct {
	A       plan.Shard `json:"a"` // i/n
	B       plan.Shard `json:"b"`
	Figures []Compared `json:"figures"` // throughput and the latency of the promise
}

// compareControls compares the controls of all pairs of shards. The intervals are widened so that those of all
// pairs hold together.
func compareControls(all []ControlRuns) (Machines, []ControlPair) {
	answer, out := Alike, []ControlPair{}
	n := len(all)
	p := Pair{k: widening(max(1, n*(n-1)))} // two figures for each of n (n-1) / 2 pairs
	for i, a := range all {
		if a.Runs == 0 {
			answer = Unknown
			continue
		}
		for _, b := range all[i+1:] {
			if b.Runs == 0 {
				continue
			}
			figures := []Compared{p.figure("throughput", PerSecond, a.Throughput, b.Throughput, 0), p.figure(a.Name, Milliseconds, a.Latency, b.Latency, 0)}
			if changesText(figures) != "" {
				out = append(out, ControlPair{a.Shard, b.Shard, figures})
			}
		}
	}
	if len(out) > 0 {
		answer = Differ
	}
	return answer, out
}
