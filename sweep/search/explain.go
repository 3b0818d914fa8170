package search

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// What limits a trial, in Why.Limit.
const (
	limitExecution = "execution"
	limitQueue     = "queue"
	limitDelay     = "delay"
	limitArrival   = "arrival"
	limitCPU       = "cpu"
)

// How much is said.
const (
	mostRunnersUp = 3
	mostReasons   = 4
)

// cpuFull is the share of the cores in use from which they are the limit.
const cpuFull = .92

// Explain is Rules.Explain for most throughput.
func Explain(trials []trial.Trial, best int, skipped []trial.Skip) trial.Why {
	return Rules{}.Explain(trials, best, skipped)
}

// Explain says why the trial at index best is best, or, if it does not meet the
// promise, why none is: what limits it, how full its batches were, what the
// delay bought, who came next, and what was not tried. best -1 is no trial.
func (r Rules) Explain(trials []trial.Trial, best int, skipped []trial.Skip) trial.Why {
	why := trial.Why{RunnersUp: []int{}, Skipped: skipped}
	if best < 0 || best >= len(trials) {
		why.Text = join("No trial was measured.", reasons(skipped))
		return why
	}
	t := trials[best]
	if v, ok := t.Verdict.ValueMS.Get(); ok && t.Verdict.LimitMS > 0 {
		why.Headroom = trial.Of(1 - v/t.Verdict.LimitMS)
	}
	limit, limitText := r.limits(t)
	why.Limit = limit
	next := r.runnersUp(trials, best)
	for _, i := range next {
		why.RunnersUp = append(why.RunnersUp, trials[i].N)
	}
	why.Text = join(r.headline(t), r.bears(t, &why), limitText, batches(t), delay(trials, t), r.runners(trials, t, next), reasons(skipped))
	return why
}

// headline is the setting with its two numbers.
func (r Rules) headline(t trial.Trial) string {
	v := t.Verdict
	did := fmt.Sprintf("%s requests/s with P%g of %s latency %s ms", interval(t.Throughput), v.Percentile, v.Latency, v.ValueMS.Text(1))
	switch {
	case r.Meets(t):
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

// limits names what keeps a trial from more, with the numbers that say so: the
// arrivals if the workers idle for want of requests, else the step of a request
// that takes longest.
func (r Rules) limits(t trial.Trial) (limit, text string) {
	b := t.Breakdown
	exec, ok := b.Execution.Get()
	if !ok {
		return "", ""
	}
	queue, formation := b.Queue.Or(0), b.Formation.Or(0)
	switch idle := 1 - busy(t); {
	case formation > exec && formation > queue:
		return limitDelay, fmt.Sprintf("The delay limits: batches wait %.1f ms to fill and run %.1f ms.", formation, exec)
	case r.Question == plan.Capacity: // the load is as high as it can be
	case t.Load.Mode == load.Open && t.Throughput.Value.Or(0) >= .98*t.Load.Rate && queue <= exec:
		return limitArrival, fmt.Sprintf("The load limits: all of its %g requests/s are served.", t.Load.Rate)
	case idle > .4:
		return limitArrival, fmt.Sprintf("The load limits: workers idle %.0f%% of the time.", 100*idle)
	case queue > 2*exec:
		return limitQueue, fmt.Sprintf("The queue limits: requests wait %.1f ms for %.1f ms of execution; workers are short.", queue, exec)
	}
	if cpu, ok := t.Use.CPUPercent.Get(); ok && t.Settings.Device == "cpu" && r.Cores > 0 {
		if all := cpu + t.Use.GeneratorCPUPercent.Or(0); all >= cpuFull*float64(100*r.Cores) {
			return limitCPU, fmt.Sprintf("The processor limits: %.0f%% of its %d cores is in use, %.0f%% by the load generator; execution takes %.1f ms, the queue %.1f.",
				all/float64(r.Cores), r.Cores, t.Use.GeneratorCPUPercent.Or(0)/float64(r.Cores), exec, queue)
		}
	}
	return limitExecution, fmt.Sprintf("Execution limits: it takes %.1f ms, the queue %.1f, filling the batch %.1f.", exec, queue, formation)
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
	text := fmt.Sprintf("Batches held %.1f of %d", mean, t.Settings.BatchSize)
	if all > 0 {
		text += fmt.Sprintf(", %.0f%% were full", 100*float64(t.Batches.Sizes[t.Settings.BatchSize])/float64(all))
	}
	return text + "."
}

// delay compares with the trial that differs in the delay alone: the shortest
// one tried or, if t has that, the longest.
func delay(trials []trial.Trial, t trial.Trial) string {
	var other *trial.Trial
	for i := range trials {
		o := &trials[i]
		same := o.Settings
		same.BatchDelay = t.Settings.BatchDelay
		if !ranked(*o) || same != t.Settings || o.Load != t.Load || o.Settings == t.Settings {
			continue
		}
		if other == nil || telling(o, other, t) {
			other = o
		}
	}
	if other == nil {
		return ""
	}
	change := fmt.Sprintf("throughput %s, P%g %s", against(t, *other), t.Verdict.Percentile, difference(t.Verdict.ValueMS, other.Verdict.ValueMS))
	return fmt.Sprintf("Against delay %s ms (trial %d) the delay of %s ms gives %s.",
		other.Settings.Get("batch_delay_ms"), other.N, t.Settings.Get("batch_delay_ms"), change)
}

// telling prefers a over b as the one to compare t with.
func telling(a, b *trial.Trial, t trial.Trial) bool {
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
	case WithinNoise(t, o):
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
func (r Rules) runnersUp(trials []trial.Trial, best int) []int {
	seen := []trial.Trial{trials[best]}
	var out []int
	for _, i := range r.Rank(trials) {
		t := trials[i]
		known := slices.ContainsFunc(seen, func(s trial.Trial) bool {
			return s.Settings == t.Settings && (s.Load == t.Load || r.Question == plan.Capacity)
		})
		if known || !r.Meets(t) {
			continue
		}
		if out = append(out, i); len(out) == mostRunnersUp {
			break
		}
		seen = append(seen, t)
	}
	return out
}

func (r Rules) runners(trials []trial.Trial, t trial.Trial, next []int) string {
	var parts []string
	for _, i := range next {
		o := trials[i]
		if r.Question == plan.Capacity {
			parts = append(parts, fmt.Sprintf("trial %d (%v) bears %g/s, %+.0f%%", o.N, o.Settings, o.Load.Rate, 100*(o.Load.Rate/t.Load.Rate-1)))
			continue
		}
		parts = append(parts, fmt.Sprintf("trial %d (%v) %s requests/s, %s", o.N, o.Settings, o.Throughput.Value.Text(1), against(o, t)))
	}
	if parts == nil {
		return ""
	}
	return "Next: " + strings.Join(parts, "; ") + "."
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
	return "Not tried: " + strings.Join(parts, "; ") + "."
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
