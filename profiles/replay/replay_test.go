package replay_test

import (
	"bytes"
	"compress/gzip"
	"context"
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
	"sweetspot/engine/latency"
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

// gridPlan is 96 settings: 2 x 6 x 4 x 2, in short tests half of them.
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

// device is what the grid is recorded on: s(b) = 4 + b ms, fp16 a quarter faster,
// two workers a third slower each.
func device(t *testing.T) sweep.Target {
	t.Helper()
	var rows []servicetime.Row
	for _, w := range []int{1, 2} {
		for format, times := range map[string]float64{"fp32": 1, "fp16": .75} {
			for b := 1; b <= 32; b *= 2 {
				ms := (4 + float64(b)) * times * (1 + float64(w-1)/3)
				rows = append(rows, servicetime.Row{
					Key: servicetime.Key{Workers: w, Device: "cpu", Precision: format}, Batch: b,
					Median: time.Duration(ms * 1e6), Spread: .03,
				})
			}
		}
	}
	table, err := servicetime.New(rows)
	if err != nil {
		t.Fatal(err)
	}
	d, err := virtual.Open(virtual.Config{Name: "test", Source: "sim:test", Table: table, Start: knob.Config{Settings: knob.Default(knob.TorchServe)}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// recording is a profile in a test's folder.
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

// run sweeps p on d and returns where it ended and its profile's path.
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
			Model:   profiles.Model{Name: info.Model.Name, Source: info.Model.Source, BatchAxis: true},
		}, profiles.Options{})
		return recording{w, path}, err
	}}
	st, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st, path
}

// recordedOnce is the grid's profile and where its sweep ended.
type recordedOnce struct {
	once  sync.Once
	sweep session.Sweep
	data  []byte
}

// theGrid is recorded by the first test that wants it, and only read afterwards.
var theGrid recordedOnce

// grid records the grid and opens a copy of its profile.
func grid(t *testing.T) (*replay.Target, session.Sweep, string) {
	t.Helper()
	theGrid.once.Do(func() {
		st, path := run(t, gridPlan(), device(t))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		theGrid.sweep, theGrid.data = st, data
	})
	path := filepath.Join(t.TempDir(), "grid.jsonl")
	if err := os.WriteFile(path, theGrid.data, 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := replay.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return target, theGrid.sweep, path
}

// best is the highest throughput of a passing trial.
func best(trials []trial.Trial) float64 {
	most := 0.0
	for _, t := range trials {
		if t.Verdict.Result == trial.Pass {
			most = max(most, t.Throughput.Value.Or(0))
		}
	}
	return most
}

// TestStrategies runs every strategy on the recorded grid. What each has to find
// is package search's business; here it has to get answers.
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

// TestGridAgain: a grid replayed is the grid recorded, trial by trial.
func TestGridAgain(t *testing.T) {
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

// probing is a strategy that asks for probes only.
type probing struct{ left []plan.Point }

func (p *probing) Left() int { return len(p.left) }
func (p *probing) Next(trial.History) (plan.Point, bool) {
	if len(p.left) == 0 {
		return plan.Point{}, false
	}
	next := p.left[0]
	p.left = p.left[1:]
	next.Role = trial.RoleProbe
	return next, true
}

// kept keeps probes.
type kept struct{ probes []trial.Probe }

func (k *kept) Probe(p trial.Probe) error { k.probes = append(k.probes, p); return nil }
func (*kept) Trial(trial.Trial) error     { return nil }
func (*kept) Event(trial.Event) error     { return nil }
func (*kept) Choice(trial.Choice) error   { return nil }

// TestProbes: a probe of recorded settings finds the device's service times,
// though the grid holds no probe.
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
	k := &kept{}
	r := sweep.Runner{
		Target: target, Strategy: &probing{points}, Recorder: k, SLA: sla, Seed: 1,
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

// TestAgain: the first look is the record, later ones scatter about it within its
// intervals and follow from their seeds.
func TestAgain(t *testing.T) {
	target, recorded, path := grid(t)
	first := recorded.Trials[len(recorded.Trials)/2]
	apply := func(target *replay.Target) {
		if _, err := target.Apply(t.Context(), first.Settings); err != nil {
			t.Fatal(err)
		}
	}
	apply(target)
	if diff := cmp.Diff(first.Result, measure(t, target, sweep.Measurement{Load: closed, SLA: sla}), nums); diff != "" {
		t.Errorf("first look (-recorded +replayed):\n%s", diff)
	}
	const looks = 20
	inside, seen := 0, map[float64]bool{}
	for seed := range uint64(looks) {
		r := measure(t, target, sweep.Measurement{Load: closed, SLA: sla, Seed: seed})
		v := r.Latency.P99.Value.Or(0)
		seen[v] = true
		if v >= first.Latency.P99.Low.Or(0) && v <= first.Latency.P99.High.Or(math.Inf(1)) {
			inside++
		}
		h, err := latency.Decode(r.Hist.HDR)
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(h.Quantile(.5)) / 1e6; math.Abs(got/r.Latency.P50.Value.Or(0)-1) > .01 {
			t.Fatalf("histogram's median is %.3f ms, the result's %.3f", got, r.Latency.P50.Value.Or(0))
		}
	}
	if float64(inside) < .8*looks || len(seen) < looks {
		t.Errorf("%d looks with %d different figures, %d of them in the 95%% interval", looks, len(seen), inside)
	}
	other, err := replay.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	apply(other)
	measure(t, other, sweep.Measurement{Load: closed, SLA: sla})
	a := measure(t, other, sweep.Measurement{Load: closed, SLA: sla, Seed: 7})
	b := measure(t, target, sweep.Measurement{Load: closed, SLA: sla, Seed: 7})
	if diff := cmp.Diff(a, b, nums); diff != "" {
		t.Errorf("the same seed (-a +b):\n%s", diff)
	}
}

// TestRepeats: the repeats of a point come before anything is drawn.
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
			t.Errorf("look %d: %.0f/s, want %.0f", n, got, want)
		}
	}
	if got := measure(t, target, sweep.Measurement{Load: closed, SLA: sla, Seed: 1}); !strings.Contains(fmt.Sprint(got.Warnings), "drawn again") {
		t.Errorf("fourth look: warnings %q", got.Warnings)
	}
}

