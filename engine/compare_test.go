package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// precisions is a backend with both precisions: fp16 adds 1e-4 to every number, or
// returns wrong answers. 100 items of a batch take 1 MB.
type precisions struct {
	own, wrong, broken bool
	open               atomic.Int64

	mu     sync.Mutex
	opened []string // device and precision of each session
	full   string   // the device without memory for other sessions
}

func (b *precisions) CheckReload(_ *engine.Model, c knob.Config) error {
	if c.Device == b.full {
		return errors.New("no memory left on " + c.Device)
	}
	return nil
}

type precisionsSession struct {
	b    *precisions
	half bool
}

func (b *precisions) Open(_ context.Context, _ *engine.Model, c knob.Config) (engine.Session, error) {
	b.open.Add(1)
	b.mu.Lock()
	b.opened = append(b.opened, c.Device+" "+c.Precision.String())
	b.mu.Unlock()
	return &precisionsSession{b, c.Precision == knob.HalfPrecision}, nil
}

func (b *precisions) Estimate(_ *engine.Model, c knob.Config) int64 {
	return int64(c.Workers*c.BatchSize) * 1e4
}

func (b *precisions) Operators(_ context.Context, m *engine.Model, c knob.Config, runs int) (engine.OperatorProfile, error) {
	if b.broken {
		return engine.OperatorProfile{}, errors.New("no profile")
	}
	return engine.OperatorProfile{Runs: runs, Batch: c.BatchSize, Operators: []engine.OperatorTime{{Name: m.Name, Calls: c.Workers}}}, nil
}

func (s *precisionsSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		item := in[i].Item
		v := value(item)
		switch {
		case s.half && s.b.broken && len(in) == 1:
			return errors.New("no single items")
		case s.half && s.b.wrong:
			v = -v
		case s.half:
			v += 1e-4
		}
		out[i].Outputs = itemOf(v)
	}
	return nil
}

// Place is only shown in steps.
func (s *precisionsSession) Place() string {
	if s.half {
		return "gpu:1 (test)"
	}
	return ""
}

func (s *precisionsSession) Shared() bool { return !s.b.own }
func (s *precisionsSession) Close() error { s.b.open.Add(-1); return nil }

func (s *precisionsSession) ConversionReport() (int64, string) {
	if s.half {
		return 3, "slower"
	}
	return 0, ""
}

func servePrecisions(t *testing.T, b *precisions, memory int64) (*engine.ModelService, func()) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": b}, Cores: 8, MemoryBytes: memory})
	if err := e.Load(t.Context(), model(), config(1, 1, ms)); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := b.open.Load(); n != 0 {
			t.Errorf("%d sessions left open", n)
		}
	}
}

func apply(t *testing.T, s *engine.ModelService, change func(*knob.Settings)) (steps []string, err error) {
	t.Helper()
	want := s.Config().Settings
	change(&want)
	err = s.Apply(t.Context(), want, func(st engine.Step) { steps = append(steps, st.What) })
	return steps, err
}

func TestPrecisionsAreCompared(t *testing.T) {
	for name, tc := range map[string]struct {
		b    *precisions
		want string
	}{
		"shared": {&precisions{}, "fp16 agrees on 16 of 16 samples; largest difference 0.13%; 3 clipped values; slower"},
		"own":    {&precisions{own: true}, "fp16 agrees on 16 of 16 samples; largest difference 0.13%; 3 clipped values; slower"},
		"wrong":  {&precisions{wrong: true}, "fp16 agrees on 0 of 16 samples; largest difference 200%; 3 clipped values; slower"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, done := servePrecisions(t, tc.b, 0)
				defer done()
				steps, err := apply(t, s, func(k *knob.Settings) { k.Precision = knob.HalfPrecision })
				want := []string{"open fp16 on cpu", "warm worker 1 of 1 on gpu:1 (test)", tc.want, "drain the old pool"}
				if diff := cmp.Diff(want, steps); diff != "" || err != nil {
					t.Fatalf("%v; steps (-want +got)\n%s", err, diff)
				}
				steps, err = apply(t, s, func(k *knob.Settings) { k.Precision = knob.FullPrecision })
				if err != nil || len(steps) != 3 {
					t.Errorf("back: %v, %q; want no comparison", err, steps)
				}
				if a, ok := s.Agreement(); !ok || a.String() != strings.TrimSuffix(tc.want, "; slower") {
					t.Errorf("Agreement = %v, %v", a, ok)
				}
				steps, err = apply(t, s, func(k *knob.Settings) { k.Threads = 2 })
				if err != nil || len(steps) != 3 {
					t.Errorf("a reload of the same precision: %v, %q", err, steps)
				}
			})
		})
	}
}

