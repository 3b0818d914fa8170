package local

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// TestDrain: it returns when nothing is queued and no batch is executed, and when its context ends.
func TestDrain(t *testing.T) {
	states, looks := [][2]int{{3, 8}, {0, 3}, {0, 0}}, 0
	target := targetOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/engine/v1/stats" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		s := states[min(looks, len(states)-1)]
		looks++
		_, _ = io.WriteString(w, fmt.Sprintf(`{"models":{"m/1":{"queue":%d,"in_flight":%d}}}`, s[0], s[1]))
	})
	if err := target.Drain(t.Context()); err != nil || looks != len(states) {
		t.Errorf("Drain = %v after %d looks, want %d", err, looks, len(states))
	}
	looks, states = 0, [][2]int{{0, 8}}
	ctx, cancel := context.WithTimeout(t.Context(), 3*drainPoll)
	defer cancel()
	if err := target.Drain(ctx); err == nil {
		t.Error("a batch runs, and Drain returned nil")
	}
}
