package simulated_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/backend/simulated"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/servicetime"
	"sweetspot/engine/tensor"
)

const text = "workers,device,precision,batch,ms,spread,source\n"

// model returns a model of a table with those rows.
func model(t testing.TB, rows string) *engine.Model {
	t.Helper()
	tab, err := servicetime.Parse(strings.NewReader(text + rows))
	if err != nil {
		t.Fatal(err)
	}
	return simulated.Model("paper", "sim:paper", tab)
}

func settings() knob.Config {
	c := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
	c.BatchSize = 8
	return c
}

func open(t testing.TB, m *engine.Model) engine.Session {
	t.Helper()
	s, err := new(simulated.Backend).Open(context.Background(), m, settings())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func items(n int) []tensor.Item {
	out := make([]tensor.Item, n)
	for i := range out {
		out[i] = tensor.Item{{Type: tensor.Float32, Shape: []int64{4}, Data: bytes.Repeat([]byte{byte(i)}, 16)}}
	}
	return out
}

// A batch takes at least its time, and its outputs are copies of the inputs.
func TestRun(t *testing.T) {
	s := open(t, model(t, "1,cpu,fp32,1,2,,\n1,cpu,fp32,3,6.5,,\n"))
	for n, want := range map[int]time.Duration{1: 2 * time.Millisecond, 2: 4250 * time.Microsecond, 3: 6500 * time.Microsecond} {
		in, out := items(n), make([]payload.Result, n)
		start := time.Now()
		if err := s.Run(t.Context(), payload.OfItems(in...), out); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < want {
			t.Errorf("a batch of %d took %v, want %v at least", n, took, want)
		}
		for i := range out {
			if diff := cmp.Diff(in[i], out[i].Outputs); diff != "" || out[i].Err != nil {
				t.Errorf("item %d: %v (-in +out):\n%s", i, out[i].Err, diff)
			}
			if &in[i][0].Data[0] == &out[i].Outputs[0].Data[0] {
				t.Errorf("item %d: the output is the input's memory", i)
			}
		}
	}
	if s.Shared() {
		t.Error("Shared() = true, want a session for each worker")
	}
}

func TestRunEnds(t *testing.T) {
	s := open(t, model(t, "1,cpu,fp32,1,3600000,,\n"))
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := s.Run(ctx, payload.OfItems(items(1)...), make([]payload.Result, 1)); !errors.Is(err, cause) {
		t.Errorf("Run after the context's end: %v, want %v", err, cause)
	}
	if err := s.Run(t.Context(), payload.OfItems(items(2)...), make([]payload.Result, 1)); err == nil {
		t.Error("Run accepted 2 items with 1 result")
	}
}

func TestOpenErrors(t *testing.T) {
	m := model(t, "1,gpu,fp16,1,5,,\n")
	want := "sim:paper: no times for cpu, fp32; the table has gpu fp16"
	if _, err := new(simulated.Backend).Open(t.Context(), m, settings()); err == nil || err.Error() != want {
		t.Errorf("Open on a CPU: %v, want %s", err, want)
	}
	broken := *m
	broken.Bytes = []byte("nothing")
	if _, err := new(simulated.Backend).Open(t.Context(), &broken, settings()); err == nil {
		t.Error("Open accepted a broken table")
	}
}

// The engine serves the model and changes its settings.
func TestEngine(t *testing.T) {
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{simulated.Name: new(simulated.Backend)}, Cores: 1})
	t.Cleanup(func() {
		if err := e.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	m := model(t, "1,cpu,fp32,1,1,,\n1,gpu,fp16,1,1,,\n2,gpu,fp16,1,2,,\n")
	if err := e.Load(t.Context(), m, settings()); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("paper", "")
	if err != nil {
		t.Fatal(err)
	}
	next := s.Config().Settings
	next.Workers, next.Device, next.Precision, next.BatchDelay = 2, "gpu", knob.HalfPrecision, time.Millisecond
	if err := s.Apply(t.Context(), next, func(engine.Step) {}); err != nil {
		t.Fatal(err)
	}
	in := items(1)[0]
	got, timing, err := s.Submit(t.Context(), in)
	if diff := cmp.Diff(in, got); diff != "" || err != nil {
		t.Errorf("Submit: %v (-in +out):\n%s", err, diff)
	}
	if timing.Execution < 2*time.Millisecond {
		t.Errorf("execution %v, want the 2 ms of 2 workers at least", timing.Execution)
	}
}

// More open sessions make the batches of all workers slower, fewer make them faster.
func TestWorkersSlowEachOther(t *testing.T) {
	m := model(t, "1,cpu,fp32,1,1,,\n2,cpu,fp32,1,4,,\n")
	b, c := new(simulated.Backend), settings()
	runAtLeast := func(s engine.Session, want time.Duration) {
		t.Helper()
		start := time.Now()
		if err := s.Run(t.Context(), payload.OfItems(items(1)...), make([]payload.Result, 1)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < want {
			t.Errorf("a batch took %v, want %v at least", took, want)
		}
	}
	var sessions []engine.Session
	for _, workers := range []int{1, 2, 2} { // the third belongs to a pool that replaces the first
		c.Workers = workers
		s, err := b.Open(t.Context(), m, c)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	runAtLeast(sessions[0], 4*time.Millisecond)
	for _, s := range sessions[1:] {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	runAtLeast(sessions[0], time.Millisecond)
}

// BenchmarkRun reports how late the end of a batch of 1 ms is.
func BenchmarkRun(b *testing.B) {
	s := open(b, model(b, "1,cpu,fp32,1,1,,\n"))
	in, out := items(1), make([]payload.Result, 1)
	for b.Loop() {
		if err := s.Run(context.Background(), payload.OfItems(in...), out); err != nil {
			b.Fatal(err)
		}
	}
	late := b.Elapsed()/time.Duration(b.N) - time.Millisecond
	b.ReportMetric(float64(late)/float64(time.Microsecond), "us-late")
}
