//go:build !race

// The race detector makes this arithmetic of one goroutine ten times as slow.

package search_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// searchProblem makes a plan, its points and a server.
type searchProblem func() (plan.Plan, []plan.Point, fakeServer)

// unevenProblem is defaultProblem with more knobs and a server that differs from its service times, both changed.
func unevenProblem(strategy string, change func(*plan.Plan), server func(*fakeServer)) searchProblem {
	return func() (plan.Plan, []plan.Point, fakeServer) {
		p, _, w := defaultProblem()
		p.Strategy = strategy
		p.Knobs = map[knob.Name]string{knob.Workers: "1-4", knob.BatchSize: "1-16*2", knob.BatchDelay: "1,10", knob.FP16: "fp32,fp16"}
		if change != nil {
			change(&p)
		}
		points, _ := p.Points(knob.Limits{Cores: 4, BatchAxis: true}, knob.Default(knob.TorchServe), nil)
		unevenServer(&w)
		if server != nil {
			server(&w)
		}
		return p, points, w
	}
}

// remoteProblem is a server with two knobs of its own, under each load of the plan.
func remoteProblem(t *testing.T, strategy string, q plan.Question, change func(*plan.Plan)) searchProblem {
	return func() (plan.Plan, []plan.Point, fakeServer) {
		p, points, w := remoteServer(t, q, "1-8*2", "1-32*2")
		p.Strategy = strategy
		if change != nil {
			change(&p)
		}
		if q != plan.Throughput {
			return p, points, w
		}
		var all []plan.Point
		for _, l := range p.Loads {
			for _, x := range points {
				x.Load = l
				all = append(all, x)
			}
		}
		return p, all, w
	}
}

// decisionCases are searches whose decisions are recorded in testdata.
func decisionCases(t *testing.T) map[string]searchProblem {
	of := unevenProblem
	remote := func(strategy string, q plan.Question, change func(*plan.Plan)) searchProblem {
		return remoteProblem(t, strategy, q, change)
	}
	few := func(p *plan.Plan) {
		p.Knobs = map[knob.Name]string{knob.Workers: "1,2", knob.BatchSize: "1,2,8", knob.BatchDelay: "1,10"}
	}
	capacity := func(p *plan.Plan) { few(p); p.Question = plan.Capacity }
	replicas := func(p *plan.Plan) {
		few(p)
		p.Question, p.Loads = plan.Replicas, []load.Spec{{Mode: load.Open, Rate: 3000}}
	}
	noTimes := func(p *plan.Plan) {
		p.Knobs = map[knob.Name]string{knob.Workers: "1-4", knob.BatchSize: "1-8*2", knob.BatchDelay: "1", knob.FP16: "fp32,fp16"}
	}
	limit := func(d time.Duration) func(*plan.Plan) { return func(p *plan.Plan) { p.SLA.Limit = d } }
	return map[string]searchProblem{
		"auto":             of("auto", nil, nil),
		"auto more tests":  of("auto", func(p *plan.Plan) { p.Budget.LoadTests = 16 }, nil),
		"auto tight":       of("auto", limit(12*time.Millisecond), nil),
		"auto none passes": of("auto", limit(4*time.Millisecond), nil),
		"auto impossible":  of("auto", limit(time.Millisecond), nil),
		"auto capacity":    of("auto", capacity, nil),
		"auto open":        of("auto", func(p *plan.Plan) { p.Loads = []load.Spec{{Mode: load.Open, Rate: 400}} }, nil),
		"auto two loads":   of("auto", func(p *plan.Plan) { few(p); p.Loads = []load.Spec{{Concurrency: 8}, {Concurrency: 32}} }, nil),
		"auto few workers": of("auto", func(p *plan.Plan) { p.Objective = plan.FewestWorkers }, nil),
		"auto memory":      of("auto", func(p *plan.Plan) { p.Constraints.MemoryMB = 500 }, func(w *fakeServer) { w.rss = func(s knob.Settings) float64 { return float64(200 * s.Workers) } }),
		"auto undecided":   of("auto", nil, func(w *fakeServer) { w.noPercentile = true }),
		"auto no times":    of("auto", noTimes, func(w *fakeServer) { w.service = func(knob.Settings) float64 { return math.NaN() } }),
		"auto wrong times": of("auto", nil, func(w *fakeServer) {
			rate := w.rate
			w.rate = func(s knob.Settings) float64 {
				if s.BatchSize >= 4 {
					return rate(s) / 6
				}
				return rate(s)
			}
		}),
		"auto one kind of times": of("auto", nil, func(w *fakeServer) {
			service := w.service
			w.service = func(s knob.Settings) float64 {
				if s.Precision == knob.HalfPrecision {
					return math.NaN()
				}
				return service(s)
			}
		}),
		"auto slow model":   of("auto", func(p *plan.Plan) { p.Budget.Time, p.SLA.Limit = 2*time.Minute, 20*time.Second }, slowServer),
		"replicas":          of("auto", replicas, nil),
		"climb":             of("climb", nil, nil),
		"climb capacity":    of("climb", capacity, nil),
		"climb none passes": of("climb", limit(4*time.Millisecond), nil),
		"grid":              of("grid", func(p *plan.Plan) { p.Knobs[knob.FP16], p.Knobs[knob.BatchDelay] = "fp32", "1" }, nil),
		"grid capacity":     of("grid", capacity, nil),
		"remote":            remote("auto", plan.Throughput, nil),
		"remote two loads":  remote("auto", plan.Throughput, func(p *plan.Plan) { p.Loads = []load.Spec{{Concurrency: 8}, {Concurrency: 32}} }),
		"remote rates": remote("auto", plan.Throughput, func(p *plan.Plan) {
			p.Loads = []load.Spec{{Mode: load.Open, Rate: 50}, {Mode: load.Open, Rate: 200}, {Mode: load.Open, Rate: 800}}
		}),
		"auto no times memory": of("auto", func(p *plan.Plan) { noTimes(p); p.Constraints.MemoryMB = 500 }, func(w *fakeServer) {
			w.service = func(knob.Settings) float64 { return math.NaN() }
			w.rss = func(s knob.Settings) float64 { return float64(200 * s.Workers) }
		}),
		"remote capacity":   remote("auto", plan.Capacity, nil),
		"remote climb":      remote("climb", plan.Throughput, nil),
		"remote grid rates": remote("grid", plan.Capacity, func(p *plan.Plan) { p.Budget.Time = 10 * time.Minute }),
	}
}

