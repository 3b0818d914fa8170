package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

const ms = time.Millisecond

// device is a target in virtual time with one worker and a service time of 4 ms + 1 ms b,
// under a closed load. The latency of a request is the time of a round, in which all
// clients are answered. The device may die in given measurements.
type device struct {
	applied  []knob.Settings
	measured int
	die      map[int]bool // by number of the measurement, from 1
	refuse   func(knob.Settings) error
	errors   float64 // share of requests that fail
}

func (d *device) Info(context.Context) (sweep.Info, error) {
	return sweep.Info{Current: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}, Limits: knob.Limits{Cores: 2, BatchAxis: true}}, nil
}

func (d *device) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	if d.refuse != nil {
		if err := d.refuse(s); err != nil {
			return sweep.Applied{}, err
		}
	}
	d.applied = append(d.applied, s)
	return sweep.Applied{Settings: s}, nil
}

func (d *device) Close(context.Context) error { return nil }

func (d *device) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	d.measured++
	if d.die[d.measured] {
		return trial.Result{}, fmt.Errorf("%w: segmentation fault", sweep.ErrEngineDied)
	}
	s := d.applied[len(d.applied)-1]
	batch := min(s.BatchSize, m.Load.Concurrency)
	service := 4*ms + time.Duration(batch)*ms
	if batch < s.BatchSize {
		service += s.BatchDelay
	}
	rounds := (m.Load.Concurrency + batch - 1) / batch
	rng := rand.New(rand.NewPCG(m.Seed, 0))
	var samples []load.Sample
	why := ""
	elapsed := time.Duration(0)
	for next := 250 * ms; elapsed < m.Time; elapsed += service {
		for range batch {
			x := load.Sample{
				Planned: elapsed, Model: service, Batch: int32(batch), Status: 200,
				Latency: time.Duration(float64(service) * float64(rounds) * (1 + 0.05*rng.Float64())),
			}
			if rng.Float64() < d.errors {
				x.Outcome, x.Status = load.Failed, 500
			}
			samples = append(samples, x)
		}
		if elapsed < next {
			continue
		}
		next += 250 * ms
		stop, reason := m.Stop(elapsed, samples)
		if m.Progress != nil {
			m.Progress(elapsed, samples)
		}
		if stop {
			why = reason
			break
		}
	}
	r := load.Result{Seconds: elapsed.Seconds(), Samples: samples, Lag: latency.New()}
	return sweep.Summarize(r, m.Load, m.SLA, why), ctx.Err()
}

// memoryRecorder is a Recorder in memory.
type memoryRecorder struct {
	trials []trial.Trial
	probes []trial.Probe
	events []trial.Event
	choice []trial.Choice
	full   bool
}

func (n *memoryRecorder) Trial(t trial.Trial) error {
	if n.full {
		return errors.New("no space left on device")
	}
	n.trials = append(n.trials, t)
	return nil
}
func (n *memoryRecorder) Probe(p trial.Probe) error   { n.probes = append(n.probes, p); return nil }
func (n *memoryRecorder) Event(e trial.Event) error   { n.events = append(n.events, e); return nil }
func (n *memoryRecorder) Choice(c trial.Choice) error { n.choice = append(n.choice, c); return nil }

// runner returns a sweep of batch sizes 1-8 with 8 clients and a limit for the P99.
func runner(d *device, n *memoryRecorder, limit time.Duration) *sweep.Runner {
	p := plan.Default()
	p.SLA.Limit = limit
	p.Loads = []load.Spec{{Mode: load.Closed, Concurrency: 8}}
	p.Knobs = map[knob.Name]string{knob.BatchSize: "1,2,4,8", knob.BatchDelay: "1"}
	info, _ := d.Info(context.Background())
	points, _ := p.Points(info.Limits, info.Current, nil)
	return &sweep.Runner{
		Target: d, Strategy: search.NewGrid(points), Recorder: n, SLA: p.SLA, Seed: 1, FirstNumber: 1,
		Explain: explain,
	}
}

// explain explains a choice by throughput.
func explain(t []trial.Trial, best int) trial.Explanation {
	return search.Explainer{}.Explain(t, best, nil)
}

