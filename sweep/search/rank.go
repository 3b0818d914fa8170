package search

import (
	"cmp"
	"math"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// Rules say what is best. The zero value is most throughput without
// constraints.
type Rules struct {
	Objective   plan.Objective
	Constraints plan.Constraints
	Question    plan.Question // of capacity the throughput is the load's rate
	Cores       int           // of the machine that serves; 0 is not known
}

// RulesOf returns the rules of a plan.
func RulesOf(p plan.Plan) Rules {
	return Rules{Objective: p.Objective, Constraints: p.Constraints, Question: p.Question}
}

// Rank is Rules.Rank for most throughput.
func Rank(trials []trial.Trial) []int { return Rules{}.Rank(trials) }

// Best is Rules.Best for most throughput.
func Best(trials []trial.Trial) (i int, meets bool) { return Rules{}.Best(trials) }

// Best returns the index of the trial that stands for the best row, -1 without
// any, and whether the row meets the promise and the constraints; if not, it is the
// nearest.
func (r Rules) Best(trials []trial.Trial) (i int, meets bool) {
	order := r.Rank(trials)
	if len(order) == 0 {
		return -1, false
	}
	for _, row := range rank.Rows(trials) {
		if row.Stands == order[0] {
			meets = r.Meets(row.Joined)
		}
	}
	return order[0], meets
}

// Rank returns indexes into trials, best first, one for each setting under each
// load: its runs are one row ([rank.Rows]), and the index is of the one that
// stands for it. Live trials are left out. The order does not depend on the order
// of the trials.
//
// First come the rows that meet the promise, by the objective; within noise
// lower P99 (the promise's percentile), then fewer workers, smaller batch,
// FP32, and the delay: the shorter one, under the torchserve rule the longer one,
// which costs a loaded server nothing there and fills its batches. "Within noise" alone is no order: a may be like b and b
// like c while a beats c. So it is asked only of a leader: the best value leads
// a group, the next ones join while their intervals overlap the leader's, and
// the first that does not leads the next group. Groups stand in the order of
// their leaders, and inside a group the next criterion decides the same way.
//
// Then come the others, undecided or failed, the nearest to the promise first.
func (r Rules) Rank(trials []trial.Trial) []int {
	rows := rank.Rows(trials)
	joined := make([]trial.Trial, len(rows))
	var meet, rest []int
	for i, row := range rows {
		joined[i] = row.Joined
		if r.Meets(row.Joined) {
			meet = append(meet, i)
		} else {
			rest = append(rest, i)
		}
	}
	s := sorter{trials: joined}
	s.tiers(meet, r.criteria())
	slices.SortFunc(rest, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(r.distance(joined[a]), r.distance(joined[b])),
			cmp.Compare(joined[b].Throughput.Value.Or(0), joined[a].Throughput.Value.Or(0)),
			identity(joined[a], joined[b]),
		)
	})
	order := append(meet, rest...)
	for i, row := range order {
		order[i] = rows[row].Stands
	}
	return order
}

// Meets tells whether a trial looks like a pass and keeps the constraints: enough
// to rank by. A figure that was not measured breaks none.
func (r Rules) Meets(t trial.Trial) bool {
	return t.Verdict.Seems() == trial.Pass && r.excess(t) <= 0
}

// WithinNoise tells whether the data cannot tell the throughputs of two trials
// apart; screens show it as ~.
func WithinNoise(a, b trial.Trial) bool {
	x, y := throughput(a), throughput(b)
	return x.low <= y.high && y.low <= x.high
}

// ranked tells whether a trial takes part: it was run to judge its settings.
func ranked(t trial.Trial) bool {
	return t.Role != trial.RoleControl && t.Role != trial.RoleLive
}

// span is a figure with its interval, turned so that less is better.
type span struct{ value, low, high float64 }

// criterion reads one figure of a trial.
type criterion func(trial.Trial) span

func (r Rules) criteria() []criterion {
	most := throughput
	if r.Question == plan.Capacity {
		most = rate
	}
	switch r.Objective {
	case plan.RequestsPerJoule:
		return []criterion{perJoule, most, percentile}
	case plan.FewestWorkers:
		return []criterion{workers, most, percentile}
	}
	return []criterion{most, percentile}
}

// beats tells whether a is better than b beyond noise, by the first criterion
// that can tell.
func (r Rules) beats(a, b trial.Trial) bool {
	for _, by := range r.criteria() {
		switch x, y := by(a), by(b); {
		case x.high < y.low:
			return true
		case y.high < x.low:
			return false
		}
	}
	return false
}

// spanOf turns a figure; a missing end is open, a missing figure is worst.
func spanOf(value, low, high trial.Num) span {
	v, ok := value.Get()
	if !ok {
		return span{math.Inf(1), math.Inf(1), math.Inf(1)}
	}
	if !low.OK() && !high.OK() {
		return span{v, v, v} // no interval was made: taken at its word
	}
	return span{v, low.Or(math.Inf(-1)), high.Or(math.Inf(1))}
}