// TestComparedOnTheDevice: a change of the device and of the precision compares both precisions on the new
// device, because only that shows what its FP16 does.
func TestComparedOnTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &precisions{}
		s, done := servePrecisions(t, b, 0)
		defer done()
		steps, err := apply(t, s, func(k *knob.Settings) { k.Device, k.Precision = "gpu", knob.HalfPrecision })
		if err != nil || len(steps) != 4 || !strings.HasPrefix(steps[2], "fp16 agrees on 16 of 16") {
			t.Fatalf("steps %q, %v", steps, err)
		}
		if diff := cmp.Diff([]string{"cpu fp32", "gpu fp16", "gpu fp32"}, b.opened); diff != "" {
			t.Errorf("sessions (-want +got):\n%s", diff)
		}
		if _, ok := s.Agreement(); !ok {
			t.Error("the comparison is not kept for the device")
		}
	})
}

// TestCheckReload: a change that needs other sessions is refused before one is opened, one that
// does not is not.
func TestCheckReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &precisions{full: "gpu"}
		s, done := servePrecisions(t, b, 0)
		defer done()
		if _, err := apply(t, s, func(k *knob.Settings) { k.Device = "gpu" }); err == nil || err.Error() != "no memory left on gpu" {
			t.Errorf("Apply = %v", err)
		}
		b.full = "cpu"
		if _, err := apply(t, s, func(k *knob.Settings) { k.BatchSize = 4 }); err != nil {
			t.Errorf("a change of the batch size needs no other session: %v", err)
		}
		if len(b.opened) != 1 {
			t.Errorf("sessions %q, want the first only", b.opened)
		}
	})
}

func TestFailedComparisonKeepsTheSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &precisions{broken: true}
		s, done := servePrecisions(t, b, 0)
		defer done()
		if _, err := apply(t, s, func(k *knob.Settings) { k.BatchSize = 2 }); err != nil {
			t.Fatal(err)
		}
		_, err := apply(t, s, func(k *knob.Settings) { k.Precision = knob.HalfPrecision })
		if err == nil || s.Config().Precision != knob.FullPrecision {
			t.Errorf("Apply = %v, in force %s", err, s.Config().Precision)
		}
		if b.open.Load() != 1 {
			t.Errorf("%d sessions are open, want the one in force", b.open.Load())
		}
	})
}

func TestMemoryIsEstimated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := servePrecisions(t, &precisions{}, 10e6) // 1000 items in batches
		defer done()
		for _, tc := range []struct {
			name   string
			change func(*knob.Settings)
			want   string // "" is possible
		}{
			{"resize that fits", func(k *knob.Settings) { k.Workers, k.BatchSize = 10, 60 }, ""},
			{"resize", func(k *knob.Settings) { k.Workers = 20 }, "not enough memory: 20 workers, batch 60, delay 1 ms, fp32, cpu, 1 thread needs at least 12 MB, and the container has 10 MB; use fewer workers, smaller batches or a shared session"},
			{"reload beside", func(k *knob.Settings) { k.Precision = knob.HalfPrecision }, "not enough memory: 10 workers, batch 60, delay 1 ms, fp16, cpu, 1 thread needs at least 6 MB beside the 6 MB of the settings in force, which keep serving meanwhile, and the container has 10 MB; use fewer workers, smaller batches or a shared session"},
			{"smaller reload beside", func(k *knob.Settings) { k.Precision, k.Workers = knob.HalfPrecision, 5 }, ""},
		} {
			before := s.Config()
			_, err := apply(t, s, tc.change)
			switch {
			case tc.want == "" && err != nil, tc.want != "" && (err == nil || err.Error() != tc.want):
				t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
			case tc.want != "" && s.Config() != before:
				t.Errorf("%s: a refused change is in force", tc.name)
			}
		}
	})
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": &precisions{}}, MemoryBytes: 9e6})
	err := e.Load(t.Context(), model(), config(10, 100, ms))
	if want := "load m: not enough memory: 10 workers, batch 100, delay 1 ms, fp32, cpu, 1 thread needs at least 10 MB, and the container has 9 MB"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Load = %v", err)
	}
}

func TestOperators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &precisions{}
		s, done := servePrecisions(t, b, 0)
		defer done()
		if _, err := apply(t, s, func(k *knob.Settings) { k.Workers, k.BatchSize = 3, 4 }); err != nil {
			t.Fatal(err)
		}
		got, err := s.Operators(t.Context(), 7)
		want := engine.OperatorProfile{Runs: 7, Batch: 4, Operators: []engine.OperatorTime{{Name: "m", Calls: 1}}}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
		for _, runs := range []int{0, 201} {
			if _, err := s.Operators(t.Context(), runs); err == nil || !strings.Contains(err.Error(), "is outside 1-200") {
				t.Errorf("%d runs: %v", runs, err)
			}
		}
		b.broken = true
		if _, err := s.Operators(t.Context(), 1); err == nil || err.Error() != "operators: no profile" {
			t.Errorf("a profile that fails: %v", err)
		}
		other, end := serve(t, &doubler{}, config(1, 1, ms))
		defer end()
		if _, err := other.Operators(t.Context(), 1); err == nil || err.Error() != "operators: the fake backend does not report the times of operators" {
			t.Errorf("a backend without profiles: %v", err)
		}
	})
}
