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

// Decide holds latencies in ms, in time order, and an error rate against a
// promise, by the sequential rule of stat.Decide, which stays honest where it is
// asked again and again; the interval is the percentile's. why, if not empty, is
// kept as the reason of a certain answer.
func Decide(sla trial.SLA, values []float64, errorRate float64, why string) trial.Verdict {
	q := sla.Percentile / 100
	v := Judge(sla, stat.Quantile(values, q), errorRate, why)
	if errorRate > sla.MaxErrorRate {
		return v
	}
	d := stat.Decide(values, stat.Promise{Q: q, Limit: ms(sla.Limit)})
	v.Result = []trial.Answer{stat.Undecided: trial.Undecided, stat.Pass: trial.Pass, stat.Fail: trial.Fail}[d.Answer]
	if v.Why == "" || d.Answer == stat.Undecided {
		v.Why = d.Why
	}
	return v
}

// estimate is a stat interval as profiles hold it.
func estimate(i stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.Of(i.Value), Low: trial.Of(i.Low), High: trial.Of(i.High)}
}
