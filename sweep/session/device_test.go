package session_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

const ms = time.Millisecond

// device is a target in virtual time. Its requests take 40 ms at batch size 1 and less at larger
// ones. Live samples come every 100 ms.
type device struct {
	mu        sync.Mutex
	settings  knob.Settings
	liveLoads int   // running live loads
	liveErr   error // error of the next live load
	applyErr  error // error of Apply
	applyTime time.Duration
	closed    bool
}

func newDevice() *device { return &device{settings: knob.Default(knob.TorchServe)} }

func (d *device) service() time.Duration {
	return map[int]time.Duration{1: 40 * ms, 2: 24 * ms, 4: 16 * ms, 8: 12 * ms}[d.settings.BatchSize]
}

func (d *device) Info(context.Context) (sweep.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return sweep.Info{
		Current: d.settings, Options: knob.Options{Rule: knob.TorchServe}, Limits: knob.Limits{Rule: knob.TorchServe, Cores: 2, BatchAxis: true}, Metrics: trial.AllMetrics(),
		Fixed: map[knob.Name]string{knob.FP16: "not yet"},
	}, nil
}

func (d *device) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	time.Sleep(d.applyTime)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.applyErr != nil {
		return sweep.Applied{}, d.applyErr
	}
	d.settings = s
	return sweep.Applied{Settings: s, Took: d.applyTime}, nil
}

func (d *device) Live(ctx context.Context, _ load.Spec, fresh func([]load.Sample)) error {
	d.mu.Lock()
	d.liveLoads++
	err := d.liveErr
	d.liveErr = nil
	d.mu.Unlock()
	defer func() { d.mu.Lock(); d.liveLoads--; d.mu.Unlock() }()
	if err != nil {
		return err
	}
	tick := time.NewTicker(100 * ms)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fresh(d.samples(50))
		case <-ctx.Done():
			return nil
		}
	}
}

// samples returns n answers with the settings in force.
func (d *device) samples(n int) []load.Sample {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]load.Sample, n)
	for i := range out {
		out[i] = load.Sample{Latency: d.service(), Model: d.service() / 2, Batch: int32(d.settings.BatchSize), Status: 200}
	}
	return out
}

func (d *device) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	var samples []load.Sample
	why := ""
	for elapsed := 250 * ms; elapsed <= m.Time; elapsed += 250 * ms {
		select {
		case <-time.After(250 * ms):
		case <-ctx.Done():
			return trial.Result{}, ctx.Err()
		}
		gap := d.service() / 10 // 10 clients
		for i, s := range d.samples(int(250 * ms / gap)) {
			s.Planned = elapsed - 250*ms + time.Duration(i)*gap
			samples = append(samples, s)
		}
		stop, reason := m.Stop(elapsed, samples)
		m.Progress(elapsed, samples)
		if stop {
			why = reason
			break
		}
	}
	last := samples[len(samples)-1]
	r := load.Result{Seconds: (last.Planned + last.Latency).Seconds(), Samples: samples, Lag: latency.New()}
	return sweep.Summarize(r, m.Load, m.SLA, why), nil
}

func (d *device) Use() trial.ResourceUse { return trial.ResourceUse{CPUPercent: trial.NumOf(150)} }

func (d *device) Close(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// sweepRecording is a Recording in memory.
type sweepRecording struct {
	mu     sync.Mutex
	trials []trial.Trial
	choice *trial.Choice
	state  session.SweepState
	exit   int
}

func (n *sweepRecording) Trial(t trial.Trial) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trials = append(n.trials, t)
	return nil
}
func (n *sweepRecording) Probe(trial.Probe) error     { return nil }
func (n *sweepRecording) Event(trial.Event) error     { return nil }
func (n *sweepRecording) Choice(c trial.Choice) error { n.choice = &c; return nil }
func (n *sweepRecording) ID() string                  { return "note" }
func (n *sweepRecording) Path() string                { return "note.jsonl" }
func (n *sweepRecording) End(s session.SweepState, exit int) error {
	n.state, n.exit = s, exit
	return nil
}

func testPlan(t *testing.T) plan.Plan {
	t.Helper()
	p := plan.Default()
	p.SLA.Limit = 20 * ms
	p.Knobs = map[knob.Name]string{knob.BatchSize: "1,2,4,8", knob.BatchDelay: "1"}
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// liveRecording is a LiveRecording in memory.
type liveRecording struct {
	mu      sync.Mutex
	trials  []trial.Trial
	seconds int
	ended   bool
}

func (r *liveRecording) ID() string   { return "tape" }
func (r *liveRecording) Path() string { return "tape.jsonl" }
func (r *liveRecording) Live(t trial.Trial, seconds []session.Second) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trials = append(r.trials, t)
	r.seconds += len(seconds)
	return nil
}

func (r *liveRecording) End(session.SweepState, int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	return nil
}

// withSession runs a session in a synctest bubble and ends it when do returns.
func withSession(t *testing.T, d *device, do func(s *session.Session, n *sweepRecording)) *liveRecording {
	t.Helper()
	return withTarget(t, d, d, do)
}

// withTarget is withSession for a target that is more than its device.
func withTarget(t *testing.T, d *device, target session.Target, do func(s *session.Session, n *sweepRecording)) *liveRecording {
	t.Helper()
	live := &liveRecording{}
	synctest.Test(t, func(t *testing.T) {
		n := &sweepRecording{}
		s := session.New(session.Config{
			Plan:       testPlan(t),
			Open:       func(context.Context) (session.Target, error) { time.Sleep(2 * time.Second); return target, nil },
			Record:     func(sweep.Info, plan.Plan) (session.Recording, error) { return n, nil },
			RecordLive: func(sweep.Info) (session.LiveRecording, error) { return live, nil },
			Export: func(r session.ExportRequest) (session.Exported, error) {
				switch {
				case r.Measured == nil:
					return session.Exported{Path: "unmeasured.properties"}, nil
				case r.Measured.Role == trial.RoleLive:
					if r.Measured.Latency.P99.Value.Or(0) == 0 || r.Measured.Counts.OK == 0 || r.Measured.Verdict.ValueMS.Or(0) == 0 || r.Measured.Settings != r.Settings {
						t.Errorf("live figures: %+v", *r.Measured)
					}
					return session.Exported{Path: "live.properties"}, nil
				}
				return session.Exported{Path: "trial.properties", Notes: []string{"FP16 has no key"}}, nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		do(s, n)
		cancel()
		wg.Wait()
		if !d.closed || d.liveLoads != 0 {
			t.Errorf("left behind: closed %v, %d live loads", d.closed, d.liveLoads)
		}
	})
	return live
}
