package virtual_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

const ms = time.Millisecond

// studyDevice returns the device of the published study.
func studyDevice(t testing.TB) *virtual.Target {
	t.Helper()
	table, err := servicetime.Named("animated-drawings")
	if err != nil {
		t.Fatal(err)
	}
	start := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
	start.BatchDelay = ms
	d, err := virtual.Open(virtual.Config{
		Name: "animated-drawings", Source: "sim:animated-drawings", Table: table, Start: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// studySettings returns the settings that the study recommends.
func studySettings() knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.BatchSize, s.BatchDelay, s.Device, s.Precision = 8, ms, "gpu", knob.HalfPrecision
	return s
}

func applySettings(t *testing.T, d *virtual.Target, s knob.Settings) {
	t.Helper()
	got, err := d.Apply(t.Context(), s)
	if err != nil || got.Settings != s {
		t.Fatalf("Apply(%v) = %v, %v", s, got.Settings, err)
	}
}

// measurementOf returns a measurement of exactly n requests.
func measurementOf(n int, l load.Spec, which trial.LatencyKind) sweep.Measurement {
	return sweep.Measurement{
		Load: l, Seed: 1, Max: n, Time: time.Hour, SLA: trial.SLA{Percentile: 99, Limit: 100 * ms, Latency: which},
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	}
}

func checkNear(t *testing.T, what string, got trial.Num, want, within float64) {
	t.Helper()
	if v := got.Or(math.NaN()); !(math.Abs(v-want) <= within) {
		t.Errorf("%s = %s, want %g +- %g", what, got.Text(3), want, within)
	}
}

// countText formats a count that may be missing.
func countText(n *int) string {
	if n == nil {
		return "nothing"
	}
	return fmt.Sprint(*n)
}

// The study's settings, judged by model latency, as in the study, and by request latency.
func TestStudy(t *testing.T) {
	d := studyDevice(t)
	applySettings(t, d, studySettings())
	for _, tt := range []struct {
		name    string
		clients int
		which   trial.LatencyKind
		request float64 // mean, ms
		want    trial.Answer
	}{
		{"model latency, 10 clients", 10, trial.ModelLatency, 10 / .08529, trial.Pass},
		{"request latency, 10 clients", 10, trial.RequestLatency, 10 / .08529, trial.Fail},
		{"request latency, matched", 8, trial.RequestLatency, 93.8, trial.Pass},
	} {
		r, err := d.Measure(t.Context(), measurementOf(5000, load.Spec{Concurrency: tt.clients}, tt.which))
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict.Result != tt.want {
			t.Errorf("%s: %v %s, want %v", tt.name, r.Verdict.Result, r.Verdict.Why, tt.want)
		}
		checkNear(t, tt.name+": requests/s", r.Throughput.Value, 85.29, .3)
		checkNear(t, tt.name+": model P99", r.Model.P99, 93.8, .01)
		checkNear(t, tt.name+": mean", r.Latency.Mean, tt.request, .5)
		if r.Use.GPU.Reason != "virtual device" || r.Use.CPUPercent.OK() || r.Lag.P99.OK() {
			t.Errorf("%s: use %+v, lag %+v, want n/a", tt.name, r.Use, r.Lag)
		}
	}
}

// The same seed gives the same result, another seed another result.
func TestDeterministic(t *testing.T) {
	d := studyDevice(t)
	applySettings(t, d, studySettings())
	m := measurementOf(2000, load.Spec{Mode: load.Open, Rate: 60}, trial.RequestLatency)
	run := func(seed uint64) trial.Result {
		m.Seed = seed
		r, err := d.Measure(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first, again, other := run(1), run(1), run(2)
	if diff := cmp.Diff(first, again, cmp.AllowUnexported(trial.Num{}), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("another run with the same seed (-first +second):\n%s", diff)
	}
	if first.Hist == other.Hist {
		t.Error("another seed gave the same latencies")
	}
	if p := first.Counts.Planned; p == nil || *p != first.Counts.Sent || *p < 1800 || *p >= 2000 {
		t.Errorf("planned %v, sent %d, want those of 2000 that came after the warm-up", countText(p), first.Counts.Sent)
	}
}

// Stop is called after every 250 ms of virtual time with new samples. When it returns true, nothing
// more is sent, and requests in flight are answered.
func TestStop(t *testing.T) {
	d := studyDevice(t)
	applySettings(t, d, studySettings())
	m := measurementOf(0, load.Spec{Concurrency: 10}, trial.RequestLatency)
	var asked []time.Duration
	seen := 0
	m.Stop = func(elapsed time.Duration, samples []load.Sample) (bool, string) {
		asked, seen = append(asked, elapsed), len(samples)
		return elapsed >= 2*time.Second, "enough"
	}
	progress := 0
	m.Progress = func(time.Duration, []load.Sample) { progress++ }
	r, err := d.Measure(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 8 || asked[0] != 250*ms || asked[7] != 2*time.Second || progress != 8 {
		t.Errorf("asked at %v, progress %d times", asked, progress)
	}
	if sum := r.Seconds + r.WarmupSeconds; sum < 2 || sum > 2.2 || seen < 160 {
		t.Errorf("ran %g s with %d answers at the end", sum, seen)
	}
}

// A closed load ends at its time limit, or at MinTimeLimit if that is later.
func TestTime(t *testing.T) {
	table, err := servicetime.Named("animated-drawings")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ longest, want time.Duration }{{0, 3 * time.Second}, {30 * time.Second, 30 * time.Second}} {
		c := virtual.Config{Table: table, Start: knob.Config{Settings: studySettings(), Options: knob.Options{Rule: knob.TorchServe}}, MinTimeLimit: tt.longest}
		d, err := virtual.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		m := measurementOf(0, load.Spec{Concurrency: 8}, trial.RequestLatency)
		m.Time = 3 * time.Second
		r, err := d.Measure(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Seconds + r.WarmupSeconds; math.Abs(got-tt.want.Seconds()) > .2 {
			t.Errorf("longest %v: ran %g s, want %v", tt.longest, got, tt.want)
		}
	}
}

func TestTrace(t *testing.T) {
	d := studyDevice(t)
	applySettings(t, d, studySettings())
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := os.WriteFile(path, []byte("ms\n0\n300\n600\n90000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := measurementOf(0, load.Spec{Mode: load.Trace, File: path}, trial.RequestLatency)
	m.Time = time.Minute
	r, err := d.Measure(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if *r.Counts.Planned != 4 || r.Counts.OK != 4 { // all count; the last one is sent after the time limit, because traces run to their end
		t.Errorf("planned %d, answered %d, want 4", *r.Counts.Planned, r.Counts.OK)
	}
	m.Load.File = path + "x"
	if _, err := d.Measure(t.Context(), m); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a trace that is not there: %v", err)
	}
}

// TestPlannedUntilStopped: if a trial ends early, the planned requests are those that were sent.
func TestPlannedUntilStopped(t *testing.T) {
	d := studyDevice(t)
	applySettings(t, d, studySettings())
	m := measurementOf(0, load.Spec{Mode: load.Open, Rate: 40}, trial.RequestLatency)
	m.Stop = func(elapsed time.Duration, _ []load.Sample) (bool, string) {
		return elapsed >= 30*time.Second, "certain"
	}
	r, err := d.Measure(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	checkNear(t, "planned", trial.NumOf(float64(*r.Counts.Planned)), 1200, 150)
}

// TestBurstAtTheEnd: a trace with two quiet minutes and a burst above the capacity breaks the
// promise, because a trace runs to its end whatever Stop and the limits of the trial say.
func TestBurstAtTheEnd(t *testing.T) {
	d := studyDevice(t)
	applySettings(t, d, studySettings())
	var text strings.Builder
	for i := range 1200 { // from 100 s on, as in a part of a log
		fmt.Fprintf(&text, "%g\n", 100+float64(i)/10)
	}
	for i := range 2000 {
		fmt.Fprintf(&text, "%g\n", 220+float64(i)/2000)
	}
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	m := measurementOf(300, load.Spec{Mode: load.Trace, File: path}, trial.RequestLatency)
	m.Time, m.Max = 20*time.Second, 1000
	m.Stop = func(time.Duration, []load.Sample) (bool, string) { return true, "certain" }
	r, err := d.Measure(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Counts.Planned; p == nil || *p != 3200 {
		t.Errorf("planned %v, want all 3200", countText(p))
	}
	checkNear(t, "seconds", trial.NumOf(r.Seconds+r.WarmupSeconds), 122, 2)
	checkNear(t, "throughput", r.Throughput.Value, 14, 4) // the quiet requests and those of the burst that were not refused, in two minutes
	if r.Verdict.Result != trial.Fail {
		t.Errorf("verdict %+v, want a fail", r.Verdict)
	}
}

// A ramp runs to its end whatever Stop says, and a warning says that its figures are those of a
// changing load.
func TestRamp(t *testing.T) {
	d := studyDevice(t)
	applySettings(t, d, studySettings())
	m := measurementOf(50, load.Spec{Mode: load.Ramp, From: 10, To: 70, Over: 30 * time.Second, Arrivals: load.Constant}, trial.RequestLatency)
	m.Time = time.Second
	m.Stop = func(time.Duration, []load.Sample) (bool, string) { return true, "certain" }
	r, err := d.Measure(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Counts.Planned; p == nil || *p != 1200 {
		t.Errorf("planned %v, want all 1200", countText(p))
	}
	checkNear(t, "seconds", trial.NumOf(r.Seconds+r.WarmupSeconds), 30, .3)
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Text, "from 10 to 70/s") {
		t.Errorf("warnings %q, want one with the rates", r.Warnings)
	}
}

func TestErrors(t *testing.T) {
	d := studyDevice(t)
	for what, change := range map[string]func(*knob.Settings){
		"workers: 17 on gpu in fp16 is outside 1-16": func(s *knob.Settings) { s.Workers = 17 },
		"batch_size: 0": func(s *knob.Settings) { s.BatchSize = 0 },
		"device: tpu":   func(s *knob.Settings) { s.Device = "tpu" },
	} {
		s := studySettings()
		change(&s)
		if _, err := d.Apply(t.Context(), s); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("Apply: %v, want %s", err, what)
		}
	}
	info, err := d.Info(t.Context())
	if err != nil || info.Current.Workers != 1 || info.Model.Source != "sim:animated-drawings" || info.Fixed[knob.Threads] == "" {
		t.Errorf("Info = %+v, %v", info, err)
	}
	if _, err := d.Measure(t.Context(), measurementOf(1, load.Spec{Mode: load.Open}, trial.RequestLatency)); err == nil {
		t.Error("Measure took a rate of 0")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := d.Measure(ctx, measurementOf(0, load.Spec{Concurrency: 1}, trial.RequestLatency)); !errors.Is(err, why) {
		t.Errorf("Measure after the end of its context: %v, want %v", err, why)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A table has no threads: another number of them would be recorded although it changes nothing.
func TestFixedThreads(t *testing.T) {
	d := studyDevice(t)
	s := studySettings()
	s.Threads = 2
	if _, err := d.Apply(t.Context(), s); err == nil || !strings.Contains(err.Error(), "threads stays at 1: a service-time table has no threads") {
		t.Errorf("Apply with 2 threads: %v", err)
	}
}
