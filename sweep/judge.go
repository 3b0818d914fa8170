package sweep

import (
	"fmt"

	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// Judge holds a percentile with its interval, in ms, and an error rate against
// a promise. The answer is certain only when the whole interval lies on one side
// of the limit; an open end reaches everywhere. Too many errors fail whatever
// the percentile.
func Judge(sla trial.SLA, p stat.Interval, errorRate float64, why string) trial.Verdict {
	limit := float64(sla.Limit) / 1e6
	v := trial.Verdict{
		Latency: sla.Latency, Percentile: sla.Percentile, LimitMS: limit,
		ValueMS: trial.Of(p.Value), LowMS: trial.Of(p.Low), HighMS: trial.Of(p.High),
		ErrorRate: errorRate, Why: why,
	}
	switch {
	case errorRate > sla.MaxErrorRate:
		v.Result = trial.Fail
		v.Why = fmt.Sprintf("%.2g%% of the requests failed or were refused, %.2g%% are allowed", 100*errorRate, 100*sla.MaxErrorRate)
	case p.Low > limit:
		v.Result = trial.Fail
	case p.High <= limit:
		v.Result = trial.Pass
	}
	return v
}

// estimate is a stat interval as profiles hold it.
func estimate(i stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.Of(i.Value), Low: trial.Of(i.Low), High: trial.Of(i.High)}
}
