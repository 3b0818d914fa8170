package remotetest_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/target/remotetest"
	"sweetspot/sweep/trial"
)

// open starts a server and connects to it.
func connect(t *testing.T, secure bool) (*remotetest.Server, *remotetest.Target) {
	t.Helper()
	s := remotetest.NewServer(secure)
	t.Cleanup(s.Close)
	d, err := remotetest.Open(t.Context(), s.URL, s.TLS())
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

// testPlan asks for a P50 of request latency within 150 ms at 20 clients, over the server's own
// knobs. Without batches one instance takes 410 ms and two take 205 ms; with batches the P50 is
// below half of the limit. A median needs few answers. Trials have a time and not a number of
// requests, so that enough remain if other programs disturb many blocks.
func testPlan(s *remotetest.Server, strategy string) plan.Plan {
	p := plan.Default()
	p.Target, p.Strategy = s.URL, strategy
	p.SLA = trial.SLA{Percentile: 50, Limit: 150 * time.Millisecond}
	p.Loads = []load.Spec{{Concurrency: 20}}
	p.Knobs = map[knob.Name]string{remotetest.Instances: "1-2", remotetest.MaxBatchSize: "1,8"}
	if testing.Short() {
		p.Knobs[remotetest.Instances] = "2"
	}
	p.Budget.Time, p.Trial.Duration = 0, 1500*time.Millisecond
	return p
}

// memoryRecording is a Recording in memory.
type memoryRecording struct {
	mu     sync.Mutex
	probes int
	trials []trial.Trial
	choice *trial.Choice
}

func (n *memoryRecording) Trial(t trial.Trial) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trials = append(n.trials, t)
	return nil
}
func (n *memoryRecording) Probe(trial.Probe) error           { n.probes++; return nil }
func (n *memoryRecording) Event(trial.Event) error           { return nil }
func (n *memoryRecording) Choice(c trial.Choice) error       { n.choice = &c; return nil }
func (n *memoryRecording) Operators(trial.Operators) error   { return nil }
func (n *memoryRecording) ID() string                        { return "note" }
func (n *memoryRecording) Path() string                      { return "" }
func (n *memoryRecording) End(session.SweepState, int) error { return nil }

// runSweep runs a sweep.
func runSweep(t *testing.T, p plan.Plan, d sweep.Target) (session.Sweep, *memoryRecording, error) {
	t.Helper()
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	n := &memoryRecording{}
	w := session.Sweeper{Plan: p, Target: d, Record: func(sweep.Info, plan.Plan) (session.Recording, error) { return n, nil }}
	st, err := w.Run(t.Context())
	return st, n, err
}

// runUntilDecided runs a sweep, again if its validation could not be decided: on a machine that is
// busy with other work that is the right answer, but not the one that a test can check.
func runUntilDecided(t *testing.T, p plan.Plan, d sweep.Target) (session.Sweep, *memoryRecording) {
	t.Helper()
	for n := 1; ; n++ {
		st, recording, err := runSweep(t, p, d)
		if err != nil {
			t.Fatal(err)
		}
		undecided := slices.ContainsFunc(st.Trials, func(r trial.Trial) bool { return r.Verdict.Result == trial.Undecided })
		if st.Choice != nil || !undecided || n == 5 {
			return st, recording
		}
	}
}