func throughput(t trial.Trial) span {
	s := spanOf(t.Throughput.Value, t.Throughput.Low, t.Throughput.High)
	if math.IsInf(s.value, 1) {
		return s
	}
	return span{-s.value, -s.high, -s.low}
}

// rate is that of the load, which is no measurement and has no noise.
func rate(t trial.Trial) span { return span{-t.Load.Rate, -t.Load.Rate, -t.Load.Rate} }

func percentile(t trial.Trial) span {
	return spanOf(t.Verdict.ValueMS, t.Verdict.LowMS, t.Verdict.HighMS)
}

func workers(t trial.Trial) span {
	w := float64(t.Settings.Workers)
	return span{w, w, w}
}

// perJoule is as uncertain as the throughput it comes from.
func perJoule(t trial.Trial) span {
	joules, ok := t.Use.GPU.EnergyJ.Get()
	s := throughput(t)
	if !ok || joules <= 0 || s.value >= 0 {
		return span{math.Inf(1), math.Inf(1), math.Inf(1)}
	}
	scale := float64(t.Counts.OK) / joules / -s.value
	return span{s.value * scale, s.low * scale, s.high * scale}
}

// sorter orders indexes of trials in place.
type sorter struct{ trials []trial.Trial }

// tiers sorts ids by the first criterion and every group within noise of its
// leader by the rest.
func (s sorter) tiers(ids []int, by []criterion) {
	if len(by) == 0 {
		slices.SortFunc(ids, func(a, b int) int { return identity(s.trials[a], s.trials[b]) })
		return
	}
	at := func(id int) span { return by[0](s.trials[id]) }
	slices.SortFunc(ids, func(a, b int) int {
		x, y := at(a), at(b)
		return cmp.Or(
			cmp.Compare(x.value, y.value), cmp.Compare(x.high, y.high), cmp.Compare(x.low, y.low),
			identity(s.trials[a], s.trials[b]),
		)
	})
	for start := 0; start < len(ids); {
		leader, end := at(ids[start]), start+1
		for end < len(ids) && at(ids[end]).low <= leader.high {
			end++
		}
		s.tiers(ids[start:end], by[1:])
		start = end
	}
}

// identity orders trials that the figures cannot: the cheaper setting first,
// then the higher throughput, then the earlier trial.
func identity(a, b trial.Trial) int {
	x, y := a.Settings, b.Settings
	return cmp.Or(
		cmp.Compare(x.Workers, y.Workers),
		cmp.Compare(x.BatchSize, y.BatchSize),
		cmp.Compare(x.Precision, y.Precision),
		delays(a, b),
		cmp.Compare(b.Throughput.Value.Or(0), a.Throughput.Value.Or(0)),
		cmp.Compare(a.N, b.N),
		cmp.Compare(x.String(), y.String()),
		cmp.Compare(x.QueueSize, y.QueueSize),
		cmp.Compare(a.Load.String(), b.Load.String()),
	)
}

// delays orders by batch delay. Where it does something and TorchServe's rule
// holds, the longer one comes first: a loaded server fills its batches before the
// delay ends, and one that runs short of requests gains from waiting.
func delays(a, b trial.Trial) int {
	if a.Options.Rule == knob.TorchServe && a.Settings.BatchSize > 1 {
		a, b = b, a
	}
	return cmp.Compare(a.Settings.BatchDelay, b.Settings.BatchDelay)
}

// distance is how far a trial is from what was asked: the share by which its
// percentile exceeds the limit, or by which it breaks a constraint, whichever is
// more; below 0 within the limit. One that failed by its errors is at least that
// share away, and one without a figure is furthest.
func (r Rules) distance(t trial.Trial) float64 {
	value, ok := t.Verdict.ValueMS.Get()
	if !ok || t.Verdict.LimitMS <= 0 {
		return math.Inf(1)
	}
	d := value/t.Verdict.LimitMS - 1
	if t.Verdict.Result == trial.Fail {
		d = max(d, t.Verdict.ErrorRate)
	}
	if over := r.excess(t); over > 0 {
		d = max(d, over)
	}
	return d
}

// excess is the share by which the worst constraint is broken; 0 or less keeps
// them all.
func (r Rules) excess(t trial.Trial) float64 {
	worst := 0.0
	for _, c := range []struct {
		limit int
		used  trial.Num
	}{
		{r.Constraints.MemoryMB, t.Use.RSSMB},
		{r.Constraints.GPUMemoryMB, t.Use.GPU.MemoryMB},
	} {
		if c.limit > 0 {
			worst = max(worst, c.used.Or(0)/float64(c.limit)-1)
		}
	}
	return worst
}
