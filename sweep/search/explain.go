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

// Values of Why.Limit: what limits a trial.
const (
	limitExecution     = "execution"
	limitQueue         = "queue"
	limitDelay         = "delay"
	limitArrival       = "arrival"
	limitCPU           = "cpu"
	limitGenerator     = "generator"
	limitOtherPrograms = "other programs"
)

// How many runners-up and reasons are listed.
const (
	maxRunnersUp = 3
	maxReasons   = 4
)

// cpuFull is the share of the cores in use from which on they are the bottleneck.
const cpuFull = .92

// Explainer says why a trial is the best. The zero value ranks by throughput and has an unknown
// number of cores.
type Explainer struct {
	Rules rank.Rules
	Cores int     // of the machine that serves; 0 is unknown
	Price float64 // of one replica for an hour; 0 is unknown
}

// Explain says why the trial at index best is the best, or, if it does not meet the promise, why
// none does. Text is the whole explanation. Lines are its parts that are shown below the verdict:
// the validation, the bottleneck with advice, the batches and the effect of the delay, the next
// best settings and why they were not chosen, and what was not tried. The figures are those of
// rows, which join all runs of a setting. best -1 means that there is no trial.
func (x Explainer) Explain(trials []trial.Trial, best int, skipped []trial.Skip) trial.Explanation {
	why := trial.Explanation{RunnersUp: []int{}, Skipped: skipped}
	if best < 0 || best >= len(trials) {
		why.Text = "No trial was measured."
		why.Add("left out", skippedText(skipped))
		return why
	}
	e := explanation{Explainer: x, ranking: rank.New(x.Rules, trials)}
	row := e.ranking.Row(best)
	t := row.Joined
	if v, ok := t.Verdict.ValueMS.Get(); ok && t.Verdict.LimitMS > 0 {
		why.Headroom = trial.NumOf(1 - v/t.Verdict.LimitMS)
	}
	why.Text = joinSentences(x.headlineText(t), x.capacityText(t, &why))
	next := e.runnersUp(trials[best])
	for _, r := range next {
		why.RunnersUp = append(why.RunnersUp, r.Joined.N)
	}
	why.Add("replicas", x.replicasText(t, trials, &why))
	why.Add("validated", e.validationText(row))
	cause := x.bottleneck(t, trials)
	why.Limit = cause.limit
	why.Add("limits", cause.text)
	for _, text := range []string{batchesText(t), e.delayText(t), queueWarning(t.Settings)} {
		why.Add("batches", text)
	}
	why.Add("next", e.runnersUpText(row, next))
	why.Add("left out", skippedText(skipped))
	return why
}

// explanation has the input of Explain.
type explanation struct {
	Explainer
	ranking rank.Ranking
}

// validationText says what the validation could not exclude, that constant arrivals are too
// favourable, which higher rate passed only narrowly, or that this pass is narrow and was not confirmed, and under which other
// loads the setting was not measured or does not keep the promise.
func (e explanation) validationText(row rank.Row) string {
	t := row.Joined
	var parts []string
	if row.Validated && t.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("over %s, %d answers: a stall rarer than one in %s cannot be excluded",
			RoughDuration(secondsOf(t.Seconds)), t.Counts.OK, RoughDuration(secondsOf(t.Seconds/3))))
	}
	if l := t.Load; (l.Mode == load.Open || l.Mode == load.Ramp) && l.Arrivals == load.Constant {
		parts = append(parts, "constant arrivals give too low latencies: Poisson arrivals at this rate wait longer, so use --arrivals poisson")
	}
	confirmed := !row.Narrow
	for _, o := range e.ranking.Rows {
		if lower, ok := e.ranking.ConfirmedBelow(o); ok && lower.Joined.N == t.N {
			confirmed = true
			parts = append(parts, fmt.Sprintf("%g/s passed too, but narrowly, so that this lower rate was validated", o.Joined.Load.Rate))
		}
	}
	if !confirmed {
		parts = append(parts, "it passed narrowly and was not validated a second time, which a longer --budget allows")
	}
	return strings.Join(append(parts, e.ranking.DescribeOtherLoads(row)...), "; ")
}