// TestSweep: a server that reports nothing is swept over its own two knobs by the strategies grid
// and auto, with TLS and without; auto has no predictions.
func TestSweep(t *testing.T) {
	for _, c := range []struct {
		strategy string
		secure   bool
	}{{"grid", true}, {"auto", false}} {
		t.Run(c.strategy, func(t *testing.T) {
			s, d := connect(t, c.secure)
			st, n := runUntilDecided(t, testPlan(s, c.strategy), d)
			if n.probes > 0 {
				t.Errorf("%d probes of a server that reports no service times", n.probes)
			}
			seen := map[knob.Settings]bool{}
			for _, r := range st.Trials {
				seen[r.Settings] = true
				if r.Options != (knob.Options{}) || r.Settings.Has(knob.FP16) || r.Settings.Has(knob.BatchDelay) {
					t.Errorf("trial %d claims %+v, %s", r.N, r.Settings, r.Options.Describe())
				}
				if r.Error != "" || r.Model.P99.OK() || r.Breakdown.Execution.OK() || r.Batches.Mean.OK() || r.Use.CPUPercent.OK() {
					t.Errorf("trial %d: error %q, model %v, breakdown %v, use %v", r.N, r.Error, r.Model, r.Breakdown, r.Use)
				}
			}
			want := 4
			if testing.Short() {
				want = 2
			}
			if len(seen) != want {
				t.Errorf("%d settings were tried, want %d", len(seen), want)
			}
			if st.Choice == nil || st.Choice.Settings.Get(remotetest.MaxBatchSize) != "8" {
				for _, r := range st.Trials {
					t.Logf("trial %d, %s: %v, %d requests, %s: %s", r.N, r.Role, r.Settings, r.Counts.Sent, r.Verdict.Label(), r.Verdict.Why)
				}
				t.Fatalf("choice %+v, none %q, problem %q; want batches of 8", st.Choice, st.Impossible, st.Problem)
			}
			if served, header := s.Served(); served == 0 || header.Get("Authorization") != "Bearer word" {
				t.Errorf("%d requests served, headers %v", served, header)
			}
			if err := d.Close(t.Context()); err != nil {
				t.Error(err)
			}
			again, err := remotetest.Open(t.Context(), s.URL, s.TLS())
			if err != nil {
				t.Fatal(err)
			}
			if info, _ := again.Info(t.Context()); info.Current.Own != "instances=1 max_batch_size=1" {
				t.Errorf("after Close %v is in force", info.Current)
			}
		})
	}
}

