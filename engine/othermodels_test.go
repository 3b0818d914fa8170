package engine_test

import (
	"context"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/knob"
)

// sized is a backend whose sessions take 100 bytes each and spin by default.
type sized struct {
	doubler
	spins []string // the option spin of each session
}

func (*sized) Estimate(_ *engine.Model, c knob.Config) int64 { return 100 * int64(c.Workers) }
func (*sized) Spins() bool                                   { return true }

func (b *sized) Open(ctx context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	b.spins = append(b.spins, c.Spin)
	return b.doubler.Open(ctx, m, c)
}

// The other models of an engine count for the limits of memory and cores.
func TestOtherModelsCount(t *testing.T) {
	b := &sized{}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": b}, Cores: 4, MemoryBytes: 450})
	defer func() { _ = e.Close(context.WithoutCancel(t.Context())) }()
	load := func(name string, workers, threads int) error {
		m := model()
		m.Name = name
		c := config(workers, 1, ms)
		c.Threads = threads
		return e.Load(t.Context(), m, c)
	}
	if err := load("first", 2, 1); err != nil {
		t.Fatal(err)
	}
	if err := load("second", 3, 1); err == nil || !strings.Contains(err.Error(), "beside the 0 MB of other models") {
		t.Errorf("500 bytes with a limit of 450: %v", err)
	}
	if err := load("second", 2, 2); err != nil {
		t.Errorf("400 bytes with a limit of 450: %v", err)
	}
	if got := strings.Join(b.spins, ","); got != ",off" {
		t.Errorf("spin %q: six threads of two models on four cores, want it off for the second", got)
	}
	s, err := e.Find("first", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scale(t.Context(), 3, 3, nil); err == nil {
		t.Error("a third worker was added, which makes 500 bytes with a limit of 450")
	}
	if err := e.Unload(t.Context(), "second", ""); err != nil {
		t.Error(err)
	}
	if err := s.Scale(t.Context(), 1, 3, nil); err != nil || s.Config().Workers != 2 {
		t.Errorf("Scale(1, 3) = %v, %d workers", err, s.Config().Workers)
	}
	if low, high := s.Bounds(); low != 1 || high != 3 {
		t.Errorf("bounds %d to %d", low, high)
	}
	if err := s.Scale(t.Context(), 4, 3, nil); err == nil {
		t.Error("minimum 4 and maximum 3 were accepted")
	}
}
