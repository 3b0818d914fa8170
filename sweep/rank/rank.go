// Package rank joins the runs of a setting to one row, orders the rows by what a
// plan asks for, and says which of them may be recommended.
//
// A sweep measures a setting more than once: to rank it, as a control, to validate
// it. Each run alone is a lucky or an unlucky look; what is shown, compared and
// recommended is the [Row]. [Rows] makes them of trials. [Rules] say what is best;
// [Of] makes a [Ranking] by them, which knows the order, the choice, and what was
// left open.
//
// Everything here is a pure function of trials.
package rank

import (
	"cmp"
	"fmt"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Row is one setting under one load: its runs together.
type Row struct {
	Runs        []int          // indexes of its trials, by their numbers
	Representative      int            // index of the trial that stands for it: its last validation, or else its middle run
	Joined      trial.Trial    // the one that stands for it, with the verdict and the throughput of all
	Range       trial.Estimate // of throughput: the median, and from the lowest to the highest end of the runs' intervals
	Validations int            // of its runs, disturbed ones too
	Validated   bool           // a long validation passed, and none speaks against it
}

// Verdict is the row's.
func (r Row) Verdict() trial.Verdict { return r.Joined.Verdict }

// ByValidation tells whether the row rests on validations, whatever they said.
func (r Row) FromValidations() bool { return r.Joined.Role == trial.RoleValidation }

// key is what makes trials runs of one row.
type key struct {
	settings knob.Settings
	options  knob.Options
	load     load.Spec
}

// Rows returns a row for each setting under each load, in the order of their first
// trials. Live trials are left out.
func Rows(trials []trial.Trial) []Row {
	at := map[key]int{}
	var rows []Row
	for i, t := range trials {
		if t.Role == trial.RoleLive {
			continue
		}
		k := key{t.Settings, t.Options, t.Load}
		n, known := at[k]
		if !known {
			n = len(rows)
			at[k], rows = n, append(rows, Row{})
		}
		rows[n].Runs = append(rows[n].Runs, i)
	}
	for i := range rows {
		slices.SortStableFunc(rows[i].Runs, func(a, b int) int { return cmp.Compare(trials[a].N, trials[b].N) })
		rows[i].join(trials)
	}
	return rows
}

// RowOf is the row that has the trial at index i among its runs: its setting under
// its load. A live trial is a row of its own.
func RowOf(trials []trial.Trial, i int) Row { return rowOf(Rows(trials), trials, i) }

func rowOf(rows []Row, trials []trial.Trial, i int) Row {
	for _, r := range rows {
		if slices.Contains(r.Runs, i) {
			return r
		}
	}
	return Row{Runs: []int{i}, Representative: i, Joined: trials[i]}
}

// join fills a row in from its runs.
//
// Its verdict rests on the runs that nothing disturbed, if there are any. Long
// validations outweigh all others: the row passes if all of them passed, fails if
// all failed, and is undecided where they differ or one was left open. Without a
// validation the shorter runs decide in the same way, and an undecided row leans
// to where all of them that lean do.
//
// Its throughput is the median of its runs, with the medians of the ends of their
// intervals: one run apart from the others makes it neither better nor like all.
func (r *Row) join(trials []trial.Trial) {
	runs := r.undisturbed(trials)
	deciding := withRole(trials, runs, trial.RoleValidation)
	long := len(deciding) > 0
	if !long {
		deciding = runs
	}
	middle := medianRun(trials, deciding)
	if long {
		middle = deciding[len(deciding)-1]
	}
	r.Representative, r.Joined = middle, trials[middle]
	v := &r.Joined.Verdict
	v.Result = commonAnswer(trials, deciding, func(v trial.Verdict) trial.Answer { return v.Result })
	v.Leaning = commonAnswer(trials, deciding, trial.Verdict.Likely)
	if v.Result != trials[middle].Verdict.Result {
		v.Why = describeAnswers(trials, deciding)
	}
	r.Validations = len(withRole(trials, r.Runs, trial.RoleValidation))
	r.Validated = long && v.Result == trial.Pass
	r.Joined.Throughput, r.Range = medianThroughput(trials, runs), throughputRange(trials, runs)
}

// undisturbed are the runs without an error and without neighbours that took much
// of the machine; all that were measured, or all there are, if that is none.
func (r *Row) undisturbed(trials []trial.Trial) []int {
	measured := filter(r.Runs, func(i int) bool { return trials[i].Error == "" })
	calm := filter(measured, func(i int) bool { return !trials[i].Disturbed() && !trials[i].GeneratorLimited })
	for _, runs := range [][]int{calm, measured} {
		if len(runs) > 0 {
			return runs
		}
	}
	return r.Runs
}

func withRole(trials []trial.Trial, runs []int, role trial.Role) []int {
	return filter(runs, func(i int) bool { return trials[i].Role == role })
}

func filter(runs []int, f func(int) bool) []int {
	return slices.DeleteFunc(slices.Clone(runs), func(i int) bool { return !f(i) })
}

// median is the run in the middle by throughput, the better one of two.
func medianRun(trials []trial.Trial, runs []int) int {
	order := slices.Clone(runs)
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(trials[a].Throughput.Value.Or(0), trials[b].Throughput.Value.Or(0))
	})
	return order[len(order)/2]
}

