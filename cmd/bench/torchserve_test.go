package main

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/torchservetest"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

const predictionLines = `2026-11-30T05:37:29,835 - PredictionTime.ms:54.83|#ModelName:m,Level:Model|#hostname:vm,requestID:2252d4f2,bd9727b2,timestamp:1796017049
2026-11-30T05:37:30,034 - HandlerTime.ms:13.77|#ModelName:m,Level:Model|#hostname:vm,requestID:4d267609,timestamp:1796017050
2026-11-30T05:37:30,114 - PredictionTime.ms:12.42|#ModelName:m,Level:Model|#hostname:vm,requestID:8ad70032,timestamp:1796017050
2026-11-30T05:37:30,114 - PredictionTime.ms:-1|#ModelName:m,Level:Model|#hostname:vm,requestID:8ad70032,timestamp:1796017050
2026-11-30T05:37:30,114 - PredictionTime.ms:7|#ModelName:m
`

func TestParsePredictions(t *testing.T) {
	want := []time.Duration{54830 * time.Microsecond, 54830 * time.Microsecond, 12420 * time.Microsecond}
	if got := parsePredictions([]byte(predictionLines)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A log that grows is read from where the last reading ended, also within a line, and a replaced one from its begin.
func TestMetricsLog(t *testing.T) {
	l := &metricsLog{path: filepath.Join(t.TempDir(), "model_metrics.log")}
	if _, err := l.read(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v of a missing log", err)
	}
	lines := strings.SplitAfter(predictionLines, "\n")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(l.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, want int) {
		t.Helper()
		if got, err := l.read(); err != nil || len(got) != want {
			t.Errorf("%s: %v, %v; want %d values", what, got, err, want)
		}
	}
	write(lines[0])
	l.skip()
	check("skipped", 0)
	write(lines[0] + lines[0] + lines[2][:40])
	check("a line and a half", 2)
	write(lines[0] + lines[0] + lines[2])
	check("the rest of the line", 1)
	write(lines[2])
	check("a replaced log", 1)
}

func FuzzPredictions(f *testing.F) {
	f.Add([]byte(predictionLines))
	f.Add([]byte(" - PredictionTime.ms:NaN|requestID:,timestamp:"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, d := range parsePredictions(text) {
			if d < 0 {
				t.Errorf("a time of %v", d)
			}
		}
	})
}

func TestExecuted(t *testing.T) {
	all := []load.Sample{{Model: 8 * time.Millisecond, Batch: 2}, {Model: 8 * time.Millisecond, Batch: 2}, {Model: 3 * time.Millisecond, Batch: 1}, {}}
	if got := executed(all); got != 11*time.Millisecond {
		t.Errorf("%v, want 11ms: a batch of two and one of one", got)
	}
}

func TestABRate(t *testing.T) {
	const out = "Complete requests:      100\nFailed requests:        12\n   (Connect: 0, Receive: 0, Length: 12, Exceptions: 0)\nRequests per second:    1234.56 [#/sec] (mean)\n"
	if v, err := abRate([]byte(out)); v != 1234.56 || err != nil {
		t.Errorf("%v, %v; lengths that differ are no failures", v, err)
	}
	for text, want := range map[string]string{
		out + "Non-2xx responses:      7\n": "ab: 7 requests failed",
		"apr_socket_recv":                   "ab printed no requests per second",
	} {
		if _, err := abRate([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func FuzzABRate(f *testing.F) {
	f.Add([]byte("Requests per second:    1234.56 [#/sec] (mean)\n"))
	f.Add([]byte("Non-2xx responses:      7\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		if v, err := abRate(out); err == nil && !(v >= 0) {
			t.Errorf("%v requests per second", v)
		}
	})
}

func TestSpeedup(t *testing.T) {
	points := judge.Figure{Value: 10, Interval: &stat.Interval{Value: 10, Low: 8, High: 12}}
	f := speedup(points, 100*time.Second)
	if math.Abs(f.Value-28.8) > 1e-9 || math.Abs(f.Interval.Low-23.04) > 1e-9 || math.Abs(f.Interval.High-34.56) > 1e-9 {
		t.Errorf("%v %+v; want 288 x 10 s / 100 s, 23.04-34.56", f.Value, f.Interval)
	}
	goal := goals().Find(f.Name)
	if f.Status(goal) != judge.OK {
		t.Errorf("%v of %v is %v", f.Value, goal, f.Status(goal))
	}
	points.Interval = &stat.Interval{Value: 10, Low: math.NaN(), High: math.NaN()}
	if f := speedup(points, 100*time.Second); f.Status(goal) != judge.Undecided {
		t.Errorf("from one point: %v, want undecided", f.Status(goal))
	}
}

// The best others are those of the sweep that passed and the points of the suite, without the choice.
func TestOtherSettings(t *testing.T) {
	set := func(workers, batch int) knob.Settings {
		return knob.Settings{Workers: workers, BatchSize: batch, BatchDelay: time.Millisecond, Device: "cpu", QueueSize: 1000}
	}
	run := func(s knob.Settings, rate float64, result trial.Answer, role trial.Role) trial.Trial {
		r := trial.Trial{Role: role, Settings: s}
		r.Throughput.Value, r.Verdict.Result = trial.NumOf(rate), result
		return r
	}
	st := session.Sweep{Choice: &trial.Choice{Settings: set(2, 8)}, Trials: []trial.Trial{
		run(set(1, 1), 100, trial.Pass, trial.RoleLoad), run(set(2, 8), 500, trial.Pass, trial.RoleLoad), run(set(2, 32), 900, trial.Fail, trial.RoleLoad),
		run(set(1, 4), 300, trial.Pass, trial.RoleLoad), run(set(1, 4), 310, trial.Pass, trial.RoleLoad), run(set(2, 8), 505, trial.Pass, trial.RoleValidation),
	}}
	suite := set(1, 8)
	suite.BatchDelay, suite.Device = 100*time.Millisecond, ""
	want := []knob.Settings{set(1, 8), set(1, 4)}
	want[0].BatchDelay = suite.BatchDelay
	if got := otherSettings(st, []suitePoint{{settings: suite, rate: 400}}, 2); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := otherSettings(st, nil, 5); len(got) != 2 {
		t.Errorf("%v, want two others", got)
	}
}

// The plan of the sweep has as many settings as the suite has points.
func TestTuningPlan(t *testing.T) {
	p := tuningPlan("cnn", time.Minute, 1)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	product := 1
	for name, values := range p.Knobs {
		all, err := knob.Limits{}.Table().Expand(name, values)
		if err != nil {
			t.Fatal(err)
		}
		product *= len(all)
	}
	if product != suiteGrid {
		t.Errorf("%d settings, want %d", product, suiteGrid)
	}
}

func TestP99(t *testing.T) {
	var all []time.Duration
	for i := range 200 {
		all = append(all, time.Duration(200-i)*time.Millisecond)
	}
	if got := p99MS(all); got != 198 {
		t.Errorf("P99 of 1-200 ms is %v, want 198", got)
	}
	if got := p99MS(all[:99]); !math.IsNaN(got) {
		t.Errorf("P99 of 99 values is %v, want unknown", got)
	}
}

func TestFindTorchServe(t *testing.T) {
	dir := t.TempDir()
	none := func(string) string { return "" }
	if _, err := findTorchServe(none, dir); err == nil || !strings.Contains(err.Error(), "make torchserve") {
		t.Errorf("error %v, want one with the command that installs it", err)
	}
	bin := filepath.Join(dir, "sweetspot", "torchserve-0.12.0", "bin")
	if err := errors.Join(os.MkdirAll(bin, 0o700), os.WriteFile(filepath.Join(bin, "torchserve"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got, err := findTorchServe(none, dir); err != nil || got != filepath.Dir(bin) {
		t.Errorf("%q, %v", got, err)
	}
}

// The models run here from their archives, as the engine of the comparison.
func TestComparedModels(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each model; make test-long runs it")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := &env{self: self, budget: tiny, seed: 1, stderr: t.Output()}
	dir := t.TempDir()
	for _, name := range []string{modelMLP, modelCNN, modelSmall} {
		m, err := writeModel(t.Context(), name, dir)
		if err != nil {
			t.Fatal(err)
		}
		s := &peerSet{e: e, dir: dir, model: m}
		for _, b := range handler.Bodies(m.inputs, 4, 1) {
			s.bodies = append(s.bodies, loadBody(b))
		}
		settings := knob.Default(knob.Eager)
		settings.BatchSize = 4
		c, stop, err := ourServer{}.start(t.Context(), s, settings)
		if err != nil {
			t.Fatal(err)
		}
		c.settle()
		c.load.Max = 300
		v, err := c.block(t.Context(), time.Minute)
		if err := errors.Join(err, stop()); err != nil {
			t.Fatal(err)
		}
		for metric, value := range v {
			if !(value > 0) {
				t.Errorf("%s: metric %d is %v", name, metric, value)
			}
		}
	}
}

// A tree has the children of a process, and their processor time grows.
func TestTree(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var ready addrs
	c, err := (&env{self: self, stderr: t.Output()}).startChild(t.Context(), serverCommand, &ready)
	if err != nil {
		t.Fatal(err)
	}
	all := readTree(os.Getpid())
	if !slices.Contains(all.pids(), c.cmd.Process.Pid) || all.pids()[0] != os.Getpid() {
		t.Errorf("processes %v, want %d and %d", all.pids(), os.Getpid(), c.cmd.Process.Pid)
	}
	if v := all.cpu(); !(v > 0) {
		t.Errorf("processor time %v", v)
	}
	if v, what := all.memory(); !(v > 1<<20) {
		t.Errorf("memory %v (%s)", v, what)
	}
	if err := c.stop(nil); err != nil {
		t.Fatal(err)
	}
	if v := all.cpu(); !math.IsNaN(v) {
		t.Errorf("processor time of a tree with an ended process: %v, want unknown", v)
	}
}

// A server that ends before it is ready is an error with its output.
func TestSupervisedEnds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := startSupervised(&env{self: self}, t.TempDir(), []string{"sh", "-c", "echo no memory; exit 3"}, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	err = s.wait(t.Context(), time.Millisecond, time.Minute, func(context.Context) error { return errors.New("no answer") })
	if err == nil || !strings.Contains(err.Error(), "the server has ended") || !strings.Contains(err.Error(), "no memory") {
		t.Errorf("error %v", err)
	}
}

// TestRealTorchServeBench runs the whole set in its smallest size.
func TestRealTorchServeBench(t *testing.T) {
	torchservetest.Find(t)
	out := measure(t, "torchserve")
	t.Log(out)
	if !strings.Contains(out, "\nend torchserve ") {
		t.Error("the set did not end")
	}
}
