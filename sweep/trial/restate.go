package trial

import (
	"fmt"
	"time"
)

// Restate returns the verdict for the SLA to, given a verdict for the SLA from, without a
// new measurement; false if the verdict does not imply one. The two may differ only in
// the limit: a pass implies a pass of every higher limit, a failure a failure of every
// lower one. An undecided verdict implies nothing about another limit. The value and its
// interval do not change; Why gets the old limit.
func (v Verdict) Restate(from, to SLA) (Verdict, bool) {
	own := from
	own.Percentile, own.Limit, own.Latency = v.Percentile, fromMS(v.LimitMS), v.Latency
	if own != from {
		return v, false // a merged profile may have verdicts for other SLAs
	}
	sameLimit := to
	sameLimit.Limit = from.Limit
	switch {
	case sameLimit != from:
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
