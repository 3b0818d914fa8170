package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/lengths"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// The sizes that are tried for open dimensions of which nothing is said, the best first. Texts
// run at all of them; some models take only multiples of a number, or large ones.
var (
	textSizes  = []int64{8, 128, 64, 32, 16, 4, 256, 2, 1, 512, 1024, 4096, 16000}
	imageSizes = []int64{224, 256, 128, 64, 32, 512, 640, 16, 8}
)

// sampleItems is the number of items that a model with open dimensions has for its warm-up.
const sampleItems = 64

// sizeSearch finds sizes of open dimensions with which a model runs.
type sizeSearch struct {
	inputs []tensor.Spec
	shapes map[string]lengths.Shape // what is known of the sizes, by input
	given  bool                     // the user gave them, so that every one must run
	// reopened means that they are those of --shape, and that another one has to run too
	reopened bool
	sampler  lengths.Sampler // with sizes that run, after verify
}

// newSizeSearch returns nil if no input has an open dimension.
func newSizeSearch(inputs []tensor.Spec, given, defaults map[string]lengths.Shape) (*sizeSearch, error) {
	t := &sizeSearch{inputs: inputs, shapes: given, given: len(given) > 0}
	if tensor.Lengths(inputs) == nil {
		if t.given {
			_, err := lengths.For(inputs, given, nil)
			return nil, err
		}
		return nil, nil
	}
	if !t.given {
		t.shapes = defaults
	}
	return t, nil
}

// assume completes m without having run it: with the known shapes, and the first default sizes
// for the rest.
func (t *sizeSearch) assume(m *engine.Model) (err error) {
	if t == nil {
		return nil
	}
	if t.sampler, err = lengths.For(t.inputs, t.shapes, t.mixOf(t.candidates()[:2])); err == nil {
		t.describe(m)
	}
	return err
}

// candidates are the default sizes for these inputs.
func (t *sizeSearch) candidates() []int64 {
	for _, in := range t.inputs {
		open := 0
		for _, size := range in.Shape {
			if size < 0 {
				open++
			}
		}
		if open == 2 && len(in.Shape) == 3 {
			return imageSizes
		}
	}
	return textSizes
}

// mixOf returns a shape for every input with open dimensions: all sizes of a text between the
// first two that are tried, if both are in sizes, else the first of sizes.
func (t *sizeSearch) mixOf(sizes []int64) map[string]lengths.Shape {
	mix := lengths.Size(sizes[0])
	if c := t.candidates(); c[0] == textSizes[0] && slices.Equal(sizes, c[:2]) {
		mix = lengths.Between(c[0], c[1])
	}
	out := map[string]lengths.Shape{}
	for _, in := range t.inputs {
		for _, size := range in.Shape {
			if size < 0 {
				out[in.Name] = append(out[in.Name], mix)
			}
		}
	}
	return out
}

// searchTime bounds the search for sizes if none runs.
const searchTime = 20 * time.Second

// verify makes the model for a layout with open dimensions. If a batch of some length is wrong, it
// takes one item at a time.
func (t *sizeSearch) verify(v *verifier, l *layout) (*engine.Model, error) {
	m, err := t.find(v, l)
	if mixed, ok := errors.AsType[*mixError](err); ok && v.mixed == nil {
		v.mixed = mixed.error
		return t.find(v, l)
	}
	return m, err
}

// find makes the model for a layout with open dimensions. It uses the first two default sizes
// that run.
func (t *sizeSearch) find(v *verifier, l *layout) (*engine.Model, error) {
	var out *engine.Model
	var ran []int64
	var first error
	for _, size := range t.candidates() {
		sampler, err := lengths.For(t.inputs, t.shapes, t.mixOf([]int64{size}))
		if err != nil {
			return nil, err
		}
		err = t.verifyBounds(v, l, &out, sampler)
		switch {
		case v.ctx.Err() != nil:
			return nil, context.Cause(v.ctx)
		case isMixed(err):
			return nil, err
		case err == nil:
			ran = append(ran, size)
		case first == nil:
			first = err
		}
		if len(ran) == 2 || t.decided(sampler) || out == nil && time.Since(v.start) > searchTime {
			break
		}
	}
	if out == nil {
		return nil, t.explain(first)
	}
	if len(ran) == 0 {
		return nil, &sizeError{t.explain(first)}
	}
	t.inputs = out.Inputs
	var err error
	if t.sampler, err = lengths.For(t.inputs, t.shapes, t.mixOf(ran)); err != nil {
		return nil, err
	}
	if t.reopened {
		if err := t.verifyOther(v, l, out); err != nil {
			return nil, err
		}
	}
	if err := t.verifyLengths(v, l, out); err != nil {
		return nil, err
	}
	t.describe(out)
	out.Samples = v.rowsThatRun(l, out.Samples)
	return out, nil
}

// sizeError is the error of sizes that the user gave and that do not run, although others do.
type sizeError struct{ error }

