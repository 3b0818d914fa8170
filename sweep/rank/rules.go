package rank

import (
	"math"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Rules say what is best. The zero value is most throughput without
// constraints.
type Rules struct {
	Objective   plan.Objective
	Constraints plan.Constraints
	Question    plan.Question // of capacity the throughput is the load's rate
}

// RulesOf returns the rules of a plan.
func RulesOf(p plan.Plan) Rules {
	return Rules{Objective: p.Objective, Constraints: p.Constraints, Question: p.Question}
}

// Meets tells whether a trial looks like a pass and keeps the constraints: enough
// to rank by. A figure that was not measured breaks none.
func (r Rules) Meets(t trial.Trial) bool {
	return t.Verdict.Likely() == trial.Pass && !r.Exceeds(t)
}

// Exceeds tells whether a trial breaks a constraint.
func (r Rules) Exceeds(t trial.Trial) bool { return r.excess(t) > 0 }

// WithinNoise tells whether the data cannot tell the throughputs of two trials
// apart; screens show it as ~.
func WithinNoise(a, b trial.Trial) bool {
	x, y := throughput(a), throughput(b)
	return x.low <= y.high && y.low <= x.high
}

// span is a figure with its interval, turned so that less is better.
type score struct{ value, low, high float64 }

// criterion reads one figure of a trial.
type criterion func(trial.Trial) score

func (r Rules) criteria() []criterion {
	most := throughput
	if r.Question == plan.Capacity {
		most = loadRate
	}
	switch r.Objective {
	case plan.RequestsPerJoule:
		return []criterion{perJoule, most, percentile}
	case plan.FewestWorkers:
		return []criterion{workers, most, percentile}
	}
	return []criterion{most, percentile}
}

// Beats tells whether a is better than b beyond noise, by the first criterion
// that can tell.
func (r Rules) Beats(a, b trial.Trial) bool {
	for _, by := range r.criteria() {
		switch x, y := by(a), by(b); {
		case x.high < y.low:
			return true
		case y.high < x.low:
			return false
		}
	}
	return false
}

// spanOf turns a figure; a missing end is open, a missing figure is worst.
func scoreOf(value, low, high trial.Num) score {
	v, ok := value.Get()
	if !ok {
		return score{math.Inf(1), math.Inf(1), math.Inf(1)}
	}
	if !low.OK() && !high.OK() {
		return score{v, v, v} // no interval was made: taken at its word
	}
	return score{v, low.Or(math.Inf(-1)), high.Or(math.Inf(1))}
}

func throughput(t trial.Trial) score {
	s := scoreOf(t.Throughput.Value, t.Throughput.Low, t.Throughput.High)
	if math.IsInf(s.value, 1) {
		return s
	}
	return score{-s.value, -s.high, -s.low}
}

// rate is that of the load, which is no measurement and has no noise.
func loadRate(t trial.Trial) score { return score{-t.Load.Rate, -t.Load.Rate, -t.Load.Rate} }

func percentile(t trial.Trial) score {
	return scoreOf(t.Verdict.ValueMS, t.Verdict.LowMS, t.Verdict.HighMS)
}

func workers(t trial.Trial) score {
	w := float64(t.Settings.Workers)
	return score{w, w, w}
}

// PerJoule is how many requests a trial answered for each joule; not measured
// where its energy or its throughput is not, or nothing was answered.
func PerJoule(t trial.Trial) trial.Num {
	if s := perJoule(t); s.value < 0 {
		return trial.NumOf(-s.value)
	}
	return trial.Num{}
}

// perJoule is as uncertain as the throughput it comes from.
func perJoule(t trial.Trial) score {
	joules, ok := t.Use.GPU.EnergyJ.Get()
	s := throughput(t)
	if !ok || joules <= 0 || s.value >= 0 {
		return score{math.Inf(1), math.Inf(1), math.Inf(1)}
	}
	scale := float64(t.Counts.OK) / joules / -s.value
	return score{s.value * scale, s.low * scale, s.high * scale}
}

// Distance is how far a trial is from what was asked: the share by which its
// percentile exceeds the limit, or by which it breaks a constraint, whichever is
// more; below 0 within the limit. One that failed by its errors is at least that
// share away, and one without a figure is furthest.
func (r Rules) Distance(t trial.Trial) float64 {
	value, ok := t.Verdict.ValueMS.Get()
	if !ok || t.Verdict.LimitMS <= 0 {
		return math.Inf(1)
	}
	d := value/t.Verdict.LimitMS - 1
	if t.Verdict.Result == trial.Fail {
		d = max(d, t.Verdict.ErrorRate)
	}
	if over := r.excess(t); over > 0 {
		d = max(d, over)
	}
	return d
}

// excess is the share by which the worst constraint is broken; 0 or less keeps
// them all.
func (r Rules) excess(t trial.Trial) float64 {
	worst := 0.0
	for _, c := range []struct {
		limit int
		used  trial.Num
	}{
		{r.Constraints.MemoryMB, t.Use.RSSMB},
		{r.Constraints.GPUMemoryMB, t.Use.GPU.MemoryMB},
	} {
		if c.limit > 0 {
			worst = max(worst, c.used.Or(0)/float64(c.limit)-1)
		}
	}
	return worst
}
