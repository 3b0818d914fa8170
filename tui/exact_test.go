//go:build !race

package tui

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// For all snapshots, sizes and keys the frame is h lines of w cells, and nothing panics.
func TestFramesAreExact(t *testing.T) {
	r := random{rand.New(rand.NewPCG(8, 1))}
	for i := range 250 {
		w, h := 40+r.IntN(161), 10+r.IntN(51)
		if i%10 == 0 {
			w, h = 1+r.IntN(90), 1+r.IntN(30)
		}
		sc := newScreen(t, w, h, r.snapshot())
		sc.ASCII, sc.ReduceMotion = r.IntN(4) == 0, r.IntN(4) == 0
		what := fmt.Sprintf("snapshot %d", i)
		requireExactSize(t, sc, w, h, what)
		for range r.IntN(8) {
			k := allKeys[r.IntN(len(allKeys))]
			what += " " + k
			sc.press(k)
			requireExactSize(t, sc, w, h, what)
		}
		sc.workbench.snap = r.snapshot()
		sc.clock = sc.clock.Add(time.Second)
		sc.send(tickMsg{})
		requireExactSize(t, sc, w, h, what+", then another snapshot")
		sc.send(tea.MouseClickMsg{X: r.IntN(w), Y: r.IntN(h)})
		w, h = 40+r.IntN(161), 10+r.IntN(51)
		sc.send(tea.WindowSizeMsg{Width: w, Height: h})
		requireExactSize(t, sc, w, h, what+", resized")
		Summary(sc.workbench.snap)
	}
}
