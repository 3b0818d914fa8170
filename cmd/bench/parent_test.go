package main

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParent: the real program uses processor time with a screen and without, and less than a core.
func TestParent(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and starts the program")
	}
	got, fields := figureLines(t, "parent")
	if diff := cmp.Diff([]string{"parent.cpu.screen-off", "parent.cpu.screen-on"}, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	for name, f := range fields {
		if share, err := strconv.ParseFloat(f[1], 64); err != nil || share <= 0 || share >= 1 {
			t.Errorf("%s: %q, want a share above 0 and below 1", name, f)
		}
	}
}
