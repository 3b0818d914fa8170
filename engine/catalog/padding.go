package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// padTolerance is the largest difference of a padded answer to that of the same item alone,
// relative to the largest number of the output.
const padTolerance = 1e-4

// addPadding adds the padding that the options ask for, if padded items and each alone have
// the same outputs. Else m stays without, and PadWhy says why. A wrong request is an error.
func addPadding(ctx context.Context, m *engine.Model, t *sizeSearch, o Options) error {
	if len(o.Pad) == 0 {
		if len(o.Buckets) > 0 {
			return errors.New("buckets are lengths to pad to: say with what, such as --pad input_ids=0")
		}
		return nil
	}
	p, err := newPadding(m.Inputs, o)
	if err != nil {
		return err
	}
	refused := func(why string) error {
		m.PadWhy = "not padded: " + why + "; batches run by equal shape"
		return nil
	}
	switch {
	case !m.BatchAxis:
		return refused("the model takes one item at a time")
	case m.Ragged.Index != "":
		return refused("its outputs have a variable number of entries")
	case o.Probe == nil:
		return refused("padding has to be verified by running")
	}
	c := padCheck{model: m, padding: p, probe: o.Probe}
	c.items = itemsOf(m, t)
	if err := c.run(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return refused(err.Error())
	}
	m.Padding, m.PadWhy = p, c.text()
	onlyPadded(m)
	return nil
}

// newPadding reads the options. An input without a value that shares a length with a padded
// one gets 0, as a mask needs it.
func newPadding(inputs []tensor.Spec, o Options) (*runs.Padding, error) {
	p := &runs.Padding{Fills: make([]runs.Fill, len(inputs)), Buckets: o.Buckets}
	var names []string
	for _, s := range inputs {
		names = append(names, s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Pad)) {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("pad %s: the model has no such input%s", name, knob.Suggest(name, names))
		}
		if inputs[i].Fixed() {
			return nil, fmt.Errorf("pad %s: it has no open dimension: %v; leave out its --shape, or its padding", name, inputs[i].Shape)
		}
		p.Fills[i] = runs.Fill{Pad: true, Value: o.Pad[name]}
	}
	for _, l := range tensor.Lengths(inputs) {
		if slices.ContainsFunc(l.Dims, func(d tensor.Dim) bool { return p.Fills[d.Tensor].Pad }) {
			for _, d := range l.Dims {
				p.Fills[d.Tensor].Pad = true
			}
		}
	}
	return p, p.Validate(inputs)
}

// padCheck verifies a padding.
type padCheck struct {
	model   *engine.Model
	padding *runs.Padding
	probe   engine.Backend
	items   []tensor.Item // of different lengths, the shortest first
	largest float64       // difference of a padded answer
}

// itemsOf returns items of the smallest, a middle and the largest sizes. Fixed sizes are
// halved, so that the lengths differ.
func itemsOf(m *engine.Model, t *sizeSearch) []tensor.Item {
	low, high := t.sampler.Bounds()
	var out []tensor.Item
	rng := rand.New(rand.NewPCG(8, 8))
	for step := range 3 {
		sizes := make([]int64, len(low))
		for i := range sizes {
			if low[i] == high[i] {
				low[i] = max(1, high[i]/2)
			}
			sizes[i] = low[i] + (high[i]-low[i])*int64(step)/2
		}
		item := tensor.SampleItem(tensor.WithLengths(m.Inputs, sizes), rng)
		if step > 0 {
			m.ShareSide(item, out[0])
		}
		setSide(m, item)
		out = append(out, item)
	}
	return out
}