// unevenServer makes a server differ from its service times. FP16 takes .7 of the time of a batch.
func unevenServer(w *fakeServer) {
	rate, service := w.rate, w.service
	w.service = func(s knob.Settings) float64 {
		if s.Precision == knob.HalfPrecision {
			return .7 * service(s)
		}
		return service(s)
	}
	w.rate = func(s knob.Settings) float64 {
		r := rate(s) / (1 + .2/service(s))
		if s.Precision == knob.HalfPrecision {
			r /= .75
		}
		return r * (1 + .1*math.Sin(float64(7*s.Workers+3*s.BatchSize)))
	}
	w.ms = func(s knob.Settings) float64 {
		return 16/w.rate(s)*1000 + .3*float64(s.BatchDelay.Milliseconds())
	}
}

// slowServer makes a batch take seconds.
func slowServer(w *fakeServer) {
	rate, service, ms := w.rate, w.service, w.ms
	w.service = func(s knob.Settings) float64 { return 500 * service(s) }
	w.rate = func(s knob.Settings) float64 { return rate(s) / 500 }
	w.ms = func(s knob.Settings) float64 { return ms(s) * 500 }
}

// TestDecisions compares what the strategies measure, in which order, why, with which prediction, and how they end, with recorded
// decisions. A change of a strategy changes them: read the difference before it is recorded with -update.
func TestDecisions(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("the decisions are recorded on amd64; elsewhere multiplications are rounded otherwise")
	}
	for name, problem := range decisionCases(t) {
		t.Run(name, func(t *testing.T) {
			p, points, w := problem()
			var err error
			if p, err = search.Complete(p); err != nil {
				t.Fatal(err)
			}
			s, err := search.New(p, points, trial.AllMetrics())
			if err != nil {
				t.Fatal(err)
			}
			out := new(strings.Builder)
			fmt.Fprintln(out, strings.Join(s.Outline(), "\n"))
			h := decide(t, out, p, s, w)
			describeEnd(out, p, s, h)
			golden.RequireEqual(t, out.String())
		})
	}
}

// decide runs a strategy to its end and writes what it decides.
func decide(t *testing.T, out *strings.Builder, p plan.Plan, s search.Strategy, w fakeServer) (h trial.History) {
	for n := 1; n < 500; n++ {
		x, more := s.Next(h)
		if !more {
			return h
		}
		if x.Role == trial.RoleProbe {
			h.Probes = append(h.Probes, w.probe(x, n))
			fmt.Fprintf(out, "probe %v, clients %d\n", x.Settings, x.Load.Concurrency)
			continue
		}
		h.Trials = append(h.Trials, w.trial(p, x, len(h.Trials)+1))
		fmt.Fprintf(out, "%d %v %v, %v; left %d: %s", len(h.Trials), x.Role, x.Settings, x.Load, s.Left(), x.Reason)
		if f := x.Predicted; f != nil {
			fmt.Fprintf(out, "; predicted %s/s, %s ms, at most %s/s", significant(f.ThroughputRPS), significant(f.ValueMS), significant(f.HighestRPS))
		}
		fmt.Fprintln(out)
	}
	t.Error("no end")
	return h
}

// describeEnd writes how a search ended, the predictions of every fifth point, and what its results mean.
func describeEnd(out *strings.Builder, p plan.Plan, s search.Strategy, h trial.History) {
	fmt.Fprintf(out, "end: left %d, untried %d, impossible %q, %q\n", s.Left(), s.Untried(), s.Impossible(), s.Ended())
	fmt.Fprintln(out, search.AccuracyOf(h.Trials))
	if f, ok := s.(search.Predictor); ok {
		for i, x := range f.Predictions(h) {
			if i%5 == 0 {
				fmt.Fprintf(out, "%v, %v: %s/s (%s), %s ms (%s), pass %.2f\n", x.Settings, x.Load,
					significant(x.Throughput.Value), significant(x.Throughput.Low), significant(x.ValueMS.Value), significant(x.ValueMS.High), x.Pass)
			}
		}
	}
	cost := search.CostOf(p, h)
	fmt.Fprintln(out, cost, cost.Fits(), cost.TooShort(), cost.MissingAnswers(h.Trials))
	rules := rank.RulesOf(p)
	if best, ok := rank.New(rules, h.Trials).Best(); ok {
		fmt.Fprintln(out, search.ExplainNone(h.Trials, p.SLA))
		fmt.Fprintln(out, search.Explainer{Rules: rules}.Explain(h.Trials, best.Representative, nil).Text)
		fmt.Fprintln(out, cost.HowToDecide(h.Trials[best.Representative]))
	}
}

// significant is a figure with three digits.
func significant(n trial.Num) string {
	v, ok := n.Get()
	if !ok {
		return "n/a"
	}
	return fmt.Sprintf("%.3g", v)
}
