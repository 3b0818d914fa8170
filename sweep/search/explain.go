package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// What limits a trial, in Why.Limit.
const (
	limitExecution = "execution"
	limitQueue     = "queue"
	limitDelay     = "delay"
	limitArrival   = "arrival"
	limitCPU       = "cpu"
	limitGenerator = "generator"
	limitBusy      = "neighbours"
)

// How much is said.
const (
	mostRunnersUp = 3
	mostReasons   = 4
)

// cpuFull is the share of the cores in use from which they are the limit.
const cpuFull = .92

// Explainer says why a trial is best. The zero value is about most throughput, on a
// machine whose cores are not known.
type Explainer struct {
	Rules rank.Rules
	Cores int // of the machine that serves; 0 is not known
}

// Explain says why the trial at index best is best, or, if it does not meet the
// promise, why none is. Text is all of it; Lines are what stands under a verdict,
// by what it is about: how well it was looked at, what limits and what to do about
// it, how full the batches were and what the delay bought, who came next and why
// that is not the choice, and what was not tried. The figures are those of rows:
// all runs of a setting together. best -1 is no trial.
func (x Explainer) Explain(trials []trial.Trial, best int, skipped []trial.Skip) trial.Explanation {
	why := trial.Explanation{RunnersUp: []int{}, Skipped: skipped}
	if best < 0 || best >= len(trials) {
		why.Text = "No trial was measured."
		why.Add("left out", reasons(skipped))
		return why
	}
	e := explanation{Explainer: x, ranking: rank.New(x.Rules, trials)}
	row := e.ranking.Row(best)
	t := row.Joined
	if v, ok := t.Verdict.ValueMS.Get(); ok && t.Verdict.LimitMS > 0 {
		why.Headroom = trial.NumOf(1 - v/t.Verdict.LimitMS)
	}
	why.Text = join(x.headline(t), x.bears(t, &why))
	next := e.runnersUp(trials[best])
	for _, r := range next {
		why.RunnersUp = append(why.RunnersUp, r.Joined.N)
	}
	why.Add("validated", e.looked(row))
	cause := x.cause(t)
	why.Limit = cause.limit
	why.Add("limits", cause.text)
	for _, text := range []string{batches(t), e.delay(t), shortQueue(t.Settings)} {
		why.Add("batches", text)
	}
	why.Add("next", e.runners(row, next))
	why.Add("left out", reasons(skipped))
	return why
}

// explanation is what Explain looks at.
type explanation struct {
	Explainer
	ranking rank.Ranking
}

// looked says what the validation could not exclude, that the arrivals flatter,
// and under which other loads of the plan the setting does not hold.
func (e explanation) looked(row rank.Row) string {
	t := row.Joined
	var parts []string
	if row.Validated && t.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("over %s, %d answers: a stall rarer than one in %s cannot be excluded",
			Roughly(seconds(t.Seconds)), t.Counts.OK, Roughly(seconds(t.Seconds/3))))
	}
	if l := t.Load; (l.Mode == load.Open || l.Mode == load.Ramp) && l.Arrivals == load.Constant {
		parts = append(parts, "constant arrivals flatter: Poisson ones at this rate wait longer, so use --arrivals poisson")
	}
	return strings.Join(append(parts, e.otherLoads(row)...), "; ")
}

// otherLoads names the loads under which the settings of a row do not hold or are
// not known to.
func (e explanation) otherLoads(row rank.Row) []string {
	if e.Rules.Question == plan.Capacity {
		return nil
	}
	var out []string
	for _, o := range e.ranking.Rows {
		if o.Joined.Settings != row.Joined.Settings || o.Joined.Load == row.Joined.Load {
			continue
		}
		v := o.Verdict()
		did := fmt.Sprintf("(P%g %s ms)", v.Percentile, v.ValueMS.Text(1))
		if e := o.Joined.Counts.DescribeErrors(); e != "" {
			did = "(" + e + ")"
		}
		switch {
		case o.Validated:
			continue
		case v.Result == trial.Fail:
			out = append(out, fmt.Sprintf("under %v it FAILs %s", o.Joined.Load, did))
		case v.Likely() == trial.Fail:
			out = append(out, fmt.Sprintf("under %v it looks like a FAIL %s", o.Joined.Load, did))
		default:
			out = append(out, fmt.Sprintf("under %v it was not validated %s", o.Joined.Load, did))
		}
	}
	return out
}

