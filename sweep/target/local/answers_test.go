package local_test

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/server"
	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/trial"
)

// numbersEngine is the first argument of this binary for an engine with the model numbers: y = 2x,
// except for the fault in the environment.
const numbersEngine = "numbers-engine"

const (
	faultEnv = "TEST_FAULT"
	mixes    = "mixes"  // a value above 50 changes the answers to the other rows of its batch
	random   = "random" // no answer is like another one
	rounds   = "rounds" // in a batch the last digits differ
	open     = "open"   // none, but the input has an open dimension
	halved   = "halved" // fp16 answers half of what fp32 answers
)

type numbers struct{ half bool }

func (numbers) Open(_ context.Context, _ *engine.Model, c knob.Config) (engine.Session, error) {
	return numbers{c.Precision == knob.HalfPrecision}, nil
}
func (numbers) Shared() bool { return true }
func (numbers) Close() error { return nil }

func (n numbers) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	fault := os.Getenv(faultEnv)
	large := slices.ContainsFunc(in, func(r payload.Row) bool { return r.Item[0].Numbers()[0] > 50 })
	for i := range in {
		factor := 2.
		switch {
		case fault == mixes && large && len(in) > 1:
			factor = 2.5
		case fault == random:
			factor = rand.Float64()
		case fault == rounds && len(in) > 1:
			factor = 2.0001
		case fault == halved && n.half:
			factor = 1
		}
		var data []byte
		for _, v := range in[i].Item[0].Numbers() {
			data = tensor.AppendFloat32(data, float32(factor*v))
		}
		out[i].Outputs = tensor.Item{{Type: tensor.Float32, Shape: []int64{2}, Data: data}}
	}
	return nil
}

func serveNumbers(args []string) error {
	c, err := configOf(args)
	if err != nil {
		return err
	}
	spec := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Float32, Shape: []int64{2}}}
	}
	in := spec("x")
	if os.Getenv(faultEnv) == open {
		in[0].Shape[0] = -1
	}
	m := &engine.Model{
		Name: "numbers", Version: "1.0", Backend: "numbers", BatchAxis: true, BatchWhy: "for the test",
		Inputs: in, Outputs: spec("y"), Handler: &handler.Tensors{},
	}
	return server.RunChild(context.Background(), os.Stdin, os.NewFile(3, "handshake"), server.Config{Host: control.Host{Cores: 2}},
		func(ctx context.Context) (*engine.Engine, error) {
			e := engine.New(engine.Options{Backends: map[string]engine.Backend{"numbers": numbers{}}, Cores: 2})
			return e, e.Load(ctx, m, c)
		})
}

