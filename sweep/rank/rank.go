// Package rank joins the runs of a setting to one row, sorts the rows by the objective of
// a plan, and selects the row that may be recommended.
//
// A sweep measures some settings more than once: in the search, as a control, as a
// validation. The result of a single run is random, so screens, comparisons and
// recommendations use a [Row], which joins all runs of a setting. [Rows] returns the rows
// of trials. [Rules] define which trial is best, and [New] returns the [Ranking] of the
// rows, with their order and the chosen row.
//
// All functions of this package are pure functions of trials.
package rank

import (
	"cmp"
	"fmt"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Row joins all runs of one setting under one load.
type Row struct {
	Runs           []int          // indexes of its trials, in the order of their numbers
	Representative int            // index of its representative trial: the last validation, or else the run with the median throughput
	Joined         trial.Trial    // the representative with the verdict and the throughput of all runs
	Range          trial.Estimate // throughput: the median of the runs, and the lowest and the highest end of their intervals
	Validations    int            // number of validations, with disturbed ones; without those that say nothing, see join
	Validated      bool           // all undisturbed validations passed, and there is at least one
	Narrow         bool           // only one validation passed, and the interval of the percentile reaches over the limit
}

// Verdict returns the joint verdict of the runs.
func (r Row) Verdict() trial.Verdict { return r.Joined.Verdict }

// FromValidations reports whether the verdict is that of validations, whatever its result.
func (r Row) FromValidations() bool { return r.Joined.Role == trial.RoleValidation }

// key identifies a row: trials with the same key are its runs.
type key struct {
	settings knob.Settings
	options  knob.Options
	load     load.Spec
}

// Rows returns a row for each setting under each load, in the order of their first
// trials. Live trials are omitted.
func Rows(trials []trial.Trial) []Row {
	at := map[key]int{}
	var rows []Row
	for i := range trials {
		if trials[i].Role == trial.RoleLive {
			continue
		}
		k := keyOf(&trials[i])
		n, exists := at[k]
		if !exists {
			n = len(rows)
			at[k], rows = n, append(rows, Row{})
		}
		rows[n].Runs = append(rows[n].Runs, i)
	}
	for i := range rows {
		rows[i].sortAndJoin(trials)
	}
	return rows
}

func keyOf(t *trial.Trial) key { return key{t.Settings, t.Options, t.Load} }

func (r *Row) sortAndJoin(trials []trial.Trial) {
	slices.SortStableFunc(r.Runs, func(a, b int) int { return cmp.Compare(trials[a].N, trials[b].N) })
	r.join(trials)
}

// RowOf returns the row with the trial at index i among its runs. A live trial is a row of its own.
// It joins no other rows, because screens call it for every frame.
func RowOf(trials []trial.Trial, i int) Row {
	if trials[i].Role == trial.RoleLive {
		return Row{Runs: []int{i}, Representative: i, Joined: trials[i]}
	}
	var r Row
	k := keyOf(&trials[i])
	for j := range trials {
		if trials[j].Role != trial.RoleLive && keyOf(&trials[j]) == k {
			r.Runs = append(r.Runs, j)
		}
	}
	r.sortAndJoin(trials)
	return r
}

func rowOf(rows []Row, trials []trial.Trial, i int) Row {
	for _, r := range rows {
		if slices.Contains(r.Runs, i) {
			return r
		}
	}
	return Row{Runs: []int{i}, Representative: i, Joined: trials[i]}
}

// join sets the fields of a row from its runs.
//
// The verdict is that of the undisturbed runs, if there are any. If there are validations
// among them, only these count: the row passes if all of them passed, fails if all failed,
// and is undecided if they differ or one is undecided. If all validations were disturbed and
// all passed, they count too. Without a validation, the runs with
// a certain verdict decide in the same way. The leaning of an undecided row is the common
// one of the runs that have one.
//
// The throughput is the median of the runs, and the ends of its interval are the medians
// of the ends, so that a single outlier has little effect.
//
// If the answers of any run differ in batches, the row fails: such answers may be rare. It fails
// too if the server died or failed in any run. A run with another error says nothing, see failed.
//
// The memory is the largest of all runs.
func (r *Row) join(trials []trial.Trial) {
	runs := r.undisturbed(trials)
	deciding := withRole(trials, runs, trial.RoleValidation)
	if len(deciding) == 0 {
		deciding = r.passesDespiteDisturbance(trials)
	}
	validated := len(deciding) > 0
	if !validated {
		deciding = runs
	}
	representative := medianRun(trials, deciding)
	if validated {
		representative = deciding[len(deciding)-1]
	}
	r.Representative, r.Joined = representative, trials[representative]
	v := &r.Joined.Verdict
	v.Result = commonAnswer(trials, deciding, func(v trial.Verdict) trial.Answer { return v.Result })
	v.Leaning = commonAnswer(trials, deciding, trial.Verdict.Likely)
	if v.Result != trials[representative].Verdict.Result {
		v.Why = describeAnswers(trials, deciding)
	}
	r.failWrongAnswers(trials)
	r.failFailures(trials)
	validations := withRole(trials, r.Runs, trial.RoleValidation)
	r.Validations = len(filter(validations, func(i int) bool { return !saysNothing(&trials[i]) }))
	r.Validated = validated && v.Result == trial.Pass
	high, bounded := v.HighMS.Get()
	passes := filter(validations, func(i int) bool { return trials[i].Verdict.Result == trial.Pass && !trials[i].GeneratorLimited })
	r.Narrow = r.Validated && len(passes) < 2 && !(bounded && high <= v.LimitMS)
	r.Joined.Throughput, r.Range = medianThroughput(trials, runs), throughputRange(trials, runs)
	r.Joined.Use = largestMemory(trials, r.Runs, r.Joined.Use)
}

// failWrongAnswers fails the row if the answers of one of its runs differ in batches.
func (r *Row) failWrongAnswers(trials []trial.Trial) {
	for _, i := range r.Runs {
		if a := trials[i].Answers; a != nil && a.Differ > 0 {
			v := &r.Joined.Verdict
			r.Joined.Answers, v.Result, v.Leaning, v.Why = a, trial.Fail, trial.Fail, a.Problem()
			return
		}
	}
}

// undisturbed returns the runs without an error, a disturbance or a limited generator;
// if there are none, those without an error; if there are none, all runs.
func (r *Row) undisturbed(trials []trial.Trial) []int {
	measured := filter(r.Runs, func(i int) bool { return trials[i].Error == "" })
	undisturbed := filter(measured, func(i int) bool { return !trials[i].Disturbed() && !trials[i].GeneratorLimited })
	for _, runs := range [][]int{undisturbed, measured} {
		if len(runs) > 0 {
			return runs
		}
	}
	return r.Runs
}

// passesDespiteDisturbance returns the validations if all of them passed and the load
// generator was not limited. A disturbance makes a server slower, so that a pass is still one.
func (r *Row) passesDespiteDisturbance(trials []trial.Trial) []int {
	validations := filter(withRole(trials, r.Runs, trial.RoleValidation), func(i int) bool { return !saysNothing(&trials[i]) })
	for _, i := range validations {
		if t := trials[i]; t.Error != "" || t.GeneratorLimited || t.Verdict.Result != trial.Pass {
			return nil
		}
	}
	return validations
}

func withRole(trials []trial.Trial, runs []int, role trial.Role) []int {
	return filter(runs, func(i int) bool { return trials[i].Role == role })
}

func filter(runs []int, f func(int) bool) []int {
	return slices.DeleteFunc(slices.Clone(runs), func(i int) bool { return !f(i) })
}

// medianRun returns the run with the median throughput, the higher one if there are two.
func medianRun(trials []trial.Trial, runs []int) int {
	order := slices.Clone(runs)
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(trials[a].Throughput.Value.Or(0), trials[b].Throughput.Value.Or(0))
	})
	return order[len(order)/2]
}

