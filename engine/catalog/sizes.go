package catalog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/knob"
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
	inputs  []tensor.Spec
	shapes  map[string]lengths.Shape // what is known of the sizes, by input
	given   bool                     // the user gave them, so that every one must run
	sampler lengths.Sampler          // with sizes that run, after verify
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

// verify completes m with the first candidate that is right when it runs. It uses the first
// two default sizes that run.
func (t *sizeSearch) verify(ctx context.Context, m engine.Model, r *graphInfo, probe engine.Backend) (*engine.Model, error) {
	var out *engine.Model
	var ran []int64
	var first error
	for _, size := range t.candidates() {
		sampler, err := lengths.For(t.inputs, t.shapes, t.mixOf([]int64{size}))
		if err != nil {
			return nil, err
		}
		err = t.verifyBounds(ctx, m, &out, sampler, r, probe)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil:
			ran = append(ran, size)
		case first == nil:
			first = err
		}
		if len(ran) == 2 || t.decided(sampler) {
			break
		}
	}
	if out == nil || len(ran) == 0 {
		return nil, t.explain(first)
	}
	var err error
	if t.sampler, err = lengths.For(t.inputs, t.shapes, t.mixOf(ran)); err != nil {
		return nil, err
	}
	t.describe(out)
	return out, nil
}

// decided reports whether the sampler has no default size, so that there is nothing else to
// try.
func (t *sizeSearch) decided(s lengths.Sampler) bool {
	other, err := lengths.For(t.inputs, t.shapes, t.mixOf([]int64{t.candidates()[1], t.candidates()[0]}))
	return err == nil && other.String() == s.String()
}

// verifyBounds verifies the smallest and the largest sizes of the sampler. The model of the
// first success is in out.
func (t *sizeSearch) verifyBounds(ctx context.Context, m engine.Model, out **engine.Model, s lengths.Sampler, r *graphInfo, probe engine.Backend) error {
	low, high := s.Bounds()
	bounds := [][]int64{high, low}
	if slices.Equal(low, high) {
		bounds = bounds[:1]
	}
	for _, sizes := range bounds {
		sized := tensor.WithLengths(t.inputs, sizes)
		if *out == nil {
			got, err := verifySized(ctx, m, sized, r, probe)
			if err != nil {
				return fmt.Errorf("an item of %v does not run: %w", sizes, err)
			}
			*out = got
			continue
		}
		if err := runSized(ctx, *out, sized, probe); err != nil {
			return fmt.Errorf("an item of %v does not run: %w", sizes, err)
		}
	}
	return nil
}

// runSized runs one item with the sizes of sized, and opens the dimensions of outputs that
// differ from those of other sizes.
func runSized(ctx context.Context, m *engine.Model, sized []tensor.Spec, probe engine.Backend) (err error) {
	d := *m
	d.Outputs = withOpenShapes(m.Outputs)
	s, err := probe.Open(ctx, &d, knob.Config{Settings: knob.Default(knob.Eager)})
	if err != nil {
		return err
	}
	defer s.Close()
	out, err := runItems(ctx, s, tensor.SampleItem(sized, rand.New(rand.NewPCG(2, 2))))
	if err != nil {
		return err
	}
	m.Outputs = correctShapes(m.Outputs, out)
	return nil
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
	return fmt.Errorf("no made-up item runs: %w; say how large an item is, such as %s", err, strings.Join(flags, " "))
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
	rng := rand.New(rand.NewPCG(7, 7))
	items := make([]tensor.Item, sampleItems)
	for i := range items {
		items[i] = t.sampler.Item(rng)
	}
	slices.SortStableFunc(items, func(a, b tensor.Item) int { return bytesOf(a) - bytesOf(b) })
	m.Samples = m.Samples[:0]
	for step := sampleItems; step > 1; step /= 2 {
		for i := step / 2; i < sampleItems; i += step {
			m.Samples = append(m.Samples, payload.Row{Item: items[i]})
		}
	}
	m.LoadLengths = t.sampler.Shapes()
}

func bytesOf(item tensor.Item) (n int) {
	for _, x := range item {
		n += len(x.Data)
	}
	return n
}
