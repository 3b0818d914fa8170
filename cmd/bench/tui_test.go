package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTUI(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and starts the program")
	}
	names, _ := figureLines(t, "tui")
	want := []string{
		"tui.frame.live.120x36", "tui.frame.sweep.120x36", "tui.frame.frontier.120x36", "tui.frame.profiles.120x36",
		"tui.frame.live.200x60", "tui.frame.sweep.200x60", "tui.frame.frontier.200x60", "tui.frame.profiles.200x60",
		"tui.growth", "tui.cpu.10-fps", "tui.written.10-fps", "tui.allocated.10-fps", "tui.cpu.4-fps", "tui.written.4-fps", "tui.allocated.4-fps",
		"tui.first-frame", "tui.key", "tui.effect.p99", "tui.effect.share",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

// BenchmarkFrame builds a frame of a view and finds its difference from the last one.
func BenchmarkFrame(b *testing.B) {
	f, err := newFeed()
	if err != nil {
		b.Fatal(err)
	}
	for v, key := range viewKeys {
		b.Run(viewNames[v], func(b *testing.B) {
			s := newFrameLoop(f, 120, 36, key)
			b.ReportAllocs()
			for b.Loop() {
				s.frame()
			}
		})
	}
}