// headline is the setting with its two numbers.
func (x Explainer) headline(t trial.Trial) string {
	v := t.Verdict
	did := fmt.Sprintf("%s requests/s with P%g of %s latency %s ms", interval(t.Throughput), v.Percentile, v.Latency, v.ValueMS.Text(1))
	switch {
	case x.Rules.Meets(t):
		return fmt.Sprintf("Trial %d (%v) does %s, %s the limit of %g ms.", t.N, t.Settings, did, away(v), v.LimitMS)
	case v.Result == trial.Pass:
		return fmt.Sprintf("No setting keeps the constraints. Nearest is trial %d (%v): it uses %s MB, and %s MB on the GPU.",
			t.N, t.Settings, t.Use.RSSMB.Text(0), t.Use.GPU.MemoryMB.Text(0))
	case v.Result == trial.Undecided:
		return fmt.Sprintf("No setting is sure to keep P%g of %s latency <= %g ms. Nearest is trial %d (%v), undecided: %s (%s-%s).",
			v.Percentile, v.Latency, v.LimitMS, t.N, t.Settings, did, v.LowMS.Text(1), v.HighMS.Text(1))
	case v.ValueMS.Or(math.Inf(1)) <= v.LimitMS:
		return fmt.Sprintf("No setting keeps the promise. Nearest is trial %d (%v), which fails by its errors: %.2g%% of the requests.",
			t.N, t.Settings, 100*v.ErrorRate)
	}
	return fmt.Sprintf("No setting keeps P%g of %s latency <= %g ms. Nearest is trial %d (%v): %s, %s the limit. Allow more, send less, or widen the ranges.",
		v.Percentile, v.Latency, v.LimitMS, t.N, t.Settings, did, away(v))
}

// away is where a value stands to its limit.
func away(v trial.Verdict) string {
	value, ok := v.ValueMS.Get()
	if !ok || v.LimitMS <= 0 {
		return "not measured against"
	}
	share := 100 * (1 - value/v.LimitMS)
	if share < 0 {
		return fmt.Sprintf("%.0f%% above", -share)
	}
	return fmt.Sprintf("%.0f%% below", share)
}

// busy is the share of time the workers execute, 1 where it cannot be told.
func busy(t trial.Trial) float64 {
	rate, ok1 := t.Throughput.Value.Get()
	size, ok2 := t.Batches.Mean.Get()
	exec, ok3 := t.Breakdown.Execution.Get()
	if !ok1 || !ok2 || !ok3 || size <= 0 || t.Settings.Workers < 1 {
		return 1
	}
	return min(1, rate/size*exec/1000/float64(t.Settings.Workers))
}

// batches says how full the batches were.
func batches(t trial.Trial) string {
	mean, ok := t.Batches.Mean.Get()
	if !ok || t.Settings.BatchSize < 2 {
		return ""
	}
	all := 0
	for _, n := range t.Batches.Sizes {
		all += n
	}
	text := fmt.Sprintf("held %.1f of %d", mean, t.Settings.BatchSize)
	if all > 0 {
		text += fmt.Sprintf(", %.0f%% were full", 100*float64(t.Batches.Sizes[t.Settings.BatchSize])/float64(all))
	}
	return text
}

// delay compares with the row that differs in the delay alone: the shortest
// one tried or, if t has that, the longest.
func (e explanation) delay(t trial.Trial) string {
	var other *trial.Trial
	for i := range e.ranking.Rows {
		o := &e.ranking.Rows[i].Joined
		same := o.Settings
		same.BatchDelay = t.Settings.BatchDelay
		if same != t.Settings || o.Load != t.Load || o.Settings == t.Settings {
			continue
		}
		if other == nil || comparable(o, other, t) {
			other = o
		}
	}
	if other == nil {
		return ""
	}
	change := fmt.Sprintf("%s requests/s, P%g %s", against(t, *other), t.Verdict.Percentile, difference(t.Verdict.ValueMS, other.Verdict.ValueMS))
	return fmt.Sprintf("against a delay of %s ms (trial %d) the %s ms give %s",
		other.Settings.Get("batch_delay_ms"), other.N, t.Settings.Get("batch_delay_ms"), change)
}

// comparable prefers a over b as the one to compare t with.
func comparable(a, b *trial.Trial, t trial.Trial) bool {
	x, y, own := a.Settings.BatchDelay, b.Settings.BatchDelay, t.Settings.BatchDelay
	switch {
	case x == y:
		return a.N < b.N
	case min(x, y) < own:
		return x < y
	}
	return x > y
}

// against is the throughput of t over that of o: "+12%" or "~".
func against(t, o trial.Trial) string {
	a, ok1 := t.Throughput.Value.Get()
	b, ok2 := o.Throughput.Value.Get()
	switch {
	case !ok1 || !ok2 || b <= 0:
		return "n/a"
	case rank.WithinNoise(t, o):
		return "~"
	}
	return fmt.Sprintf("%+.0f%%", 100*(a/b-1))
}