// headlineText has the setting with its throughput and percentile.
func (x Explainer) headlineText(t trial.Trial) string {
	v := t.Verdict
	figures := fmt.Sprintf("%s requests/s with P%g of %s latency %s ms", intervalText(t.Throughput), v.Percentile, v.Latency, v.ValueMS.Text(1))
	switch {
	case x.Rules.Meets(t):
		return fmt.Sprintf("Trial %d (%v) does %s, %s the limit of %g ms.", t.N, t.Settings, figures, distanceText(v), v.LimitMS)
	case t.Error != "":
		return fmt.Sprintf("No setting keeps the promise. Nearest is trial %d (%v), but %s.", t.N, t.Settings, v.Why)
	case v.Result == trial.Pass:
		return fmt.Sprintf("No setting keeps the constraints. Nearest is trial %d (%v): it uses %s MB, and %s MB on the GPU.",
			t.N, t.Settings, t.Use.RSSMB.Text(0), t.Use.GPU.MemoryMB.Text(0))
	case v.Result == trial.Undecided:
		return fmt.Sprintf("No setting is sure to keep P%g of %s latency <= %g ms. Nearest is trial %d (%v), undecided: %s (%s-%s).",
			v.Percentile, v.Latency, v.LimitMS, t.N, t.Settings, figures, v.LowMS.Text(1), v.HighMS.Text(1))
	case v.ValueMS.Or(math.Inf(1)) <= v.LimitMS:
		return fmt.Sprintf("No setting keeps the promise. Nearest is trial %d (%v), which fails because of its errors: %s of the requests.",
			t.N, t.Settings, trial.Percent(v.ErrorRate.Or(0)))
	}
	return fmt.Sprintf("No setting keeps P%g of %s latency <= %g ms. Nearest is trial %d (%v): %s, %s the limit. Raise the limit, reduce the load, or widen the ranges.",
		v.Percentile, v.Latency, v.LimitMS, t.N, t.Settings, figures, distanceText(v))
}

// distanceText says how far a percentile is from its limit.
func distanceText(v trial.Verdict) string {
	value, ok := v.ValueMS.Get()
	if !ok || v.LimitMS <= 0 {
		return "not compared with"
	}
	share := 100 * (1 - value/v.LimitMS)
	if share < 0 {
		return fmt.Sprintf("%.0f%% above", -share)
	}
	return fmt.Sprintf("%.0f%% below", share)
}

// busyShare returns the share of time in which the workers execute, 1 if it is unknown.
func busyShare(t trial.Trial) float64 {
	rate, ok1 := t.Throughput.Value.Get()
	size, ok2 := t.Batches.Mean.Get()
	exec, ok3 := t.Breakdown.Execution.Get()
	if !ok1 || !ok2 || !ok3 || size <= 0 || t.Settings.Workers < 1 {
		return 1
	}
	return min(1, rate/size*exec/1000/float64(t.Settings.Workers))
}