// startNumbers starts the engine with a body for each value.
func startNumbers(t *testing.T, fault string, values ...float64) *local.Target {
	t.Helper()
	t.Setenv(faultEnv, fault)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var bodies []load.Body
	for _, v := range values {
		data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)))
		bodies = append(bodies, load.Body{Type: "application/octet-stream", Data: append(data, data...)})
	}
	start := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	target, err := local.Start(t.Context(), local.Config{
		Command: []string{self, numbersEngine}, Env: os.Environ(), Log: io.Discard, Start: start, Bodies: bodies,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return target
}

// TestAnswersInBatches: a model that mixes the rows of a batch only for some values passes the
// verification with made-up values, and is found by its answers under load.
func TestAnswersInBatches(t *testing.T) {
	for _, tc := range []struct {
		fault  string
		values []float64
		fails  bool
		check  func(trial.AnswerCheck) bool
	}{
		{"", []float64{1, 2, 60}, false, func(c trial.AnswerCheck) bool { return c.Compared == 3 && c.Differ == 0 && c.Remark() == "" }},
		{mixes, []float64{1, 2, 3}, false, func(c trial.AnswerCheck) bool { return c.Compared == 3 && c.Differ == 0 }},
		{mixes, []float64{1, 2, 60}, true, func(c trial.AnswerCheck) bool { return c.Compared == 3 && c.Differ > 0 }},
		{rounds, []float64{1, 2, 60}, false, func(c trial.AnswerCheck) bool { return c.Differ == 0 }},
		{random, []float64{1, 2, 60}, false, func(c trial.AnswerCheck) bool {
			return c.Compared == 0 && c.NotRepeatable == 3 && c.Remark() != ""
		}},
	} {
		target := startNumbers(t, tc.fault, tc.values...)
		for _, tr := range sweepBytes(t, target) {
			switch {
			case tr.Answers == nil:
				t.Errorf("%s: answers were not compared", tc.fault)
			case tr.Settings.BatchSize == 1: // alone in each batch
				if tr.Answers.Differ != 0 || tr.Verdict.Result == trial.Fail {
					t.Errorf("%s, batch size 1: %+v, %s", tc.fault, *tr.Answers, tr.Verdict.Why)
				}
			case !tc.check(*tr.Answers) || (tr.Verdict.Result == trial.Fail) != tc.fails:
				t.Errorf("%s %v: %+v, %s %s", tc.fault, tc.values, *tr.Answers, tr.Verdict.Result, tr.Verdict.Why)
			case tc.fails && tr.Verdict.Why != tr.Answers.Problem():
				t.Errorf("%s: %s", tc.fault, tr.Verdict.Why)
			}
		}
	}
}

// TestLiveAnswers: the same beside live load, after a change of settings.
func TestLiveAnswers(t *testing.T) {
	for _, tc := range []struct {
		fault                          string
		compared, differ, unrepeatable int
	}{{"", 3, 0, 0}, {mixes, 3, 3, 0}, {rounds, 3, 0, 0}, {random, 0, 0, 3}} {
		target := startNumbers(t, tc.fault, 1, 2, 60)
		compare := func(size int) *trial.AnswerCheck {
			s := knob.Default(knob.Eager)
			s.BatchSize, s.BatchDelay = size, time.Minute // the three bodies fill a batch
			if _, err := target.Apply(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			got, err := target.CompareAnswers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := compare(1); got != nil {
			t.Errorf("%s: compared without batches: %+v", tc.fault, *got)
		}
		if err := target.AskAlone(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := compare(3); got == nil || got.Compared != tc.compared || got.Differ != tc.differ || got.NotRepeatable != tc.unrepeatable {
			t.Errorf("%s: %+v, want %+v", tc.fault, got, tc)
		}
	}
}

// TestWatchLengths: live figures of how batches ran, only for requests of different lengths.
func TestWatchLengths(t *testing.T) {
	for fault, watches := range map[string]bool{"": false, open: true} {
		target := startNumbers(t, fault, 1, 2, 3)
		since := target.WatchLengths(t.Context())
		if (since != nil) != watches {
			t.Fatalf("%q: counted: %t", fault, since != nil)
		}
		if since == nil {
			continue
		}
		if l := since(t.Context()); l != nil {
			t.Errorf("without a batch: %v", l)
		}
		if err := target.AskAlone(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l := since(t.Context()); l == nil || l.String() != "0% of batches split by shape (1.0 runs a batch), padding 0% of the work" {
			t.Errorf("%v", l)
		}
	}
}

func TestFP16Agreement(t *testing.T) {
	for fault, agree := range map[string]int{"": 16, halved: 0} {
		target := startNumbers(t, fault, 1, 2, 60)
		s := knob.Default(knob.Eager)
		s.Precision = knob.HalfPrecision
		if _, err := target.Apply(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		got, err := target.CheckFP16(t.Context())
		if err != nil || got.Samples != 16 || got.Agree != agree {
			t.Errorf("%s: %v, %+v", fault, err, got)
		}
		r, err := target.Measure(t.Context(), measurement())
		if err != nil || r.FP16 == nil || *r.FP16 != got || r.Answers == nil || r.Answers.Differ > 0 {
			t.Errorf("%s: %v, %+v, %+v", fault, err, r.FP16, r.Answers)
		}
		if wrong := r.WrongAnswers(false) != ""; wrong != (agree == 0) || r.WrongAnswers(true) != "" {
			t.Errorf("%s: %q, accepted %q", fault, r.WrongAnswers(false), r.WrongAnswers(true))
		}
		s.Precision = knob.FullPrecision
		if _, err := target.Apply(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if r, err = target.Measure(t.Context(), measurement()); err != nil || r.FP16 != nil || r.Answers == nil || r.Answers.Differ > 0 {
			t.Errorf("%s in fp32: %v, %+v, %+v", fault, err, r.FP16, r.Answers)
		}
	}
}

// TestOptionsAsKnobs: options that a plan varies are in force after an apply, also in a child that
// is started again, and the target reports them.
func TestOptionsAsKnobs(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	start := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager, Arena: "off"}}
	target, err := local.Start(t.Context(), local.Config{
		Command: []string{self, numbersEngine}, Env: os.Environ(), Log: io.Discard, Start: start, Options: []knob.Name{"spin", "inter_op"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close(t.Context()) //nolint:errcheck // the child is gone either way
	info, err := target.Info(t.Context())
	if err != nil || info.Options != start.Options || len(info.Limits.Own) != 2 {
		t.Errorf("%v, %+v, %+v", err, info.Options, info.Limits.Own)
	}
	s := info.Current
	s.Own = "inter_op=2 spin=off"
	want := start.Options
	want.Spin, want.InterOp = "off", 2
	done, err := target.Apply(t.Context(), s)
	if err != nil || done.Settings != s || done.Options == nil || *done.Options != want {
		t.Errorf("%v, %+v, %v", err, done.Settings, done.Options)
	}
	m := measurement()
	m.FreshServer = true // ends the child, in which other settings were in force
	if _, err := target.Measure(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if info, err = target.Info(t.Context()); err != nil || info.Current != s || info.Options != start.Options {
		t.Errorf("in a new child: %v, %+v, %+v", err, info.Current, info.Options)
	}
	s.Own = "inter_op=1 spin=on"
	want.Spin, want.InterOp = "on", 1
	if done, err = target.Apply(t.Context(), s); err != nil || done.Settings != s || *done.Options != want {
		t.Errorf("%v, %+v, %v", err, done.Settings, done.Options)
	}
	s.Own = "spin=never"
	if _, err = target.Apply(t.Context(), s); err == nil {
		t.Error("spin=never was accepted")
	}
}