// agreed is the answer that the runs give who give one, undecided where they
// differ. One that is left open leaves a row of validations open.
func commonAnswer(trials []trial.Trial, runs []int, of func(trial.Verdict) trial.Answer) trial.Answer {
	out := trial.Undecided
	for _, i := range runs {
		switch a := of(trials[i].Verdict); {
		case a == trial.Undecided && trials[i].Role == trial.RoleValidation:
			return trial.Undecided
		case a == trial.Undecided || a == out:
		case out == trial.Undecided:
			out = a
		default:
			return trial.Undecided
		}
	}
	return out
}

// differing says how runs of one setting differ.
func describeAnswers(trials []trial.Trial, runs []int) string {
	n := map[trial.Answer]int{}
	for _, i := range runs {
		n[trials[i].Verdict.Result]++
	}
	return fmt.Sprintf("its %d runs differ: %d pass, %d fail, %d undecided", len(runs), n[trial.Pass], n[trial.Fail], n[trial.Undecided])
}

// middleOf is the median of throughputs and of the ends of their intervals; an end
// that is open in half of them or more is open.
func medianThroughput(trials []trial.Trial, runs []int) trial.Estimate {
	of := func(figure func(trial.Estimate) trial.Num) trial.Num {
		var v []float64
		for _, i := range runs {
			if x, ok := figure(trials[i].Throughput).Get(); ok {
				v = append(v, x)
			}
		}
		if len(v) == 0 || 2*len(v) <= len(runs) && len(runs) > 2 {
			return trial.Num{}
		}
		slices.Sort(v)
		return trial.NumOf((v[(len(v)-1)/2] + v[len(v)/2]) / 2)
	}
	return trial.Estimate{
		Value: of(func(e trial.Estimate) trial.Num { return e.Value }),
		Low:   of(func(e trial.Estimate) trial.Num { return e.Low }),
		High:  of(func(e trial.Estimate) trial.Num { return e.High }),
	}
}

// joined is the median of throughputs with the hull of their intervals.
func throughputRange(trials []trial.Trial, runs []int) trial.Estimate {
	if len(runs) == 1 {
		return trials[runs[0]].Throughput
	}
	var values []float64
	var out trial.Estimate
	for _, i := range runs {
		e := trials[i].Throughput
		v, ok := e.Value.Get()
		if !ok {
			continue
		}
		values = append(values, v)
		if low := e.Low.Or(v); low < out.Low.Or(low+1) {
			out.Low = trial.NumOf(low)
		}
		if high := e.High.Or(v); high > out.High.Or(high-1) {
			out.High = trial.NumOf(high)
		}
	}
	if len(values) == 0 {
		return trial.Estimate{}
	}
	slices.Sort(values)
	out.Value = trial.NumOf((values[(len(values)-1)/2] + values[len(values)/2]) / 2)
	return out
}
