package rank

import (
	"fmt"
	"path"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// OtherLoad is another load of the settings of a row.
type OtherLoad struct {
	Load     load.Spec
	Planned  bool // it is a load of the plan
	Tried    bool // there are runs
	Measured bool // and they have a result
	Row      Row  // of the runs; the zero value if it was not tried
}

// OtherLoads returns the other loads of the settings of a row: those of the plan in its order,
// whether they were measured or not, and then those that are none of the plan. A search for the highest
// rate has none: its rates are results.
func (k Ranking) OtherLoads(of Row) (out []OtherLoad) {
	if k.isCapacity() {
		return nil
	}
	s := of.Joined.Settings
	planned := k.Rules.loadsOf(s)
	for _, l := range planned {
		if sameLoad(l, of.Joined.Load) {
			continue
		}
		rows := k.rowsUnder(s, func(o load.Spec) bool { return sameLoad(o, l) })
		if len(rows) == 0 {
			out = append(out, OtherLoad{Load: l, Planned: true})
		}
		for _, r := range rows {
			out = append(out, k.otherLoad(r, true))
		}
	}
	isPlanned := func(o load.Spec) bool {
		return slices.ContainsFunc(planned, func(l load.Spec) bool { return sameLoad(l, o) })
	}
	for _, r := range k.rowsUnder(s, func(o load.Spec) bool { return o != of.Joined.Load && !isPlanned(o) }) {
		out = append(out, k.otherLoad(r, false))
	}
	return out
}

func (k Ranking) otherLoad(r Row, planned bool) OtherLoad {
	measured := slices.ContainsFunc(r.Runs, func(i int) bool { return !saysNothing(&k.Trials[i]) })
	return OtherLoad{Load: r.Joined.Load, Planned: planned, Tried: true, Measured: measured, Row: r}
}

// rowsUnder returns the rows of settings under the loads for which match is true.
func (k Ranking) rowsUnder(s knob.Settings, match func(load.Spec) bool) (out []Row) {
	for _, r := range k.Rows {
		if r.Joined.Settings == s && match(r.Joined.Load) {
			out = append(out, r)
		}
	}
	return out
}

// loadsOf returns the loads of the plan for settings, each once.
func (r Rules) loadsOf(s knob.Settings) (out []load.Spec) {
	for _, l := range r.Loads {
		l = l.For(s.Workers * s.BatchSize)
		if !slices.ContainsFunc(out, func(o load.Spec) bool { return sameLoad(o, l) }) {
			out = append(out, l)
		}
	}
	return out
}

// sameLoad reports whether two loads are the same. The trace of a plan in a profile has no folder and no
// duration.
func sameLoad(a, b load.Spec) bool {
	switch {
	case a.Mode != load.Trace || b.Mode != load.Trace:
		return a == b
	case a.SHA256 != "" && b.SHA256 != "":
		return a.SHA256 == b.SHA256
	}
	return path.Base(a.File) == path.Base(b.File)
}

// CountFailures returns how many rows fail under a load.
func (k Ranking) CountFailures(l load.Spec) (n int) {
	for _, r := range k.Rows {
		if sameLoad(r.Joined.Load, l) && r.Verdict().Likely() == trial.Fail {
			n++
		}
	}
	return n
}

// UnderAllLoads reports whether the settings of a row keep the promise under the other loads of the plan
// too: pass if a validation has confirmed it under each, fail if they fail under one, and else undecided.
func (k Ranking) UnderAllLoads(of Row) trial.Answer {
	out := trial.Pass
	for _, o := range k.OtherLoads(of) {
		switch v := o.Row.Verdict(); {
		case !o.Planned:
		case o.Measured && (v.Result == trial.Fail || k.Rules.Exceeds(o.Row.Joined)):
			return trial.Fail
		case !o.Row.Validated || !k.Rules.Meets(o.Row.Joined):
			out = trial.Undecided
		}
	}
	return out
}

// DescribeOtherLoads lists the other loads under which the settings of a row were not measured, do not keep
// the promise, or were not validated.
func (k Ranking) DescribeOtherLoads(of Row) (out []string) {
	for _, o := range k.OtherLoads(of) {
		if text := k.describe(o); text != "" {
			out = append(out, fmt.Sprintf("under %v it %s", o.Load, text))
		}
	}
	return out
}

// describe says what is wrong under a load; "" if nothing is.
func (k Ranking) describe(o OtherLoad) string {
	t, v := o.Row.Joined, o.Row.Verdict()
	figures := fmt.Sprintf(" (P%g %s ms)", v.Percentile, v.ValueMS.Text(1))
	if e := t.Counts.DescribeErrors(); e != "" {
		figures = " (" + e + ")"
	}
	switch {
	case !o.Measured && t.Error != "":
		return "was not measured: " + t.Error
	case !o.Measured:
		return "was not measured"
	case t.Error != "":
		return "FAILs (" + t.Error + ")"
	case v.Result == trial.Fail:
		return "FAILs" + figures
	case v.Likely() == trial.Fail:
		return "looks like a FAIL" + figures
	case k.Rules.Exceeds(t):
		return "exceeds the constraints"
	case !o.Row.Validated:
		return "was not validated" + figures
	}
	return ""
}