// sample is trial n of one setting, with 100 n requests a second.
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

// TestAnotherPromise is judged by what was recorded.
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
		{"no interval", trial.SLA{Percentile: 97, Limit: 40 * time.Millisecond}, 0, "P97 of request latency has no recorded interval; ask for P50, P90"},
		{"the model's", trial.SLA{Percentile: 99, Limit: time.Second, Latency: trial.ModelLatency}, 0, "P99 of model latency has no recorded interval"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target, err := replay.Open(&profiles.Profile{Trials: []trial.Trial{sample(1)}})
			if err != nil {
				t.Fatal(err)
			}
			for look := range 2 { // the record, and one drawn again
				r, err := target.Measure(t.Context(), sweep.Measurement{Load: closed, SLA: tt.sla})
				if !hasError(err, tt.err) || err == nil && look == 0 && r.Verdict.Result != tt.want {
					t.Errorf("look %d: %v, %v; want %v, error %q", look, r.Verdict.Result, err, tt.want, tt.err)
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

// TestNotRecorded: what was not recorded is an error that says what there is.
func TestNotRecorded(t *testing.T) {
	target, recorded, _ := grid(t)
	settings := fmt.Sprint(len(recorded.Trials) - 1) // without the validation
	s := knob.Default(knob.TorchServe)
	s.BatchDelay = time.Millisecond
	if _, err := target.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, l := range []load.Spec{{Mode: load.Open, Rate: 50}, {Mode: load.Closed, Concurrency: 1}} {
		_, err := target.Measure(t.Context(), sweep.Measurement{Load: l, SLA: sla})
		if !hasError(err, fmt.Sprintf("was not recorded under %v in recorded: its loads are concurrency 16; ask for one of those", l)) {
			t.Errorf("under %v: %v", l, err)
		}
	}
	s.Workers = 3
	_, err := target.Apply(t.Context(), s)
	if !hasError(err, "3 workers, batch 1, delay 1 ms, fp32, cpu, 1 thread was not recorded in recorded: of its "+settings+" settings workers has 1, 2; batch_size has 1, 2, 4, 8, 16, 32; batch_delay_ms has 1, 2, 5, 10") {
		t.Errorf("3 workers: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := fmt.Errorf("gone")
	cancel(gone)
	if _, err := target.Measure(ctx, sweep.Measurement{Load: closed, SLA: sla}); err != gone {
		t.Errorf("after the context's end: %v", err)
	}
}

// TestAnotherQuestion: a search for the highest load gets that error for every
// trial, and no choice.
func TestAnotherQuestion(t *testing.T) {
	target, _, _ := grid(t)
	p := gridPlan()
	p.Loads = []load.Spec{{Mode: load.Open, Rate: 50}}
	st, _ := run(t, p, target)
	if st.Choice != nil || !strings.Contains(st.Trials[0].Error, "was not recorded under") {
		t.Errorf("choice %v, first error %q", st.Choice, st.Trials[0].Error)
	}
}

// TestTorn: a profile that was torn while it was written replays what it holds.
func TestTorn(t *testing.T) {
	_, recorded, path := grid(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(t.TempDir(), "torn.jsonl.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(data[:len(data)/2]); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := replay.Read(torn)
	if err != nil {
		t.Fatal(err)
	}
	p := target.Profile()
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "torn") || len(p.Trials) < 2*len(recorded.Trials)/5 {
		t.Errorf("%d trials, warnings %q", len(p.Trials), p.Warnings)
	}
	st, _ := run(t, gridPlan(), target)
	for _, r := range st.Trials {
		if r.Error != "" && !strings.Contains(r.Error, "was not recorded") {
			t.Errorf("trial %d: %s", r.N, r.Error)
		}
	}
	if st.Choice == nil {
		t.Error("no choice")
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "none"), "no such file"},
		{write("a.gz", "not packed"), "gzip"},
		{write("b", "not a profile\n"), "no sweetspot profile"},
		{write("c", `{"t":"header","format":"sweetspot-profile","version":1,"id":"c","kind":"live"}`+"\n"), "c has no trials of a sweep to replay"},
	} {
		if _, err := replay.Read(tt.path); !hasError(err, tt.want) {
			t.Errorf("Read(%s) = %v, want %q", filepath.Base(tt.path), err, tt.want)
		}
	}
}

// TestRecordedGrid replays every strategy on the grid of a real machine, if the
// repository has one.
func TestRecordedGrid(t *testing.T) {
	path := filepath.Join("..", "..", "testdata", "grids", "mlp-wide.jsonl.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no recorded grid; docs/benchmarks.md says how to make one")
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
