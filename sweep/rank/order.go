package rank

import (
	"cmp"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/trial"
)

// Ranking has the rows of trials in the order of the rules.
//
// The first rows are those that meet the SLA and the constraints, in the order of the
// objective. If their values are equal within noise, the next criteria are: lower
// percentile, fewer workers, smaller batch, FP32, and the delay. The shorter delay is
// better, but under the torchserve rule the longer one: a server under load fills its
// batches before the delay ends, so that the delay costs nothing.
//
// "Equal within noise" is not transitive: a may equal b and b equal c, although a is
// better than c. So the rows are split into sets of ties: the best row is the first of a
// set, which also has the next rows whose intervals overlap the interval of the first. The
// next criterion sorts the rows of each set in the same way.
//
// The other rows follow: those that are undecided, then those that fail. Both are in the order of their distance
// from the SLA and the constraints; within the limit there is no distance, and the throughput decides.
//
// The order does not depend on the order of the trials.
type Ranking struct {
	Rules  Rules
	Trials []trial.Trial
	Rows   []Row // in the order of their first trials; without live trials
	Order  []int // indexes of Rows, best first
}

// New returns the ranking of trials by r.
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
	s.sortTies(meet, r.criteria())
	beyond := func(i int) float64 { return max(r.Distance(joined[i]), 0) }
	slices.SortFunc(rest, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(r.restClass(joined[a]), r.restClass(joined[b])),
			cmp.Compare(beyond(a), beyond(b)),
			cmp.Compare(joined[b].Throughput.Value.Or(0), joined[a].Throughput.Value.Or(0)),
			tieBreak(joined[a], joined[b]),
		)
	})
	k.Order = append(meet, rest...)
	return k
}

// Best returns the first row; false if there are no rows. It may not meet the SLA and the
// constraints, see [Rules.Meets]; then it is the row with the smallest distance from them.
func (k Ranking) Best() (best Row, ok bool) {
	if len(k.Order) == 0 {
		return Row{}, false
	}
	return k.Rows[k.Order[0]], true
}

// InOrder returns the rows, best first.
func (k Ranking) InOrder() []Row {
	out := make([]Row, len(k.Order))
	for n, i := range k.Order {
		out[n] = k.Rows[i]
	}
	return out
}

// Row returns the row with the trial at index i; see [RowOf].
func (k Ranking) Row(i int) Row { return rowOf(k.Rows, k.Trials, i) }

// Rank returns the index of the representative trial of each row, best first. See [Ranking] for the
// order.
func (r Rules) Rank(trials []trial.Trial) []int {
	k := New(r, trials)
	out := make([]int, len(k.Order))
	for n, row := range k.InOrder() {
		out[n] = row.Representative
	}
	return out
}

// sorter sorts indexes of trials in place.
type sorter struct{ trials []trial.Trial }

// sortTies sorts ids by the first criterion, and each set of ties by the other criteria.
func (s sorter) sortTies(ids []int, by []criterion) {
	if len(by) == 0 {
		slices.SortFunc(ids, func(a, b int) int { return tieBreak(s.trials[a], s.trials[b]) })
		return
	}
	at := func(id int) sortKey { return by[0](s.trials[id]) }
	slices.SortFunc(ids, func(a, b int) int {
		x, y := at(a), at(b)
		return cmp.Or(
			cmp.Compare(x.value, y.value), cmp.Compare(x.high, y.high), cmp.Compare(x.low, y.low),
			tieBreak(s.trials[a], s.trials[b]),
		)
	})
	for start := 0; start < len(ids); {
		first, end := at(ids[start]), start+1
		for end < len(ids) && at(ids[end]).low <= first.high {
			end++
		}
		s.sortTies(ids[start:end], by[1:])
		start = end
	}
}

// tieBreak compares trials that are equal within noise in all criteria: the setting with fewer
// resources is first, then the higher throughput, then the earlier trial.
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

// compareDelays compares batch delays. The shorter one is first; but under the torchserve
// rule, with batches above 1, the longer one: a server under load fills its batches before
// the delay ends, and a server with less load needs the delay to fill them.
func compareDelays(a, b trial.Trial) int {
	if a.Options.Rule == knob.TorchServe && a.Settings.BatchSize > 1 {
		a, b = b, a
	}
	return cmp.Compare(a.Settings.BatchDelay, b.Settings.BatchDelay)
}
