package local_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/server"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/trial"
)

// bytesEngine is the argument with which the test program runs an engine whose model takes bytes.
const bytesEngine = "bytes-engine"

// sessionsDieEnv is the environment variable with which every fiftieth batch loses its session.
const sessionsDieEnv = "TEST_SESSIONS_DIE"

func TestMain(m *testing.M) {
	children := map[string]func([]string) error{bytesEngine: serveBytes, numbersEngine: serveNumbers}
	if len(os.Args) > 1 && children[os.Args[1]] != nil {
		if err := children[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveBytes is the child process. Its arguments are those of package local.
func serveBytes(args []string) error {
	c, err := configOf(args)
	if err != nil {
		return err
	}
	const handshake = 3
	b := &enginetest.Backend{
		LosesSession: func(run int) bool { return os.Getenv(sessionsDieEnv) != "" && run%50 == 0 },
		OnRun:        func(rows int) { time.Sleep(time.Millisecond + time.Duration(rows)*100*time.Microsecond) },
	}
	return server.RunChild(context.Background(), os.Stdin, os.NewFile(handshake, "handshake"), server.Config{Host: control.Host{Cores: 2}},
		func(ctx context.Context) (*engine.Engine, error) {
			e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: b}, Cores: 2})
			return e, e.Load(ctx, enginetest.Model("words"), c)
		})
}

// configOf returns the settings that a child gets as flags.
func configOf(args []string) (knob.Config, error) {
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.TorchServe}}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		var err error
		if name == "rule" {
			err = c.Rule.UnmarshalText([]byte(value))
		} else if option, v, ok := strings.Cut(value, "="); ok && name == "option" {
			err = c.SetOption(option, v)
		} else if k, lerr := knob.Lookup(name); lerr == nil {
			err = c.Set(k.Name, value)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// startBytes starts an engine with these request bodies.
func startBytes(t *testing.T, texts ...string) (*local.Target, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var bodies []load.Body
	for i, text := range texts {
		bodies = append(bodies, load.Body{Type: "text/plain", Data: []byte(text), Name: fmt.Sprintf("%d-%s.txt", i+1, text)})
	}
	start := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	return local.Start(t.Context(), local.Config{
		Command: []string{self, bytesEngine}, Env: os.Environ(), Log: io.Discard, Start: start, Bodies: bodies,
	})
}

// memoryRecorder keeps trials in memory.
type memoryRecorder struct{ trials []trial.Trial }

func (k *memoryRecorder) Probe(trial.Probe) error   { return nil }
func (k *memoryRecorder) Trial(t trial.Trial) error { k.trials = append(k.trials, t); return nil }
func (k *memoryRecorder) Event(trial.Event) error   { return nil }
func (k *memoryRecorder) Choice(trial.Choice) error { return nil }

// sweepBytes sweeps two batch sizes with a high limit.
func sweepBytes(t *testing.T, target *local.Target) []trial.Trial {
	t.Helper()
	l := load.Spec{Concurrency: 8}
	var points []plan.Point
	for _, size := range []int{1, 8} {
		s := knob.Default(knob.Eager)
		s.BatchSize = size
		points = append(points, plan.Point{Settings: s, Load: l, Role: trial.RoleLoad})
	}
	var k memoryRecorder
	r := sweep.Runner{
		Target: target, Strategy: search.NewGrid(points), Recorder: &k, FirstNumber: 1, Requests: 800,
		SLA: trial.SLA{Percentile: 99, Limit: 10 * time.Second}, Options: knob.Options{Rule: knob.Eager},
		Explain: func([]trial.Trial, int) trial.Explanation { return trial.Explanation{} },
	}
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k.trials
}

// A model of bytes works in a live apply and in a sweep like a model of tensors.
func TestSweepOfBytes(t *testing.T) {
	target, err := startBytes(t, "one", "stream two three")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := target.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if info, err := target.Info(t.Context()); err != nil || info.Model.LargestBody != int64(len("stream two three")) {
		t.Errorf("largest body %d, %v", info.Model.LargestBody, err)
	}
	trials := sweepBytes(t, target)
	if len(trials) < 2 {
		t.Fatalf("%d trials", len(trials))
	}
	for _, tr := range trials {
		if tr.Counts.OK == 0 || tr.Counts.Errors() != 0 || tr.Verdict.Result == trial.Fail {
			t.Errorf("batch size %d: %+v, %s", tr.Settings.BatchSize, tr.Counts, tr.Verdict.Why)
		}
	}
}

// Lost sessions fail requests, and with them the trial, but not the sweep: the engine opens new
// ones.
func TestSweepWhileSessionsDie(t *testing.T) {
	t.Setenv(sessionsDieEnv, "1")
	target, err := startBytes(t, "one", "two")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := target.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, tr := range sweepBytes(t, target) {
		if tr.Counts.OK == 0 || tr.Counts.Failed == 0 || tr.Verdict.Result != trial.Fail {
			t.Errorf("batch size %d: %+v, %s %s; want answers, failures and a FAIL", tr.Settings.BatchSize, tr.Counts, tr.Verdict.Result, tr.Verdict.Why)
		}
	}
	want := knob.Default(knob.Eager)
	want.Workers, want.BatchSize = 2, 4
	for range 3 { // if a session is lost during the warm-up, the change fails
		if _, err = target.Apply(t.Context(), want); err == nil {
			break
		}
	}
	if err != nil {
		t.Errorf("apply: %v", err)
	}
}

// A missing body, or a body that loses the session at once, is one clear error.
func TestBodiesOfBytes(t *testing.T) {
	if _, err := startBytes(t, "die"); err == nil || !strings.Contains(err.Error(), "by request") {
		t.Errorf("a body that kills: %v", err)
	}
	if _, err := startBytes(t, "fine", "fail"); err == nil || !strings.HasPrefix(err.Error(), "the engine does not answer 2-fail.txt: ") {
		t.Errorf("a file that fails: %v", err)
	}
	if _, err := startBytes(t); err == nil || !strings.Contains(err.Error(), "--input") {
		t.Errorf("no bodies: %v", err)
	}
}

// measurement is a short one under 8 clients.
func measurement() sweep.Measurement {
	return sweep.Measurement{
		Load: load.Spec{Concurrency: 8}, Seed: 1, SLA: trial.SLA{Percentile: 99, Limit: 10 * time.Second}, Max: 200, Time: time.Minute,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	}
}