// run runs each item alone and all of them padded, finds the dimensions of outputs to cut, and
// compares.
func (c *padCheck) run(ctx context.Context) (err error) {
	open := *c.model
	open.Outputs = withOpenShapes(c.model.Outputs)
	settings := knob.Config{Settings: knob.Default(knob.Eager)}
	settings.BatchSize = len(c.items)
	s, err := c.probe.Open(ctx, &open, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var alone []tensor.Item
	for _, item := range c.items {
		one, err := runs.RunItems(ctx, s, item)
		if err != nil {
			return err
		}
		alone = append(alone, one[0])
	}
	raw, err := c.padded(ctx, s)
	if err != nil {
		return fmt.Errorf("padded items fail: %w", err)
	}
	longest := c.items[len(c.items)-1]
	if err := c.findCuts(alone[0], raw[0], longest); err != nil {
		return err
	}
	together, err := c.padded(ctx, s)
	if err != nil {
		return err
	}
	return c.compare(alone, together)
}

// padded runs all items as one batch with the padding, cut where cuts are known.
func (c *padCheck) padded(ctx context.Context, s engine.Session) ([]tensor.Item, error) {
	pad := *c.padding
	pad.Buckets = nil // one run, of the longest
	in, out := payload.OfItems(c.items...), make([]payload.Result, len(c.items))
	if err := runs.NewSession(s, c.model.Inputs, c.model.SideInputs(), &pad).Run(ctx, in, out); err != nil {
		return nil, err
	}
	items := make([]tensor.Item, len(out))
	for i, r := range out {
		if r.Err != nil {
			return nil, r.Err
		}
		items[i] = r.Outputs
	}
	return items, nil
}

// findCuts finds the dimensions of the outputs that grow with the padding of the shortest
// item: each must have the size of a padded length.
func (c *padCheck) findCuts(alone, padded, longest tensor.Item) error {
	short := c.items[0]
	for o, spec := range c.model.Outputs {
		if len(alone[o].Shape) != len(padded[o].Shape) {
			return fmt.Errorf("output %s has %d dimensions alone and %d padded", spec.Name, len(alone[o].Shape), len(padded[o].Shape))
		}
		for axis, n := range alone[o].Shape {
			grown := padded[o].Shape[axis]
			if n == grown {
				continue
			}
			at, ok := c.lengthOf(spec.DimName(axis), func(d tensor.Dim) bool {
				return short[d.Tensor].Shape[d.Axis] == n && longest[d.Tensor].Shape[d.Axis] == grown
			})
			if !ok {
				return fmt.Errorf("dimension %d of output %s is %d alone and %d padded, which is no length of the inputs", axis, spec.Name, n, grown)
			}
			c.padding.Cuts = append(c.padding.Cuts, runs.Cut{Output: tensor.Dim{Tensor: o, Axis: axis}, Input: at})
		}
	}
	return nil
}

// lengthOf returns a dimension of a padded input for which grows is true, that of the same name
// first.
func (c *padCheck) lengthOf(name string, grows func(tensor.Dim) bool) (tensor.Dim, bool) {
	var found []tensor.Dim
	for _, l := range tensor.Lengths(c.model.Inputs) {
		d := l.Dims[0]
		switch {
		case !c.padding.Fills[d.Tensor].Pad || !grows(d):
		case name != "" && l.Name == name:
			return d, true
		default:
			found = append(found, d)
		}
	}
	if len(found) == 0 {
		return tensor.Dim{}, false
	}
	return found[0], true
}

// compare compares the answers of padded items with those of each alone.
func (c *padCheck) compare(alone, together []tensor.Item) error {
	for i := range alone {
		for o, spec := range c.model.Outputs {
			a, b := alone[i][o], together[i][o]
			if a.Type != b.Type || !slices.Equal(a.Shape, b.Shape) {
				return fmt.Errorf("output %s is %v alone and %v padded", spec.Name, a.Shape, b.Shape)
			}
			diff := runs.Distance(tensor.Item{a}, tensor.Item{b})
			if c.largest = max(c.largest, diff); diff > padTolerance {
				return fmt.Errorf("output %s of a padded item differs from that of the item alone%s: the model does not ignore what is padded", spec.Name, byHowMuch(diff))
			}
		}
	}
	return nil
}

// byHowMuch says how far apart two outputs are, if they are numbers.
func byHowMuch(diff float64) string {
	if math.IsInf(diff, 0) {
		return ""
	}
	return fmt.Sprintf(" by up to %.2g of its largest number (allowed %g)", diff, padTolerance)
}

// text says what is padded with what, and how that was verified.
func (c *padCheck) text() string {
	var with []string
	for i, f := range c.padding.Fills {
		if f.Pad {
			with = append(with, c.model.Inputs[i].Name+" with "+strconv.FormatFloat(f.Value, 'g', -1, 64))
		}
	}
	to := "the longest of a batch"
	if len(c.padding.Buckets) > 0 {
		to = fmt.Sprintf("lengths of %v", c.padding.Buckets)
	}
	return fmt.Sprintf("%s, to %s; %d items ran padded and alone and agree within %g of the largest number of an output (largest difference %.2g)",
		strings.Join(with, ", "), to, len(c.items), padTolerance, c.largest)
}

// withOpenShapes returns specs with all dimensions open, so that the backend accepts any size.
func withOpenShapes(specs []tensor.Spec) []tensor.Spec {
	out := slices.Clone(specs)
	for i, s := range out {
		if s.Shape != nil {
			out[i].Shape = slices.Repeat([]int64{-1}, len(s.Shape))
		}
	}
	return out
}