// TestFindsTheBest checks the choice: a round of 8 clients takes 8/b (4+b) ms, which is 40, 24, 16
// and 12 ms. With a limit of 20 ms, batch 4 and 8 are a likely pass, 8 has the higher throughput,
// and its validation passes.
func TestFindsTheBest(t *testing.T) {
	n := &memoryRecorder{}
	out, err := runner(&device{}, n, 20*ms).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Choice == nil || out.Choice.Settings.BatchSize != 8 || len(n.choice) != 1 {
		t.Fatalf("choice = %+v", out.Choice)
	}
	want := []trial.Answer{trial.Fail, trial.Fail, trial.Pass, trial.Pass, trial.Pass}
	if len(n.trials) != len(want) {
		t.Fatalf("%d trials, want %d", len(n.trials), len(want))
	}
	for i, tr := range n.trials {
		if tr.Verdict.Likely() != want[i] || tr.N != i+1 {
			t.Errorf("trial %d (batch %d): %v %v, want %v", tr.N, tr.Settings.BatchSize, tr.Verdict.Result, tr.Verdict.Why, want[i])
		}
	}
	last := n.trials[4]
	if last.Verdict.Result != trial.Pass || n.trials[0].Verdict.Result != trial.Fail || out.Best != 4 || out.Unconfirmed != -1 {
		t.Errorf("validation %v, first trial %v, best %d, unconfirmed %d", last.Verdict.Result, n.trials[0].Verdict.Result, out.Best, out.Unconfirmed)
	}
	if last.Role != trial.RoleValidation || last.Seed == n.trials[3].Seed || out.Choice.N != 5 {
		t.Errorf("validation = role %s seed %d, choice %d", last.Role, last.Seed, out.Choice.N)
	}
	if b, _ := last.Batches.Mean.Get(); b != 8 || last.Breakdown.Execution.Or(0) != 12 {
		t.Errorf("batches %v, execution %v; want 8 and 12", last.Batches, last.Breakdown.Execution)
	}
}

func TestNothingPasses(t *testing.T) {
	out, err := runner(&device{}, &memoryRecorder{}, 5*ms).Run(t.Context())
	if err != nil || out.Choice != nil || out.Best != -1 || len(out.Trials) != 4 {
		t.Errorf("Run = %+v, %v; want four trials and no choice", out, err)
	}
}

// TestEngineDies checks that a death fails only the trial, and that three consecutive deaths end the
// sweep.
func TestEngineDies(t *testing.T) {
	n := &memoryRecorder{}
	out, err := runner(&device{die: map[int]bool{2: true}}, n, 20*ms).Run(t.Context())
	if err != nil || out.Choice == nil || out.Choice.Settings.BatchSize != 8 {
		t.Errorf("one death: %+v, %v", out.Choice, err)
	}
	if len(n.events) != 1 || !strings.Contains(n.events[0].Detail, "segmentation fault") || !strings.Contains(n.trials[1].Error, "died") {
		t.Errorf("events %+v, trial 2 error %q", n.events, n.trials[1].Error)
	}
	out, err = runner(&device{die: map[int]bool{1: true, 2: true, 3: true}}, &memoryRecorder{}, 20*ms).Run(t.Context())
	if !errors.Is(err, sweep.ErrEngineDied) || len(out.Trials) != 2 {
		t.Errorf("three deaths: %d trials, %v", len(out.Trials), err)
	}
}

func TestRefusedSettingsFailOneTrial(t *testing.T) {
	d := &device{refuse: func(s knob.Settings) error {
		if s.BatchSize == 2 {
			return errors.New("needs 40000 MB, 24000 are free")
		}
		return nil
	}}
	n := &memoryRecorder{}
	out, err := runner(d, n, 20*ms).Run(t.Context())
	if err != nil || out.Choice == nil || n.trials[1].Verdict.Result != trial.Fail || !strings.Contains(n.trials[1].Error, "40000 MB") {
		t.Errorf("Run = %+v, %v; trial 2 = %+v", out.Choice, err, n.trials[1].Verdict)
	}
}

// TestErrorsFail checks that a trial with too many errors fails whatever its P99 is.
func TestErrorsFail(t *testing.T) {
	n := &memoryRecorder{}
	out, err := runner(&device{errors: .02}, n, time.Second).Run(t.Context())
	if err != nil || out.Choice != nil {
		t.Errorf("Run = %+v, %v", out.Choice, err)
	}
	if v := n.trials[0].Verdict; v.Result != trial.Fail || !strings.Contains(v.Why, "% of the requests failed, timed out or were refused") {
		t.Errorf("verdict = %+v", v)
	}
}

func TestFullDiskEndsTheSweep(t *testing.T) {
	_, err := runner(&device{}, &memoryRecorder{full: true}, 20*ms).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Run = %v", err)
	}
}

// TestUndecidedTrialsAreValidated checks that the best undecided setting is validated if every trial
// was too short for a verdict.
func TestUndecidedTrialsAreValidated(t *testing.T) {
	n := &memoryRecorder{}
	r := runner(&device{}, n, 17*ms)
	r.Requests = 150 // too few for a verdict with a P99 of 16 ms and a limit of 17 ms
	r.Target = &longerLater{device: &device{}, after: 4}
	out, err := r.Run(t.Context())
	if err != nil || out.Choice == nil || out.Choice.Settings.BatchSize != 8 || len(out.Trials) != 5 {
		t.Errorf("Run = %d trials, choice %+v, %v", len(out.Trials), out.Choice, err)
	}
}

// longerLater measures for 400 ms each, and for 10 s after the first measurements.
type longerLater struct {
	*device
	after int // number of short measurements
}

func (p *longerLater) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	m.Time = 10 * time.Second
	if p.measured < p.after {
		m.Time = 400 * ms
	}
	return p.device.Measure(ctx, m)
}

