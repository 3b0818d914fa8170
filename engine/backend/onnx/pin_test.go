package onnx

import "testing"

func TestAffinities(t *testing.T) {
	for want, group := range map[string][]int{"": nil, "1,3": {0, 2}, "5,6,7;5,6,7": {4, 5, 6}} {
		if got := affinities(group); got != want {
			t.Errorf("affinities(%v) = %q, want %q", group, got, want)
		}
	}
	if got := affinities([]int{3}); got != "" { // the only thread is the caller's
		t.Errorf("one core: %q", got)
	}
}
