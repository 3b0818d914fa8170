package trial

import (
	"fmt"
	"time"
)

// Carry restates a verdict that was given under one promise for another, without
// measuring again; false where it says nothing about the other one. The two
// promises may differ in their limit only: what kept a limit keeps every looser
// one, and what broke it breaks every tighter one. An undecided verdict carries
// nowhere else, since it was measured until the old limit could not be told. The
// value and its interval stay what they were; Why says where the answer is from.
func (v Verdict) Restate(from, to SLA) (Verdict, bool) {
	of := from
	of.Percentile, of.Limit, of.Latency = v.Percentile, fromMS(v.LimitMS), v.Latency
	if of != from {
		return v, false // a profile may hold verdicts on more promises than its own
	}
	alike := to
	alike.Limit = from.Limit
	switch {
	case alike != from:
		return v, false
	case to.Limit == from.Limit:
		return v, true
	case v.Result == Pass && to.Limit > from.Limit, v.Result == Fail && to.Limit < from.Limit:
	default:
		return v, false
	}
	why := fmt.Sprintf("carried over from the limit of %v", from.Limit)
	if v.Why != "" {
		why += ": " + v.Why
	}
	v.LimitMS, v.Why = float64(to.Limit)/float64(time.Millisecond), why
	return v, true
}
