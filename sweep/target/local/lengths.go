package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/handler"
	"sweetspot/engine/lengths"
	"sweetspot/engine/tensor"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// How many different bodies are made and sent. Those of a mixture of lengths are more, so
// that they have its distribution, as far as they fit mixedBytes.
const (
	distinct   = 16
	mixed      = 512
	mixedBytes = 64 << 20
)

// bodies makes the bodies of requests from a model's inputs. Open dimensions have sizes drawn
// from the model's lengths.
func bodies(m control.Model, seed uint64) ([]load.Body, error) {
	s, err := samplerOf(m)
	if err != nil {
		return nil, err
	}
	var out []load.Body
	if !s.Open() {
		for _, b := range handler.Bodies(m.Inputs, distinct, seed) {
			out = append(out, load.Body{Type: b.Type, Data: b.Data})
		}
		return out, nil
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for size := 0; len(out) < distinct || len(out) < mixed && size < mixedBytes; {
		b := handler.BodyOf(m.Inputs, s.Item(rng))
		out = append(out, load.Body{Type: b.Type, Data: b.Data})
		size += len(b.Data)
	}
	return out, nil
}

// samplerOf returns the lengths that the child says requests of the model have.
func samplerOf(m control.Model) (lengths.Sampler, error) {
	shapes := map[string]lengths.Shape{}
	for name, text := range m.LoadLengths {
		s, err := lengths.ParseShape(text, os.ReadFile)
		if err != nil {
			return lengths.Sampler{}, fmt.Errorf("lengths of %s: %w", name, err)
		}
		shapes[name] = s
	}
	return lengths.For(m.Inputs, nil, shapes)
}

// lengthsText describes the lengths of made requests; "" without open dimensions.
func lengthsText(m control.Model) string {
	s, err := samplerOf(m)
	if err != nil || !s.Open() {
		return ""
	}
	return s.String()
}

// bodyLengths returns the lengths of the bodies; nil unless the model has one length and every
// body can be decoded.
func bodyLengths(m control.Model, bodies []load.Body) *sweep.BodyLengths {
	all := tensor.Lengths(m.Inputs)
	if len(all) != 1 {
		return nil
	}
	out := &sweep.BodyLengths{Padded: m.Padded, Buckets: m.Buckets}
	d := all[0].Dims[0]
	for _, b := range bodies {
		item, err := handler.Decode(b.Type, b.Data, m.Inputs)
		if err != nil {
			return nil
		}
		out.Lengths = append(out.Lengths, item[d.Tensor].Shape[d.Axis])
	}
	return out
}

// lengthWatch compares the child's counters before and after a measurement. The zero value,
// for models without open dimensions, compares nothing.
type lengthWatch struct {
	before *engine.Stats
	peakMB trial.Num
}

// watchLengths begins to watch. The lock is held.
func (t *Target) watchLengths(ctx context.Context) lengthWatch {
	if tensor.Lengths(t.info.Model.Inputs) == nil {
		return lengthWatch{}
	}
	s, err := t.client.stats(ctx)
	if err != nil || s.Lengths == nil {
		return lengthWatch{}
	}
	return lengthWatch{&s, scaledOf(t.monitor.Latest().Host.PeakRSSBytes, mb)}
}

// end adds what was counted to out. The lock is held.
func (w lengthWatch) end(ctx context.Context, t *Target, out *trial.Result) {
	if w.before == nil {
		return
	}
	s, err := t.client.stats(ctx)
	if err != nil || s.Lengths == nil {
		return
	}
	l := lengthsBetween(*w.before, s)
	if peak, ok := out.Use.RSSMB.Get(); ok && w.peakMB.OK() {
		l.GrownMB = trial.NumOf(max(0, peak-w.peakMB.Or(0)))
	}
	out.Lengths = &l
	if text := growth(l, out.Use.RSSMB); text != "" {
		out.Warnings = append(out.Warnings, trial.Warning{Text: text})
	}
}

// lengthsBetween returns the shares of what ran between two readings of the counters.
func lengthsBetween(was, now engine.Stats) trial.Lengths {
	l := trial.Lengths{NewShapes: int(now.Lengths.Shapes - was.Lengths.Shapes)}
	if n := float64(now.Batches - was.Batches); n > 0 {
		l.Split = trial.NumOf(float64(now.Lengths.SplitBatches-was.Lengths.SplitBatches) / n)
		l.Runs = trial.NumOf(float64(now.Lengths.Runs-was.Lengths.Runs) / n)
	}
	if n := float64(now.Lengths.Elements - was.Lengths.Elements); n > 0 {
		l.Padding = trial.NumOf(float64(now.Lengths.PaddedElements-was.Lengths.PaddedElements) / n)
	}
	return l
}

// WatchLengths counts how the batches of live load run. The function that it returns has the shares
// since then; it is nil for a model without open dimensions.
func (t *Target) WatchLengths(ctx context.Context) func(context.Context) *trial.Lengths {
	t.mu.Lock()
	open, cl := tensor.Lengths(t.info.Model.Inputs) != nil, t.client
	t.mu.Unlock()
	if !open {
		return nil
	}
	was, err := cl.stats(ctx)
	if err != nil || was.Lengths == nil {
		return nil
	}
	return func(ctx context.Context) *trial.Lengths {
		now, err := cl.stats(ctx)
		if err != nil || now.Lengths == nil || now.Batches == was.Batches {
			return nil
		}
		l := lengthsBetween(was, now)
		return &l
	}
}

// Memory that grows less than this is not worth a warning.
const (
	grownLeastMB    = 16
	grownLeastShare = .05
)

// growth says that the memory grew with new shapes, or "".
func growth(l trial.Lengths, rss trial.Num) string {
	grown, total := l.GrownMB.Or(0), rss.Or(0)
	if l.NewShapes == 0 || grown < grownLeastMB || grown < grownLeastShare*total {
		return ""
	}
	return fmt.Sprintf("memory grew by %.0f MB to %.0f MB while %d shapes ran for the first time: the runtime keeps what each new shape needs; "+
		"buckets bound the number of shapes, and constraints: memory_mb the memory", grown, total, l.NewShapes)
}