func TestBudgetsAndBeforePoint(t *testing.T) {
	r := runner(&device{}, &memoryRecorder{}, 20*ms)
	r.Trials = 2
	out, err := r.Run(t.Context())
	if err != nil || len(out.Trials) != 2 || out.Ended != "budget of 2 trials used up" {
		t.Errorf("two trials: %d, %q, %v", len(out.Trials), out.Ended, err)
	}
	r = runner(&device{}, &memoryRecorder{}, 20*ms)
	calls := 0
	r.BeforePoint = func(context.Context) error {
		if calls++; calls > 3 {
			return sweep.ErrAborted
		}
		return nil
	}
	out, err = r.Run(t.Context())
	if err != nil || len(out.Trials) != 3 || out.Ended != "aborted" || out.Choice != nil || out.Best != -1 || out.Unconfirmed != 2 {
		t.Errorf("aborted: %d trials, %q, choice %v, best %d, unconfirmed %d, %v; want the third trial unconfirmed", len(out.Trials), out.Ended, out.Choice, out.Best, out.Unconfirmed, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	r = runner(&device{}, &memoryRecorder{}, 20*ms)
	r.OnProgress = func(p sweep.Progress) {
		if len(p.Done) == 2 {
			cancel(errors.New("interrupt"))
		}
	}
	out, err = r.Run(ctx)
	if err == nil || err.Error() != "interrupt" || len(out.Trials) != 2 {
		t.Errorf("cancelled: %d trials, %v", len(out.Trials), err)
	}
}

func TestSummaryOfAnEmptyRun(t *testing.T) {
	r := sweep.Summarize(load.Result{}, load.Spec{}, plan.Default().SLA, "")
	if r.Latency.P99.Value.OK() || r.Throughput.Value.OK() || r.Verdict.Result != trial.Undecided {
		t.Errorf("summary of an empty run = %+v", r)
	}
}

// A fast server answers a given number of requests before the usual warm-up ends.
func TestSummaryOfAShortRun(t *testing.T) {
	for _, seconds := range []float64{.004, .05, .2, .26, .5} {
		const n = 6000
		r := load.Result{Seconds: seconds, Samples: make([]load.Sample, n)}
		for i := range r.Samples {
			at := time.Duration(float64(i) / n * seconds * float64(time.Second))
			r.Samples[i] = load.Sample{Planned: at, Latency: 100 * time.Microsecond, Model: 50 * time.Microsecond}
		}
		sla := plan.Default().SLA
		sla.Percentile = 50
		got := sweep.Summarize(r, load.Spec{Mode: load.Closed, Concurrency: 4}, sla, "")
		rate, ok := got.Throughput.Value.Get()
		switch {
		case got.Verdict.Result != trial.Pass || got.Counts.Sent < n*7/10 || got.Counts.Sent > n*8/10:
			t.Errorf("%gs: %d of %d requests counted: %s, %s", seconds, got.Counts.Sent, n, got.Verdict.Result, got.Verdict.Why)
		case !ok || math.Abs(rate-n/seconds) > .05*n/seconds || !got.Throughput.Low.OK():
			t.Errorf("%gs: throughput %+v, want %g", seconds, got.Throughput, n/seconds)
		case math.Abs(got.Seconds+got.WarmupSeconds-seconds) > 1e-6 || got.Seconds <= 0:
			t.Errorf("%gs: %gs after a warm-up of %gs", seconds, got.Seconds, got.WarmupSeconds)
		}
	}
}

// TestCappedRun: a load that the largest rate has held back has no verdict, whether it kept the promise or not; only
// errors are a failure.
func TestCappedRun(t *testing.T) {
	for _, c := range []struct {
		latency time.Duration
		outcome load.Outcome
		capped  bool
		want    trial.Answer
	}{
		{time.Millisecond, load.OK, false, trial.Pass},
		{time.Millisecond, load.OK, true, trial.Undecided},
		{time.Second, load.OK, false, trial.Fail},
		{time.Second, load.OK, true, trial.Undecided},
		{time.Millisecond, load.Failed, true, trial.Fail},
	} {
		r := load.Result{Seconds: 6, Capped: c.capped, Limited: c.capped}
		if c.capped {
			r.Warning = load.GeneratorLimited + ": --max-rate 1000 held back 50% of the requests"
		}
		for i := range 6000 {
			r.Samples = append(r.Samples, load.Sample{Planned: time.Duration(i) * time.Millisecond, Latency: c.latency, Outcome: c.outcome})
		}
		got := sweep.Summarize(r, load.Spec{Concurrency: 4}, trial.SLA{Percentile: 50, Limit: 100 * time.Millisecond}, "")
		v := got.Verdict
		if v.Result != c.want || v.Result == trial.Undecided && (v.Leaning != trial.Undecided || !strings.Contains(v.Why, "--max-rate 1000 held back 50%")) || got.GeneratorLimited != c.capped {
			t.Errorf("%+v: %s, leaning %s: %s; generator limited %t", c, v.Result, v.Leaning, v.Why, got.GeneratorLimited)
		}
	}
}
