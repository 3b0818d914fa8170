package local

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Blocks have no gaps and last at least 400 ms.
func TestDisturbanceBlocks(t *testing.T) {
	const ms = time.Millisecond
	n := newDisturbanceRecorder(os.Getpid())
	for _, elapsed := range []time.Duration{250 * ms, 500 * ms, 750 * ms, 1300 * ms, 1400 * ms} {
		n.block(elapsed)
	}
	type span struct{ From, To time.Duration }
	var got []span
	for _, b := range n.finish() { // at once, so that there is no further block
		got = append(got, span{b.From, b.To})
	}
	if d := cmp.Diff([]span{{0, 500 * ms}, {500 * ms, 1300 * ms}}, got); d != "" {
		t.Errorf("blocks (-want +got):\n%s", d)
	}
}

func TestNoDisturbanceBlocksWithoutRun(t *testing.T) {
	if got := newDisturbanceRecorder(os.Getpid()).finish(); len(got) != 0 {
		t.Errorf("%d blocks of a run that did not begin", len(got))
	}
}