func difference(a, b trial.Num) string {
	x, ok1 := a.Get()
	y, ok2 := b.Get()
	if !ok1 || !ok2 {
		return "n/a"
	}
	return fmt.Sprintf("%+.1f ms", x-y)
}

// runnersUp returns the next best settings that meet the promise too.
func (e explanation) runnersUp(best trial.Trial) []rank.Row {
	seen := []trial.Trial{best}
	var out []rank.Row
	for _, r := range e.ranking.InOrder() {
		t := r.Joined
		known := slices.ContainsFunc(seen, func(s trial.Trial) bool {
			return s.Settings == t.Settings
		})
		if known || !e.Rules.Meets(t) {
			continue
		}
		if out = append(out, r); len(out) == mostRunnersUp {
			break
		}
		seen = append(seen, t)
	}
	return out
}

// runners names them with what they did, and, where that is more than the choice
// did, with why they are not it.
func (e explanation) runners(best rank.Row, next []rank.Row) string {
	var parts []string
	for _, row := range next {
		o, did := row.Joined, ""
		if e.Rules.Question == plan.Capacity {
			did = fmt.Sprintf("bears %g/s, %+.0f%%", o.Load.Rate, 100*(o.Load.Rate/best.Joined.Load.Rate-1))
		} else {
			did = fmt.Sprintf("%s requests/s, %s", o.Throughput.Value.Text(1), against(o, best.Joined))
		}
		if o.Load != best.Joined.Load && e.Rules.Question != plan.Capacity {
			did += fmt.Sprintf(" under %v", o.Load)
		}
		if not := e.whyNot(row, best); not != "" {
			did += ", " + not
		}
		parts = append(parts, fmt.Sprintf("trial %d (%v) %s", o.N, o.Settings, did))
	}
	return strings.Join(parts, "; ")
}

// whyNot says why a row that did more than the choice is not it; "" where it did
// not.
func (e explanation) whyNot(o, best rank.Row) string {
	more := o.Joined.Throughput.Value.Or(0) > best.Joined.Throughput.Value.Or(0)
	if e.Rules.Question == plan.Capacity {
		more = o.Joined.Load.Rate > best.Joined.Load.Rate
	}
	switch failing := e.failingLoad(o); {
	case !more:
		return ""
	case failing != "":
		return "but it FAILs under " + failing
	case o.Validations > 0 && !o.Validated:
		return "but its validation was left open: " + cmp.Or(o.Verdict().Why, "it did not pass")
	case !o.Validated:
		return "but it was not validated"
	case e.Rules.Objective != plan.MostThroughput:
		return "but the objective is " + strings.ReplaceAll(e.Rules.Objective.String(), "_", " ")
	case rank.WithinNoise(o.Joined, best.Joined):
		return fmt.Sprintf("but its P%g is %s ms", o.Verdict().Percentile, o.Verdict().ValueMS.Text(1))
	}
	return "" // it was under another load, which is said
}

// failingLoad is a load under which the settings of a row fail, "" without one.
func (e explanation) failingLoad(row rank.Row) string {
	for _, o := range e.ranking.Rows {
		if o.Joined.Settings == row.Joined.Settings && o.Joined.Load != row.Joined.Load && o.Verdict().Likely() == trial.Fail && e.Rules.Question != plan.Capacity {
			return o.Joined.Load.String()
		}
	}
	return ""
}

// reasons counts the settings that were not tried by reason, most first.
func reasons(skipped []trial.Skip) string {
	if len(skipped) == 0 {
		return ""
	}
	counts := map[string]int{}
	var order []string
	for _, s := range skipped {
		if counts[s.Reason]++; counts[s.Reason] == 1 {
			order = append(order, s.Reason)
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return counts[b] - counts[a] })
	var parts []string
	for i, reason := range order {
		if i == mostReasons {
			parts = append(parts, fmt.Sprintf("and %d more reasons", len(order)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%d x %s", counts[reason], reason))
	}
	return strings.Join(parts, "; ")
}

// interval writes an estimate: "528.2 (519.0-537.1)".
func interval(e trial.Estimate) string {
	if !e.Low.OK() && !e.High.OK() {
		return e.Value.Text(1)
	}
	return fmt.Sprintf("%s (%s-%s)", e.Value.Text(1), e.Low.Text(1), e.High.Text(1))
}

// join makes one text of the sentences there are.
func join(sentences ...string) string {
	return strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " ")
}
