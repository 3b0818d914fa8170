package rank

import (
	"fmt"

	"sweetspot/sweep/trial"
)

// failed reports whether the server died or failed in a run. Such a run has an error and the
// verdict fail. A run whose error is not the server's fault has no verdict.
func failed(t *trial.Trial) bool { return t.Error != "" && t.Verdict.Result == trial.Fail }

// saysNothing reports whether a run has an error that is no evidence about the server.
func saysNothing(t *trial.Trial) bool { return t.Error != "" && !failed(t) }

// failFailures fails the row if the server died or failed in one of its runs: settings under which
// a server dies once are not safe, however fast its other runs were.
func (r *Row) failFailures(trials []trial.Trial) {
	bad := filter(r.Runs, func(i int) bool { return failed(&trials[i]) })
	if len(bad) == 0 {
		return
	}
	t, v := trials[bad[0]], &r.Joined.Verdict
	v.Result, v.Leaning, v.Why = trial.Fail, trial.Fail, t.Verdict.Why
	if len(r.Runs) > 1 {
		v.Why = fmt.Sprintf("trial %d: %s", t.N, t.Error)
	}
	r.Joined.Error = t.Error
}

// largestMemory returns the use with the largest memory of all runs: settings that once needed more
// than a constraint allows need it again. An upper bound counts only if nothing else was measured.
func largestMemory(trials []trial.Trial, runs []int, use trial.ResourceUse) trial.ResourceUse {
	measured := filter(runs, func(i int) bool { return trials[i].Use.RSSMB.OK() && !trials[i].Use.RSSIsBound })
	if len(measured) > 0 {
		use.RSSIsBound = false
	} else {
		measured = runs
	}
	if rss := largest(trials, measured, func(u trial.ResourceUse) trial.Num { return u.RSSMB }); rss.OK() {
		use.RSSMB = rss
	}
	if gpu := largest(trials, runs, func(u trial.ResourceUse) trial.Num { return u.GPU.MemoryMB }); gpu.OK() {
		use.GPU.MemoryMB = gpu
	}
	return use
}

// largest returns the largest value of the runs that have one.
func largest(trials []trial.Trial, runs []int, value func(trial.ResourceUse) trial.Num) (out trial.Num) {
	for _, i := range runs {
		if v, ok := value(trials[i].Use).Get(); ok && v >= out.Or(v) {
			out = trial.NumOf(v)
		}
	}
	return out
}