// commonAnswer returns the common answer of the runs that are not undecided; Undecided if
// they differ, or if a validation is undecided.
func commonAnswer(trials []trial.Trial, runs []int, answer func(trial.Verdict) trial.Answer) trial.Answer {
	out := trial.Undecided
	for _, i := range runs {
		switch a := answer(trials[i].Verdict); {
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

// describeAnswers returns the reason of a row whose runs differ.
func describeAnswers(trials []trial.Trial, runs []int) string {
	n := map[trial.Answer]int{}
	for _, i := range runs {
		n[trials[i].Verdict.Result]++
	}
	return fmt.Sprintf("its %d runs differ: %d pass, %d fail, %d undecided", len(runs), n[trial.Pass], n[trial.Fail], n[trial.Undecided])
}

// medianThroughput returns the median of throughputs with the medians of the ends of their
// intervals. With three runs or more, an end is open if it is open in at least half of
// them.
func medianThroughput(trials []trial.Trial, runs []int) trial.Estimate {
	median := func(field func(trial.Estimate) trial.Num) trial.Num {
		var v []float64
		for _, i := range runs {
			if x, ok := field(trials[i].Throughput).Get(); ok {
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
		Value: median(func(e trial.Estimate) trial.Num { return e.Value }),
		Low:   median(func(e trial.Estimate) trial.Num { return e.Low }),
		High:  median(func(e trial.Estimate) trial.Num { return e.High }),
	}
}

// throughputRange returns the median of throughputs with the smallest interval that
// contains all their intervals.
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
