package replay_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/profiles"
	"sweetspot/profiles/replay"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

var (
	sla    = trial.SLA{Percentile: 95, Limit: 60 * time.Millisecond}
	closed = load.Spec{Concurrency: 16}
	nums   = cmp.Options{cmp.AllowUnexported(trial.Num{}), cmpopts.EquateNaNs()}
)

// gridPlan is a plan of 2 x 6 x 4 x 2 = 96 settings, in short tests half of them.
func gridPlan() plan.Plan {
	p := plan.Default()
	p.Model, p.Target, p.Strategy, p.SLA, p.Loads = "sim:test", "virtual", "grid", sla, []load.Spec{closed}
	p.Knobs = map[knob.Name]string{
		knob.Workers: "1,2", knob.BatchSize: "1-32*2", knob.BatchDelay: "1,2,5,10", knob.FP16: "fp32,fp16",
	}
	if testing.Short() {
		p.Knobs[knob.FP16] = "fp32"
	}
	p.Trial.Requests = 2000
	p.Budget = plan.Budget{LoadTests: plan.Unset}
	return p
}

// device returns the target on which the grid is recorded: s(b) = 4 + b ms, times .75 with
// fp16, times 4/3 with two workers.
func device(t *testing.T) sweep.Target {
	t.Helper()
	var rows []servicetime.Row
	for _, w := range []int{1, 2} {
		for precision, factor := range map[string]float64{"fp32": 1, "fp16": .75} {
			for b := 1; b <= 32; b *= 2 {
				ms := (4 + float64(b)) * factor * (1 + float64(w-1)/3)
				rows = append(rows, servicetime.Row{
					Key: servicetime.Key{Workers: w, Device: "cpu", Precision: precision}, Batch: b,
					Median: time.Duration(ms * 1e6), Spread: .03,
				})
			}
		}
	}
	table, err := servicetime.New(rows)
	if err != nil {
		t.Fatal(err)
	}
	d, err := virtual.Open(virtual.Config{Name: "test", Source: "sim:test", Table: table, Start: knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// recording is a profile in the folder of a test.
type recording struct {
	*profiles.Writer
	path string
}

func (r recording) ID() string   { return "recorded" }
func (r recording) Path() string { return r.path }
func (r recording) End(session.SweepState, int) error {
	if err := r.Writer.End(profiles.Done, 0); err != nil {
		return err
	}
	return r.Close()
}

// run runs the sweep p on d. It returns the final state and the path of the profile.
func run(t *testing.T, p plan.Plan, d sweep.Target) (session.Sweep, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "profile.jsonl")
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	w := session.Sweeper{Plan: p, Target: d, Record: func(info sweep.Info, p plan.Plan) (session.Recording, error) {
		text, err := p.MarshalJSON()
		if err != nil {
			return nil, err
		}
		w, err := profiles.Create(path, profiles.Header{
			ID: "recorded", Kind: profiles.Sweep, Created: time.Unix(0, 0), Tool: "test", SLA: &p.SLA, Plan: text, Seed: p.Seed,
			Machine: profiles.Machine{Cores: 4, Runtime: info.Runtime},
			Model:   profiles.Model{Name: info.Model.Name, Source: info.Model.Source, BatchAxis: new(true)},
		}, profiles.Options{})
		return recording{w, path}, err
	}}
	st, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st, path
}

// recordedGrid has the final state of the sweep and the bytes of its profile. The first test
// that needs it records it.
var recordedGrid struct {
	once  sync.Once
	sweep session.Sweep
	data  []byte
}

// grid opens a copy of the recorded grid.
func grid(t *testing.T) (*replay.Target, session.Sweep, string) {
	t.Helper()
	recordedGrid.once.Do(func() {
		st, path := run(t, gridPlan(), device(t))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		recordedGrid.sweep, recordedGrid.data = st, data
	})
	path := filepath.Join(t.TempDir(), "grid.jsonl")
	if err := os.WriteFile(path, recordedGrid.data, 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := replay.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return target, recordedGrid.sweep, path
}

// best returns the highest throughput of a trial that passed.
func best(trials []trial.Trial) float64 {
	highest := 0.0
	for _, t := range trials {
		if t.Verdict.Result == trial.Pass {
			highest = max(highest, t.Throughput.Value.Or(0))
		}
	}
	return highest
}

// TestStrategies runs all strategies on the recorded grid: all trials must have results. The
// quality of the choices is tested in package search.
func TestStrategies(t *testing.T) {
	_, recorded, path := grid(t)
	for _, name := range search.Available() {
		t.Run(name, func(t *testing.T) {
			target, err := replay.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			p := gridPlan()
			p.Strategy = name
			st, _ := run(t, p, target)
			for _, r := range st.Trials {
				if r.Error != "" {
					t.Errorf("trial %d: %s", r.N, r.Error)
				}
			}
			if st.Choice == nil {
				t.Fatal("no choice")
			}
			got := st.Trials[st.Best].Throughput.Value.Or(0)
			if got < .5*best(recorded.Trials) {
				t.Errorf("chose %v with %.1f/s, the grid has %.1f/s", st.Choice.Settings, got, best(recorded.Trials))
			}
			t.Logf("%d trials, %.1f/s of %.1f/s", len(st.Trials), got, best(recorded.Trials))
		})
	}
}

// TestReplayedGrid: a replayed grid has the same trials as the recorded one.
func TestReplayedGrid(t *testing.T) {
	target, recorded, _ := grid(t)
	st, _ := run(t, gridPlan(), target)
	if diff := cmp.Diff(recorded.Choice.Settings, st.Choice.Settings); diff != "" {
		t.Errorf("choice (-recorded +replayed):\n%s", diff)
	}
	for i, r := range st.Trials {
		if diff := cmp.Diff(recorded.Trials[i].Result, r.Result, nums); diff != "" {
			t.Errorf("trial %d (-recorded +replayed):\n%s", r.N, diff)
		}
	}
}

// probeStrategy is a strategy of probes only.
type probeStrategy struct{ left []plan.Point }

func (p *probeStrategy) Left() int { return len(p.left) }
func (p *probeStrategy) Next(trial.History) (plan.Point, bool) {
	if len(p.left) == 0 {
		return plan.Point{}, false
	}
	next := p.left[0]
	p.left = p.left[1:]
	next.Role = trial.RoleProbe
	return next, true
}

// probeRecorder records probes.
type probeRecorder struct{ probes []trial.Probe }

func (k *probeRecorder) Probe(p trial.Probe) error { k.probes = append(k.probes, p); return nil }
func (*probeRecorder) Trial(trial.Trial) error     { return nil }
func (*probeRecorder) Event(trial.Event) error     { return nil }
func (*probeRecorder) Choice(trial.Choice) error   { return nil }

// TestProbes: a probe of recorded settings has the service times of the device, although the
// grid has no probes.
func TestProbes(t *testing.T) {
	target, _, _ := grid(t)
	var points []plan.Point
	want := map[knob.Settings]float64{}
	for _, w := range []int{1, 2} {
		for _, b := range []int{1, 4, 8} {
			s := knob.Default(knob.TorchServe)
			s.Workers, s.BatchSize, s.BatchDelay = w, b, 2*time.Millisecond
			points = append(points, plan.Point{Settings: s})
			want[s] = (4 + float64(b)) * (1 + float64(w-1)/3)
		}
	}
	k := &probeRecorder{}
	r := sweep.Runner{
		Target: target, Strategy: &probeStrategy{points}, Recorder: k, SLA: sla, Seed: 1,
		Explain: func([]trial.Trial, int) trial.Explanation { return trial.Explanation{} },
	}
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(k.probes) != len(points) {
		t.Fatalf("%d probes, want %d", len(k.probes), len(points))
	}
	for i, p := range k.probes {
		got, w := p.ServiceTime.Median.Or(0), want[points[i].Settings]
		if p.Error != "" || math.Abs(got/w-1) > .05 {
			t.Errorf("%v: %.2f ms, want about %.2f; %s", p.Settings, got, w, p.Error)
		}
	}
}

func measure(t *testing.T, target *replay.Target, m sweep.Measurement) trial.Result {
	t.Helper()
	m.Stop = func(time.Duration, []load.Sample) (bool, string) { return false, "" }
	r, err := target.Measure(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRepeats: the repeats of a point are returned before any resampling.
func TestRepeats(t *testing.T) {
	p := &profiles.Profile{Header: profiles.Header{ID: "x"}}
	for n, role := range []trial.Role{trial.RoleLoad, trial.RoleControl, trial.RoleValidation} {
		r := sample(n + 1)
		r.Role = role
		p.Trials = append(p.Trials, r)
	}
	target, err := replay.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		got := measure(t, target, sweep.Measurement{Load: closed, SLA: sla}).Throughput.Value.Or(0)
		if want := float64(100 * n); got != want {
			t.Errorf("measurement %d: %.0f/s, want %.0f", n, got, want)
		}
	}
	if got := measure(t, target, sweep.Measurement{Load: closed, SLA: sla, Seed: 1}); !strings.Contains(fmt.Sprint(got.Warnings), "resampled") {
		t.Errorf("fourth measurement: warnings %q", got.Warnings)
	}
}

// sample returns trial n of one setting, with 100 n requests per second.
func sample(n int) trial.Trial {
	est := func(v float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v * .98), High: trial.NumOf(v * 1.02)}
	}
	r := trial.Trial{N: n, Role: trial.RoleLoad, Settings: knob.Default(knob.TorchServe), Load: closed}
	r.Throughput, r.Latency.P95, r.Latency.P99 = est(float64(100*n)), est(30), est(50)
	r.Counts = trial.Counts{Sent: 1000, OK: 1000}
	r.Verdict = trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 60, ValueMS: trial.NumOf(50), LowMS: trial.NumOf(49), HighMS: trial.NumOf(51)}
	return r
}

// TestAnotherPromise: the verdict for another promise is based on the recorded figures.
func TestAnotherPromise(t *testing.T) {
	for _, tt := range []struct {
		name string
		sla  trial.SLA
		want trial.Answer
		err  string
	}{
		{"the same", sla, trial.Pass, ""},
		{"a lower limit", trial.SLA{Percentile: 99, Limit: 40 * time.Millisecond}, trial.Fail, ""},
		{"a limit within the interval", trial.SLA{Percentile: 99, Limit: 50 * time.Millisecond}, trial.Undecided, ""},
		{"another percentile", trial.SLA{Percentile: 95, Limit: 40 * time.Millisecond}, trial.Pass, ""},
		{"no interval", trial.SLA{Percentile: 97, Limit: 40 * time.Millisecond}, 0, "P97 of request latency has no recorded interval; use P50, P90"},
		{"the model's", trial.SLA{Percentile: 99, Limit: time.Second, Latency: trial.ModelLatency}, 0, "P99 of model latency has no recorded interval"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target, err := replay.Open(&profiles.Profile{Trials: []trial.Trial{sample(1)}})
			if err != nil {
				t.Fatal(err)
			}
			for n := range 2 { // the recorded one, and a resampled one
				r, err := target.Measure(t.Context(), sweep.Measurement{Load: closed, SLA: tt.sla})
				if !hasError(err, tt.err) || err == nil && n == 0 && r.Verdict.Result != tt.want {
					t.Errorf("measurement %d: %v, %v; want %v, error %q", n+1, r.Verdict.Result, err, tt.want, tt.err)
				}
			}
		})
	}
}

func hasError(err error, want string) bool {
	if want == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), want)
}

// TestRecordedGrid runs all strategies on the grid of a real machine, if the repository has
// one.
func TestRecordedGrid(t *testing.T) {
	path := filepath.Join("..", "..", "testdata", "grids", "mlp-wide.jsonl.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no recorded grid; docs/benchmarks.md says how to record one")
	}
	strategies := search.Available()
	if testing.Short() {
		strategies = []string{"auto"} // TestStrategies has them all
	}
	for _, name := range strategies {
		target, err := replay.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(target.Profile().Trials); n < 96 {
			t.Errorf("%d trials, want 96 or more", n)
		}
		var p plan.Plan
		if err := p.UnmarshalJSON(target.Profile().Header.Plan); err != nil {
			t.Fatal(err)
		}
		p.Strategy, p.Budget = name, plan.Budget{LoadTests: plan.Unset}
		st, _ := run(t, p, target)
		if st.Choice == nil {
			t.Errorf("%s: no choice", name)
			continue
		}
		t.Logf("%s: %v in %d trials", name, st.Choice.Settings, len(st.Trials))
	}
}
