//go:build !race

package inference_test

import "testing"

// The handler's own share of the goal of 8 allocations a request; the fake
// backend makes 2 for its answer. The race detector makes pools forget, so it is
// not there under it.
func TestAllocations(t *testing.T) {
	_, _, h := start(t, nil)
	const goal, backend = 8, 2
	if n := testing.AllocsPerRun(200, exchange(t, h)); n > goal+backend {
		t.Errorf("%v allocations a request, want at most %d and the backend's %d", n, goal, backend)
	}
}
