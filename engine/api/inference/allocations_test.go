//go:build !race

package inference_test

import "testing"

// The handler may allocate its part of the goal of 8 allocations a request; the fake backend
// makes 2 for its answer. With the race detector, pools drop items at random, so the test
// is not built.
func TestAllocations(t *testing.T) {
	_, _, h := start(t, nil)
	const goal, backend = 8, 2
	if n := testing.AllocsPerRun(200, exchange(t, h)); n > goal+backend {
		t.Errorf("%v allocations a request, want at most %d and the backend's %d", n, goal, backend)
	}
}
