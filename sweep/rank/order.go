package rank

import (
	"cmp"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/trial"
)

// Ranking is trials, joined to rows, in the order of what is asked. It is data:
// who has several questions about the same trials makes it once.
//
// First come the rows that meet the promise, by the objective; within noise
// lower P99 (the promise's percentile), then fewer workers, smaller batch,
// FP32, and the delay: the shorter one, under the torchserve rule the longer one,
// which costs a loaded server nothing there and fills its batches. "Within noise"
// alone is no order: a may be like b and b like c while a beats c. So it is asked
// only of a leader: the best value leads a group, the next ones join while their
// intervals overlap the leader's, and the first that does not leads the next
// group. Groups stand in the order of their leaders, and inside a group the next
// criterion decides the same way.
//
// Then come the others, undecided or failed, the nearest to the promise first.
//
// The order does not depend on the order of the trials.
type Ranking struct {
	Rules  Rules
	Trials []trial.Trial
	Rows   []Row // in the order of their first trials; live trials are in none
	Order  []int // indexes of Rows, best first
}

// Of ranks trials by r.
func New(r Rules, trials []trial.Trial) Ranking {
	k := Ranking{Rules: r, Trials: trials, Rows: Rows(trials)}
	joined := make([]trial.Trial, len(k.Rows))
	var meet, rest []int
	for i, row := range k.Rows {
		joined[i] = row.Joined
		if r.Meets(row.Joined) {
			meet = append(meet, i)
		} else {
			rest = append(rest, i)
		}
	}
	s := sorter{trials: joined}
	s.sortGroups(meet, r.criteria())
	slices.SortFunc(rest, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(r.Distance(joined[a]), r.Distance(joined[b])),
			cmp.Compare(joined[b].Throughput.Value.Or(0), joined[a].Throughput.Value.Or(0)),
			tieBreak(joined[a], joined[b]),
		)
	})
	k.Order = append(meet, rest...)
	return k
}

// Best is the first row, false without any. Whether it meets the promise and the
// constraints, [Rules.Meets] tells; if not, it is the nearest.
func (k Ranking) Best() (best Row, ok bool) {
	if len(k.Order) == 0 {
		return Row{}, false
	}
	return k.Rows[k.Order[0]], true
}

// InOrder are the rows, best first.
func (k Ranking) InOrder() []Row {
	out := make([]Row, len(k.Order))
	for n, i := range k.Order {
		out[n] = k.Rows[i]
	}
	return out
}

// Row is the one that has the trial at index i among its runs; see [RowOf].
func (k Ranking) Row(i int) Row { return rowOf(k.Rows, k.Trials, i) }

// Rank returns indexes of trials, best first: of each row that of the trial which
// stands for it. See [Ranking] for the order.
func (r Rules) Rank(trials []trial.Trial) []int {
	k := New(r, trials)
	out := make([]int, len(k.Order))
	for n, row := range k.InOrder() {
		out[n] = row.Representative
	}
	return out
}

// sorter orders indexes of trials in place.
type sorter struct{ trials []trial.Trial }

// tiers sorts ids by the first criterion and every group within noise of its
// leader by the rest.
func (s sorter) sortGroups(ids []int, by []criterion) {
	if len(by) == 0 {
		slices.SortFunc(ids, func(a, b int) int { return tieBreak(s.trials[a], s.trials[b]) })
		return
	}
	at := func(id int) score { return by[0](s.trials[id]) }
	slices.SortFunc(ids, func(a, b int) int {
		x, y := at(a), at(b)
		return cmp.Or(
			cmp.Compare(x.value, y.value), cmp.Compare(x.high, y.high), cmp.Compare(x.low, y.low),
			tieBreak(s.trials[a], s.trials[b]),
		)
	})
	for start := 0; start < len(ids); {
		leader, end := at(ids[start]), start+1
		for end < len(ids) && at(ids[end]).low <= leader.high {
			end++
		}
		s.sortGroups(ids[start:end], by[1:])
		start = end
	}
}

// identity orders trials that the figures cannot: the cheaper setting first,
// then the higher throughput, then the earlier trial.
func tieBreak(a, b trial.Trial) int {
	x, y := a.Settings, b.Settings
	return cmp.Or(
		cmp.Compare(x.Workers, y.Workers),
		cmp.Compare(x.BatchSize, y.BatchSize),
		cmp.Compare(x.Precision, y.Precision),
		compareDelays(a, b),
		x.Own.Compare(y.Own),
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
func compareDelays(a, b trial.Trial) int {
	if a.Options.Rule == knob.TorchServe && a.Settings.BatchSize > 1 {
		a, b = b, a
	}
	return cmp.Compare(a.Settings.BatchDelay, b.Settings.BatchDelay)
}
