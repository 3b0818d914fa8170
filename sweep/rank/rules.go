package rank

import (
	"math"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Rules define which trial is best. The zero value is the highest throughput without
// constraints.
type Rules struct {
	Objective   plan.Objective
	Constraints plan.Constraints
	Loads       []load.Spec   // several loads of the plan, under each of which settings must keep the promise; nil if it has one, or seeks a rate
	Question    plan.Question // for capacity the rate of the load counts instead of the throughput
	Rate        float64       // for replicas: the rate of all replicas together; 0 for other questions
	AcceptFP16  bool          // FP16 may be chosen although its outputs disagree with those of FP32
}

// RulesOf returns the rules of a plan.
func RulesOf(p plan.Plan) Rules {
	r := Rules{Objective: p.Objective, Constraints: p.Constraints, Question: p.Question, AcceptFP16: p.AcceptFP16}
	switch {
	case p.Question == plan.Replicas && len(p.Loads) > 0:
		r.Rate = p.Loads[0].Rate
	case !p.Question.SeeksRate() && len(p.Loads) > 1:
		r.Loads = p.Loads
	}
	return r
}

// RateOf returns the rate that each of n replicas gets, rounded down to a thousandth of a request
// per second.
func (r Rules) RateOf(n int) float64 { return math.Floor(1000*r.Rate/float64(n)) / 1000 }

// ReplicasFor returns how many replicas carry the rate if each of them carries rate; 0 if none
// does. Rates are rounded as in RateOf.
func (r Rules) ReplicasFor(rate float64) int {
	if rate <= 0 {
		return 0
	}
	return int(math.Ceil(r.Rate/(rate+.001) - 1e-9))
}

// Meets reports whether a trial is a pass or likely one, keeps the constraints, and
// has right answers (see [trial.Result.WrongAnswers]). This is sufficient for ranking, but not for a recommendation. A constraint on
// something that was not measured is not kept.
func (r Rules) Meets(t trial.Trial) bool {
	return t.Verdict.Likely() == trial.Pass && !r.Exceeds(t) && !r.lacksFigures(t) && t.WrongAnswers(r.AcceptFP16) == ""
}

// restClass returns the sort class of a trial that does not meet the SLA: 0 if longer ones may show that it does, else 1.
func (r Rules) restClass(t trial.Trial) int {
	undecided := t.Verdict.Likely() == trial.Undecided && !math.IsInf(r.Distance(t), 1)
	if undecided && t.Error == "" && !r.Exceeds(t) && t.WrongAnswers(r.AcceptFP16) == "" {
		return 0
	}
	return 1
}

// Exceeds reports whether a trial is known to exceed a constraint.
func (r Rules) Exceeds(t trial.Trial) bool { return r.excess(t) > 0 }

// lacksFigures reports whether a figure that a constraint limits was not measured.
func (r Rules) lacksFigures(t trial.Trial) bool {
	for _, c := range r.limits(t) {
		if !c.used.OK() {
			return true
		}
	}
	return false
}

// WithinNoise reports whether the intervals of the throughputs of two trials overlap, so
// that the data show no difference; screens show it as ~.
func WithinNoise(a, b trial.Trial) bool {
	x, y := throughput(a), throughput(b)
	return x.low <= y.high && y.low <= x.high
}

// sortKey is a value of a trial with its interval, negated if necessary, so that a lower one is
// better.
type sortKey struct{ value, low, high float64 }

// criterion returns a sort key of a trial.
type criterion func(trial.Trial) sortKey

func (r Rules) criteria() []criterion {
	requests := throughput
	switch r.Question {
	case plan.Capacity:
		requests = loadRate
	case plan.Replicas:
		return []criterion{r.replicas, lowerRate, percentile}
	}
	switch r.Objective {
	case plan.RequestsPerJoule:
		return []criterion{perJoule, requests, percentile}
	case plan.FewestWorkers:
		return []criterion{workers, requests, percentile}
	}
	return []criterion{requests, percentile}
}

// Beats reports whether a is better than b in the first criterion in which their intervals do not
// overlap.
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

// equal reports whether two trials are equal within noise in the first criterion.
func (r Rules) equal(a, b trial.Trial) bool {
	x, y := r.criteria()[0](a), r.criteria()[0](b)
	return x.low <= y.high && y.low <= x.high
}

// sortKeyOf returns a sort key from numbers of which a lower one is better. A missing end is open; a
// missing value is the worst key.
func sortKeyOf(value, low, high trial.Num) sortKey {
	v, ok := value.Get()
	if !ok {
		return sortKey{math.Inf(1), math.Inf(1), math.Inf(1)}
	}
	if !low.OK() && !high.OK() {
		return sortKey{v, v, v} // there is no interval: the value counts as exact
	}
	return sortKey{v, low.Or(math.Inf(-1)), high.Or(math.Inf(1))}
}

func throughput(t trial.Trial) sortKey {
	s := sortKeyOf(t.Throughput.Value, t.Throughput.Low, t.Throughput.High)
	if math.IsInf(s.value, 1) {
		return s
	}
	return sortKey{-s.value, -s.high, -s.low}
}

// loadRate returns the sort key of the rate of the load, which is exact.
func loadRate(t trial.Trial) sortKey { return sortKey{-t.Load.Rate, -t.Load.Rate, -t.Load.Rate} }

// replicas returns the sort key of the number of replicas that carry the rate.
func (r Rules) replicas(t trial.Trial) sortKey {
	n := float64(r.ReplicasFor(t.Load.Rate))
	return sortKey{n, n, n}
}

// lowerRate returns the sort key of the rate of the load: of the rates that the same number of
// replicas carry, the lowest is nearest to what each of them gets.
func lowerRate(t trial.Trial) sortKey { return sortKey{t.Load.Rate, t.Load.Rate, t.Load.Rate} }

func percentile(t trial.Trial) sortKey {
	return sortKeyOf(t.Verdict.ValueMS, t.Verdict.LowMS, t.Verdict.HighMS)
}

func workers(t trial.Trial) sortKey {
	w := float64(t.Settings.Workers)
	return sortKey{w, w, w}
}

// PerJoule returns the number of answers per joule; it is missing if the energy or the throughput
// is, or if there are no answers.
func PerJoule(t trial.Trial) trial.Num {
	if s := perJoule(t); s.value < 0 {
		return trial.NumOf(-s.value)
	}
	return trial.Num{}
}

// perJoule returns the sort key of answers per joule. Its interval is as wide as that of the
// throughput, relative to the value.
func perJoule(t trial.Trial) sortKey {
	joules, ok := t.Use.GPU.EnergyJ.Get()
	s := throughput(t)
	if !ok || joules <= 0 || s.value >= 0 {
		return sortKey{math.Inf(1), math.Inf(1), math.Inf(1)}
	}
	scale := float64(t.Counts.OK) / joules / -s.value
	return sortKey{s.value * scale, s.low * scale, s.high * scale}
}

// Distance returns how far a trial is from the SLA and the constraints: the share by which
// the percentile exceeds the limit, or by which a constraint is exceeded, whichever is
// more. It is below 0 within the limit. For a failure it is at least the error rate, and
// +Inf if the percentile was not measured or the server failed.
func (r Rules) Distance(t trial.Trial) float64 {
	value, ok := t.Verdict.ValueMS.Get()
	if !ok || t.Verdict.LimitMS <= 0 || t.Error != "" {
		return math.Inf(1)
	}
	d := value/t.Verdict.LimitMS - 1
	if t.Verdict.Result == trial.Fail {
		d = max(d, t.Verdict.ErrorRate.Or(0))
	}
	if over := r.excess(t); over > 0 {
		d = max(d, over)
	}
	return d
}

// excess returns the largest share by which a constraint is exceeded; 0 if none is.
func (r Rules) excess(t trial.Trial) float64 {
	worst := 0.0
	for _, c := range r.limits(t) {
		worst = max(worst, c.used.Or(0)/float64(c.limit)-1)
	}
	return worst
}

// constrained is a figure of a trial that a constraint limits.
type constrained struct {
	limit int
	used  trial.Num
}

// limits returns the figures of a trial that the constraints limit. Settings on the processor need no
// memory on a GPU, so that nothing is missing there.
func (r Rules) limits(t trial.Trial) (out []constrained) {
	if n := r.Constraints.MemoryMB; n > 0 {
		out = append(out, constrained{n, t.Use.RSSMB})
	}
	if n, used := r.Constraints.GPUMemoryMB, t.Use.GPU.MemoryMB; n > 0 && (used.OK() || t.Settings.Device != "cpu") {
		out = append(out, constrained{n, used})
	}
	return out
}