// TestOpenLoad: an open load with TLS and without loses no request.
func TestOpenLoad(t *testing.T) {
	for _, secure := range []bool{false, true} {
		_, d := connect(t, secure)
		fast := knob.Settings{Own: "instances=2 max_batch_size=8"}
		if _, err := d.Apply(t.Context(), fast); err != nil {
			t.Fatal(err)
		}
		r, err := d.Measure(t.Context(), sweep.Measurement{
			Load: load.Spec{Mode: load.Open, Rate: 100}, SLA: trial.SLA{Percentile: 90, Limit: time.Second}, Time: 1500 * time.Millisecond, Seed: 1,
			Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Counts.OK == 0 || r.Counts.OK != r.Counts.Sent {
			t.Errorf("secure %t: %+v, %v", secure, r.Counts, r.Warnings)
		}
	}
}

// What is not possible is refused before the first request, with what to write instead.
func TestRefusals(t *testing.T) {
	s, d := connect(t, false)
	for _, c := range []struct {
		name   string
		change func(*plan.Plan)
		want   string
	}{
		{"another name", func(p *plan.Plan) { p.Knobs["max_batchsize"] = "8" }, `knobs: "max_batchsize": unknown knob; did you mean max_batch_size? The target has workers, batch_size, `},
		{"no name of any", func(p *plan.Plan) { p.Knobs["streams"] = "8" }, `knobs: "streams": unknown knob; known: workers, `},
		{"another value", func(p *plan.Plan) { p.Knobs[remotetest.MaxBatchSize] = "8,16" }, `knobs: max_batch_size: "16" is not one of its values: 1, 8, 32`},
		{"outside the range", func(p *plan.Plan) { p.Knobs[remotetest.Instances] = "1-8" }, `knobs: instances: "1-8" is outside 1-4`},
		{"model latency", func(p *plan.Plan) { p.SLA.Latency = trial.ModelLatency }, "the target does not report model latency, so there would be no verdict; use request latency"},
		{"memory", func(p *plan.Plan) { p.Constraints.MemoryMB = 100 }, "the target does not report its memory"},
		{"energy", func(p *plan.Plan) { p.Objective = plan.RequestsPerJoule }, "the target does not report its energy"},
		{"a rule", func(p *plan.Plan) { p.Options.Rule = knob.Eager }, "options: the plan has the eager rule, but the target does not report its batching rule"},
		{"a knob it lacks", func(p *plan.Plan) { p.Knobs = map[knob.Name]string{knob.Workers: "2,4"} }, "workers stays at n/a: this server does not report it"},
		{"a matched load", func(p *plan.Plan) { p.Loads = []load.Spec{{Matched: true}} }, "a matched load needs workers x batch size"},
	} {
		p := testPlan(s, "grid")
		c.change(&p)
		if _, _, err := runSweep(t, p, d); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if served, _ := s.Served(); served > 0 {
		t.Errorf("%d requests were sent", served)
	}
}

// An auto range of a knob of the target is its list of values, or doublings.
func TestAutoRange(t *testing.T) {
	s, d := connect(t, false)
	info, err := d.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := testPlan(s, "grid")
	p.Knobs = map[knob.Name]string{remotetest.Instances: knob.Auto, remotetest.MaxBatchSize: knob.Auto}
	if p, err = sweep.PlanFor(p, info); err != nil {
		t.Fatal(err)
	}
	points, skipped := p.Points(info.Limits, info.Current, info.Fixed)
	var got []string
	for _, x := range points {
		got = append(got, x.Settings.String())
	}
	want := []string{
		"instances 1, max_batch_size 1", "instances 1, max_batch_size 8", "instances 1, max_batch_size 32",
		"instances 2, max_batch_size 1", "instances 2, max_batch_size 8", "instances 2, max_batch_size 32",
		"instances 4, max_batch_size 1", "instances 4, max_batch_size 8", "instances 4, max_batch_size 32",
	}
	if !slices.Equal(got, want) || len(skipped) > 0 {
		t.Errorf("points %q, skipped %v", got, skipped)
	}
}

// TestDefaultKnobs: a plan that names no own knob varies those that change without a reload.
func TestDefaultKnobs(t *testing.T) {
	s, d := connect(t, false)
	info, err := d.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := testPlan(s, "grid")
	p.Knobs = plan.Default().Knobs
	if p, err = sweep.PlanFor(p, info); err != nil {
		t.Fatal(err)
	}
	if p.Knobs[remotetest.Instances] != "1,2,4" || p.Knobs[remotetest.MaxBatchSize] != "1,8,32" || p.Options != (knob.Options{}) {
		t.Errorf("knobs %v, options %s", p.Knobs, p.Options.Describe())
	}
	if points, _ := p.Points(info.Limits, info.Current, info.Fixed); len(points) != 9 {
		t.Errorf("%d points, want 9", len(points))
	}
}

// TestFailedApply: after a failed change the settings before it are in force and known.
func TestFailedApply(t *testing.T) {
	s, d := connect(t, false)
	want := knob.Settings{Own: "instances=2 max_batch_size=8"}
	if _, err := d.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	s.RefuseChanges("out of memory")
	if done, err := d.Apply(t.Context(), knob.Settings{Own: "instances=4 max_batch_size=32"}); err == nil || !strings.Contains(err.Error(), "out of memory") || done.Settings != (knob.Settings{}) {
		t.Errorf("a refused change: %+v, %v", done, err)
	}
	if info, err := d.Info(t.Context()); err != nil || info.Current != want {
		t.Errorf("after a refused change %v is in force, %v; want %v", info.Current, err, want)
	}
	s.RefuseChanges("")
	s.Close()
	if _, err := d.Apply(t.Context(), knob.Settings{Own: "instances=4 max_batch_size=32"}); err == nil {
		t.Error("a change without a server")
	}
	if info, err := d.Info(t.Context()); err != nil || info.Current != want {
		t.Errorf("without a server %v was in force, %v; want %v", info.Current, err, want)
	}
}

// The server executes batches and instances in parallel, as its knobs say.
func TestServer(t *testing.T) {
	s, d := connect(t, false)
	rate := func(own knob.OwnValues) float64 {
		if _, err := d.Apply(t.Context(), knob.Settings{Own: own}); err != nil {
			t.Fatal(err)
		}
		r, err := d.Measure(t.Context(), sweep.Measurement{
			Load: load.Spec{Concurrency: 8}, SLA: trial.SLA{Percentile: 90, Limit: time.Second}, Time: time.Second,
			Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.Throughput.Value.Or(0)
	}
	var one, two, batched float64
	for range 3 { // the load of the machine may change between the three
		one, two, batched = rate("instances=1 max_batch_size=1"), rate("instances=2 max_batch_size=1"), rate("instances=1 max_batch_size=8")
		if two >= 1.2*one && batched >= 1.5*one {
			break
		}
	}
	if two < 1.2*one || batched < 1.5*one { // on an idle machine 2 and 5
		t.Errorf("%.0f/s with one instance, %.0f/s with two, %.0f/s in batches", one, two, batched)
	}
	if _, err := d.Apply(t.Context(), knob.Settings{Own: "instances=9 max_batch_size=1"}); err == nil {
		t.Error("nine instances were taken")
	}
	resp, err := http.Post(s.URL+"/nothing", "", nil)
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("another route: %v, %v", resp, err)
	}
	if err == nil {
		resp.Body.Close()
	}
}
