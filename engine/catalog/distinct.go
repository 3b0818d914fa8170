package catalog

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// Bounds of the search for examples with other answers.
const (
	distinctTime  = 300 * time.Millisecond
	distinctSeeds = 8
)

// outputsDiffer reports whether some of the examples have different answers. If not, a batch that mixes
// them up looks right.
func outputsDiffer(list []example) bool {
	return slices.ContainsFunc(list, func(e example) bool { return runs.Distance(e.whole, list[0].whole) > 0 })
}

// addDistinct adds to a list whose answers are all equal made-up examples with another answer, if some
// are found: a model may compare with a threshold that usual values do not reach.
func (v *verifier) addDistinct(l *layout, e examples, list []example) []example {
	if outputsDiffer(list) {
		return list
	}
	rng, begin := rand.New(rand.NewPCG(4, 4)), time.Now()
	specs := likeItem(e.specs, list[0].item)
	for _, scale := range []float64{1, 10, 1e3, 1e5, .1} {
		for range distinctSeeds {
			if time.Since(begin) > distinctTime || v.ctx.Err() != nil {
				return list
			}
			item := tensor.Sampler{Scale: scale}.Item(specs, rng)
			l.copySide(item, list[0].item)
			whole, err := v.runAlone(l, item)
			if err != nil || runs.Distance(whole, list[0].whole) == 0 || !sameWholes(whole, list[0].whole) {
				continue
			}
			if list = append(list, example{item, whole, true}); len(list) >= len(samplers) {
				return list
			}
		}
		if outputsDiffer(list) {
			return list
		}
	}
	return list
}

// sameWholes reports whether the outputs have equal sizes, so that one description fits both.
func sameWholes(a, b []tensor.Tensor) bool {
	return slices.EqualFunc(a, b, func(x, y tensor.Tensor) bool { return slices.Equal(x.Shape, y.Shape) })
}

// mixError means that a batch of some length is wrong although others are right.
type mixError struct{ error }

func (e *mixError) Unwrap() error { return e.error }

// otherLengths are lengths at which a pair is compared beside those of the samples: a model may
// treat short texts differently.
var otherLengths = []int64{1, 2, 3, 4, 5, 6, 7, 12, 20, 33, 50, 100}

// verifyLengths compares a pair at other lengths, for a moment. A length that does not run is
// none of the model.
func (t *sizeSearch) verifyLengths(v *verifier, l *layout, m *engine.Model) error {
	if t.candidates()[0] != textSizes[0] {
		return nil // images have few sizes
	}
	n, begin := len(tensor.Lengths(m.Inputs)), time.Now()
	for _, size := range otherLengths {
		if time.Since(begin) > distinctTime {
			break
		}
		err := v.verifyPair(l, m, slices.Repeat([]int64{size}, n))
		if isMixed(err) || v.ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// verifyPair compares two made-up items of these sizes with each alone. A mixError means that
// they ran alone and that a batch of them is wrong.
func (v *verifier) verifyPair(l *layout, m *engine.Model, sizes []int64) (err error) {
	if !m.BatchAxis {
		return nil
	}
	s, err := v.probe.Session(v.ctx, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	c := runs.Check{Runner: s}
	rng, specs := rand.New(rand.NewPCG(6, 6)), tensor.WithLengths(m.Inputs, sizes)
	for range 2 {
		item := tensor.SampleItem(specs, rng)
		setSide(m, item)
		if len(c.Items) > 0 {
			m.ShareSide(item, c.Items[0]) // its sizes may be open too
		}
		whole, err := v.runAlone(l, item)
		if err != nil {
			return v.ctx.Err() // it is a matter of luck
		}
		c.Items, c.Alone = append(c.Items, item), append(c.Alone, itemOutputs(m, whole))
	}
	if err := checkEntries(m, c.Alone); err != nil {
		return nil // the sizes run, and show nothing about a batch
	}
	if err := c.Run(v.ctx); err != nil && v.ctx.Err() == nil {
		return &mixError{err}
	}
	return nil
}