// batchesText says how full the batches were.
func batchesText(t trial.Trial) string {
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

// delayText compares with the row that differs only in the delay: the shortest delay, or the
// longest one if t has the shortest.
func (e explanation) delayText(t trial.Trial) string {
	var other *trial.Trial
	for i := range e.ranking.Rows {
		o := &e.ranking.Rows[i].Joined
		same := o.Settings
		same.BatchDelay = t.Settings.BatchDelay
		if same != t.Settings || o.Load != t.Load || o.Settings == t.Settings {
			continue
		}
		if other == nil || isBetterComparison(o, other, t) {
			other = o
		}
	}
	if other == nil {
		return ""
	}
	change := fmt.Sprintf("%s requests/s, P%g %s", throughputChange(t, *other), t.Verdict.Percentile, latencyChange(t.Verdict.ValueMS, other.Verdict.ValueMS))
	return fmt.Sprintf("against a delay of %s ms (trial %d) the %s ms give %s",
		other.Settings.Get("batch_delay_ms"), other.N, t.Settings.Get("batch_delay_ms"), change)
}

// isBetterComparison reports whether a is better than b as the trial with which t is compared.
func isBetterComparison(a, b *trial.Trial, t trial.Trial) bool {
	x, y, own := a.Settings.BatchDelay, b.Settings.BatchDelay, t.Settings.BatchDelay
	switch {
	case x == y:
		return a.N < b.N
	case min(x, y) < own:
		return x < y
	}
	return x > y
}

// throughputChange compares the throughput of t with that of o: "+12%" or "~".
func throughputChange(t, o trial.Trial) string {
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

// latencyChange formats a - b: "+11.2 ms".
func latencyChange(a, b trial.Num) string {
	x, ok1 := a.Get()
	y, ok2 := b.Get()
	if !ok1 || !ok2 {
		return "n/a"
	}
	return fmt.Sprintf("%+.1f ms", x-y)
}

// runnersUp returns the next best settings that meet the promise.
func (e explanation) runnersUp(best trial.Trial) []rank.Row {
	seen := []trial.Trial{best}
	var out []rank.Row
	for _, r := range e.ranking.InOrder() {
		t := r.Joined
		listed := slices.ContainsFunc(seen, func(s trial.Trial) bool {
			return s.Settings == t.Settings
		})
		if listed || !e.Rules.Meets(t) {
			continue
		}
		if out = append(out, r); len(out) == maxRunnersUp {
			break
		}
		seen = append(seen, t)
	}
	return out
}

// runnersUpText lists them with their figures and, if these are better than those of the choice,
// says why they were not chosen.
func (e explanation) runnersUpText(best rank.Row, next []rank.Row) string {
	var parts []string
	for _, row := range next {
		o, figures := row.Joined, ""
		if e.Rules.Question.SeeksRate() {
			figures = fmt.Sprintf("serves %g/s, %+.0f%%", o.Load.Rate, 100*(o.Load.Rate/best.Joined.Load.Rate-1))
		} else {
			figures = fmt.Sprintf("%s requests/s, %s", o.Throughput.Value.Text(1), throughputChange(o, best.Joined))
		}
		if o.Load != best.Joined.Load && !e.Rules.Question.SeeksRate() {
			figures += fmt.Sprintf(" under %v", o.Load)
		}
		if not := e.whyNot(row, best); not != "" {
			figures += ", " + not
		}
		parts = append(parts, fmt.Sprintf("trial %d (%v) %s", o.N, o.Settings, figures))
	}
	return strings.Join(parts, "; ")
}

// whyNot says why a row with better figures than the choice was not chosen; "" if its figures are
// not better.
func (e explanation) whyNot(o, best rank.Row) string {
	more := o.Joined.Throughput.Value.Or(0) > best.Joined.Throughput.Value.Or(0)
	if e.Rules.Question.SeeksRate() {
		more = o.Joined.Load.Rate > best.Joined.Load.Rate
	}
	switch failing := e.failingLoad(o); {
	case !more:
		return ""
	case failing != "":
		return "but it FAILs under " + failing
	case o.Validations > 0 && !o.Validated:
		return "but its validation is undecided: " + cmp.Or(o.Verdict().Why, "it did not pass")
	case !o.Validated:
		return "but it was not validated"
	case e.Rules.Objective != plan.MostThroughput:
		return "but the objective is " + strings.ReplaceAll(e.Rules.Objective.String(), "_", " ")
	case rank.WithinNoise(o.Joined, best.Joined):
		return fmt.Sprintf("but its P%g is %s ms", o.Verdict().Percentile, o.Verdict().ValueMS.Text(1))
	}
	return "" // it was measured under another load, which runnersUpText says
}

// failingLoad returns a load under which the settings of a row fail, "" if there is none.
func (e explanation) failingLoad(row rank.Row) string {
	for _, o := range e.ranking.Rows {
		if o.Joined.Settings == row.Joined.Settings && o.Joined.Load != row.Joined.Load && o.Verdict().Likely() == trial.Fail && !e.Rules.Question.SeeksRate() {
			return o.Joined.Load.String()
		}
	}
	return ""
}

// skippedText counts the settings that were not tried by reason, the most frequent first.
func skippedText(skipped []trial.Skip) string {
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
		if i == maxReasons {
			parts = append(parts, fmt.Sprintf("and %d more reasons", len(order)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%d x %s", counts[reason], reason))
	}
	return strings.Join(parts, "; ")
}

// intervalText formats an estimate: "528.2 (519.0-537.1)".
func intervalText(e trial.Estimate) string {
	if !e.Low.OK() && !e.High.OK() {
		return e.Value.Text(1)
	}
	return fmt.Sprintf("%s (%s-%s)", e.Value.Text(1), e.Low.Text(1), e.High.Text(1))
}

// joinSentences joins all sentences that are not empty.
func joinSentences(sentences ...string) string {
	return strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " ")
}