// decided reports whether the sampler has no default size, so that there is nothing else to
// try.
func (t *sizeSearch) decided(s lengths.Sampler) bool {
	other, err := lengths.For(t.inputs, t.shapes, t.mixOf([]int64{t.candidates()[1], t.candidates()[0]}))
	return err == nil && other.String() == s.String()
}

// verifyBounds verifies the smallest and the largest sizes of the sampler. The model of the
// first success is in out.
func (t *sizeSearch) verifyBounds(v *verifier, l *layout, out **engine.Model, s lengths.Sampler) error {
	low, high := s.Bounds()
	bounds := [][]int64{high, low}
	if slices.Equal(low, high) {
		bounds = bounds[:1]
	}
	for _, sizes := range bounds {
		if err := t.verifySizes(v, l, out, sizes); err != nil {
			return fmt.Errorf("an item of %v does not run: %w", sizes, err)
		}
	}
	return nil
}

// verifySizes makes the model with items of these sizes. If there is a model already, it runs
// one item and opens the dimensions of outputs that differ from those of other sizes.
func (t *sizeSearch) verifySizes(v *verifier, l *layout, out **engine.Model, sizes []int64) error {
	if *out == nil {
		e, err := v.makeExamples(l, tensor.WithLengths(t.inputs, sizes))
		if err == nil {
			*out, err = v.modelOf(l, e)
		}
		return err
	}
	m := *out
	item := tensor.SampleItem(tensor.WithLengths(m.Inputs, sizes), rand.New(rand.NewPCG(2, 2)))
	setSide(m, item)
	whole, err := v.runAlone(l, item)
	if err != nil {
		return err
	}
	for i, got := range itemOutputs(m, whole) {
		shape := m.Outputs[i].Shape
		if len(shape) != len(got.Shape) {
			m.Outputs[i].Shape, m.Outputs[i].Dims = nil, nil
			continue
		}
		for k := range shape {
			if shape[k] != got.Shape[k] {
				shape[k] = -1
			}
		}
	}
	return v.verifyPair(l, m, sizes)
}

func isMixed(err error) bool {
	_, ok := errors.AsType[*mixError](err)
	return ok
}

// lengthsOrNone returns the sizes of made requests without having run them; nil if nothing is
// known.
func (t *sizeSearch) lengthsOrNone() map[string]string {
	s, err := lengths.For(t.inputs, t.shapes, t.mixOf(t.candidates()[:2]))
	if err != nil {
		return nil
	}
	t.sampler = s
	return s.Shapes()
}

// explain adds what to type to the error of a model that runs at none of the sizes: a flag for
// each length of which nothing is said.
func (t *sizeSearch) explain(err error) error {
	var flags []string
	for _, l := range tensor.Lengths(t.inputs) {
		said := func(d tensor.Dim) bool { return t.given && t.shapes[t.inputs[d.Tensor].Name] != nil }
		in := t.inputs[l.Dims[0].Tensor]
		flag := "--shape " + in.Name + "=" + exampleShape(in)
		if !slices.ContainsFunc(l.Dims, said) && !slices.Contains(flags, flag) {
			flags = append(flags, flag)
		}
	}
	if flags == nil {
		return err
	}
	return fmt.Errorf("%w; say how large an item is, such as %s", err, strings.Join(flags, " "))
}

func exampleShape(in tensor.Spec) string {
	parts := make([]string, len(in.Shape))
	for i, size := range in.Shape {
		parts[i] = fmt.Sprint(size)
		if size < 0 {
			parts[i] = "48"
		}
	}
	return strings.Join(parts, "x")
}

// describe sets the sample rows and the lengths of made requests. The samples are in an order in
// which the first n are spread over all lengths, whatever n is.
func (t *sizeSearch) describe(m *engine.Model) {
	m.LoadLengths = t.sampler.Shapes()
	m.Samples = nil
	rng := rand.New(rand.NewPCG(7, 7))
	items := make([]tensor.Item, sampleItems)
	for i := range items {
		items[i] = t.sampler.Item(rng)
		m.ShareSide(items[i], items[0])
		setSide(m, items[i])
	}
	m.Samples = spread(items)
}

// spread returns the items as rows in an order in which the first n are of all sizes, whatever n is.
// It sorts the items.
func spread(items []tensor.Item) []payload.Row {
	slices.SortStableFunc(items, func(a, b tensor.Item) int { return bytesOf(a) - bytesOf(b) })
	n := 1
	for n < len(items) {
		n *= 2
	}
	var out []payload.Row
	for step := n; step > 1; step /= 2 {
		for i := step / 2; i < len(items); i += step {
			out = append(out, payload.Row{Item: items[i]})
		}
	}
	return append(out, payload.Row{Item: items[0]})
}

func bytesOf(item tensor.Item) (n int) {
	for _, x := range item {
		n += len(x.Data)
	}
	return n
}
