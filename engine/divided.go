package engine

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"

	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
)

// LengthStats counts the runs of the batches of a model with open dimensions or side inputs.
// All are monotone. Warm-ups do not count.
type LengthStats struct {
	Runs           int64 `json:"runs"`            // of all batches; each has rows of equal shape, after padding, and equal side inputs
	SplitBatches   int64 `json:"split_batches"`   // batches with more than one run
	Elements       int64 `json:"elements"`        // of the inputs of all runs, with the padding
	PaddedElements int64 `json:"padded_elements"` // of these, the padding
	Shapes         int64 `json:"shapes"`          // different sizes of the open dimensions, as run; counted up to maxShapes
}

// maxShapes bounds the memory for counting shapes.
const maxShapes = 1 << 16

// lengthCounters are the counters of LengthStats.
type lengthCounters struct {
	runs, split, elements, padded atomic.Int64

	mu     sync.Mutex // guards shapes
	shapes map[uint64]struct{}
	seed   maphash.Seed
}

func newLengthCounters() *lengthCounters {
	return &lengthCounters{shapes: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
}

// count counts the runs of one batch. It allocates only for shapes that are new.
func (c *lengthCounters) count(all []runs.Run, w runs.Work) {
	c.runs.Add(w.Runs)
	c.elements.Add(w.Elements)
	c.padded.Add(w.Padding)
	if w.Runs > 1 {
		c.split.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range all {
		if len(c.shapes) >= maxShapes {
			return
		}
		c.shapes[c.hash(all[i].Shape())] = struct{}{}
	}
}

func (c *lengthCounters) hash(sizes []int64) uint64 {
	h := uint64(len(sizes))
	for _, n := range sizes {
		h = maphash.Comparable(c.seed, [2]uint64{h, uint64(n)})
	}
	return h
}

// snapshot returns the counters; nil for a model without open dimensions.
func (c *lengthCounters) snapshot() *LengthStats {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &LengthStats{
		Runs: c.runs.Load(), SplitBatches: c.split.Load(), Elements: c.elements.Load(),
		PaddedElements: c.padded.Load(), Shapes: int64(len(c.shapes)),
	}
}

// dividedSession is a session of a model with open dimensions or side inputs: it divides each
// batch into runs of equal shape and equal side inputs. Sessions of other models are used as
// they are.
type dividedSession struct {
	Session // the backend's
	runs    *runs.Session
	count   func([]runs.Run, runs.Work)
}

func newDividedSession(s Session, m *Model, sides *runs.Sides, c *lengthCounters) *dividedSession {
	return &dividedSession{s, runs.NewSession(s, m.Inputs, m.SideInputs(), m.Padding).Verify(sides), c.count}
}

// newSides returns what is known about the side inputs of m; nil if it has none. Values for
// single rows are logged.
func newSides(m *Model, log *slog.Logger) *runs.Sides {
	at := m.SideInputs()
	if at == nil {
		return nil
	}
	return runs.NewSides(at, m.SideValues, m.Samples, func(v runs.SideValue) {
		log.Warn("requests with this side input run one by one", "model", m.Name, "value", m.SideText(v), "why", v.Why)
	})
}

// Run executes and counts a batch.
func (d *dividedSession) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	return d.runs.RunCounted(ctx, in, out, d.count)
}

// ConversionReport is that of the backend's session.
func (d *dividedSession) ConversionReport() (clipped int64, note string) {
	if r, ok := d.Session.(PrecisionReporter); ok {
		return r.ConversionReport()
	}
	return 0, ""
}

// Place is that of the backend's session.
func (d *dividedSession) Place() string {
	if p, ok := d.Session.(Placed); ok {
		return p.Place()
	}
	return ""
}

// uncounted returns the session for runs that do not answer requests.
func uncounted(s Session) runs.Runner {
	if d, ok := s.(*dividedSession); ok {
		return d.runs
	}
	return s
}
