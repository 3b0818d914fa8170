package server

import "testing"

// Samples measure the machine, with or without GPUs, also at the same time and after the end.
func TestHostSampler(t *testing.T) {
	h := newHostSampler()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.sample()
	}()
	s := h.sample()
	<-done
	if v, ok := s.MemoryUsed.Get(); !ok || v <= 0 {
		t.Errorf("memory %v", s.MemoryUsed)
	}
	for _, g := range s.GPUs {
		if _, ok := g.Percent.Get(); !ok && g.Reason == "" {
			t.Errorf("a GPU without figures or a reason: %+v", g)
		}
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
	if s := h.sample(); len(s.GPUs) != 0 {
		t.Errorf("%d GPUs after the end", len(s.GPUs))
	}
}
