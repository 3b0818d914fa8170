package catalog

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// example is an item that ran alone.
type example struct {
	item   tensor.Item
	whole  []tensor.Tensor // the outputs as the file declares them
	scaled bool            // made up with unusual values
}

// examples are items of one layout that ran alone.
type examples struct {
	list   []example
	specs  []tensor.Spec // of the inputs, with the ranges of made-up values
	madeUp bool
	note   string // why the bodies were not used, or ""
}

// Limits of the examples. A model that does not run one of the first seeds does not run for
// that range.
const (
	mostBodies = 16
	mostSeeds  = 3
)

// styles are ranges of made-up numbers without bounds, from varied to careful: not every
// number is a legal index, rate or size, and the graph may not prove which are. nil means the
// default for the type. sizes are for integers that may be a size, a step or a count: a
// large one would need more memory than there is, and ONNX Runtime divides by some without a
// check, so that 0 would end the process. For the same reason 0 comes late for the others.
var styles = []struct{ integers, floats, sizes *tensor.Range }{
	{&tensor.Range{Min: 1, Max: 255}, nil, one},
	{&tensor.Range{Min: 1, Max: 9}, nil, &tensor.Range{Min: 1, Max: 4}},
	{&tensor.Range{Max: 1}, nil, one},
	{&tensor.Range{Max: 1}, &tensor.Range{Max: 1}, one},
	{&tensor.Range{}, &tensor.Range{}, one},
	{one, one, one},
}

var one = &tensor.Range{Min: 1, Max: 1}

// findBodies returns the items of the bodies that run, as examples; none if none does. Beside a
// single one, or if no two are alike, there are made-up ones like the first.
func (v *verifier) findBodies(l *layout) (examples, error) {
	e := examples{specs: l.specs()}
	if len(v.bodies) == 0 {
		return e, nil
	}
	e.list, e.note = v.fromBodies(l, e.specs)
	if len(e.list) > 0 && l.batch && len(l.alike(e.list)) == 1 {
		first := e.list[0].item
		more, _ := v.makeUp(l, likeItem(e.specs, first), first)
		e.list = append(e.list, more...)
	}
	return e, v.ctx.Err()
}

// likeItem returns the specs with the sizes of an item.
func likeItem(specs []tensor.Spec, item tensor.Item) []tensor.Spec {
	out := slices.Clone(specs)
	for i := range out {
		if !item[i].IsZero() {
			out[i].Shape = item[i].Shape
		}
	}
	return out
}

// makeExamples returns made-up items that run, for inputs without open dimensions. The error is
// that of the first item that failed.
func (v *verifier) makeExamples(l *layout, sized []tensor.Spec) (examples, error) {
	e := examples{madeUp: true}
	var first error
	for i := range styles {
		e.specs = l.withStyle(sized, i)
		if i > 0 && slices.EqualFunc(e.specs, l.withStyle(sized, i-1), sameRange) {
			continue
		}
		var err error
		e.list, err = v.makeUp(l, e.specs, nil)
		if len(e.list) > 0 {
			return e, nil
		}
		if err := v.ctx.Err(); err != nil {
			return e, err
		}
		if first == nil {
			first = err
		}
	}
	return e, first
}

func sameRange(a, b tensor.Spec) bool {
	return a.Usual == b.Usual || a.Usual != nil && b.Usual != nil && *a.Usual == *b.Usual
}

// withStyle returns specs with the ranges of a style, within the bounds. Inputs whose range
// the graph proves keep it in all styles but the last ones, which have a single value.
func (l *layout) withStyle(specs []tensor.Spec, style int) []tensor.Spec {
	out := slices.Clone(specs)
	for i := range out {
		s := &out[i]
		r := styles[style].integers
		switch {
		case s.Type.IsFloat():
			r = styles[style].floats
		case s.IsNamed() && r.Min < r.Max:
			r = nil
		case l.inputs[i].axis < 0 && len(s.Shape) < 2 && s.Type != tensor.Bool:
			r = styles[style].sizes
		}
		switch {
		case r == nil || s.Type == tensor.Bool && r.Min < r.Max || s.Bounded && r.Min < r.Max:
		case s.Bounded:
			at := min(max(r.Min, s.Min), s.Max)
			s.Usual = &tensor.Range{Min: at, Max: at}
		default:
			s.Usual = r
		}
	}
	return out
}

// fromBodies returns the items of the bodies that run, and why there are none.
func (v *verifier) fromBodies(l *layout, specs []tensor.Spec) (found []example, why string) {
	for i, b := range v.bodies {
		if len(found) == mostBodies || v.ctx.Err() != nil {
			break
		}
		item, err := v.decode(b, specs)
		if err == nil {
			var whole []tensor.Tensor
			if whole, err = v.runAlone(l, item); err == nil {
				found = append(found, example{item: item, whole: whole})
				continue
			}
		}
		if why == "" {
			why = fmt.Sprintf("%s of --input does not run: %v", cmp.Or(b.Name, fmt.Sprintf("body %d", i+1)), err)
		}
	}
	return found, why
}

// bodySamples returns the items of bodies all over --input, which have the lengths of the requests to
// come. Those that verified the model are the first ones only.
func (v *verifier) bodySamples(l *layout, e examples) []payload.Row {
	var items []tensor.Item
	n := min(len(v.bodies), sampleItems)
	for i := range n {
		if item, err := v.decode(v.bodies[i*len(v.bodies)/n], e.specs); err == nil {
			l.copySide(item, e.list[0].item)
			items = append(items, item)
		}
	}
	if len(items) > 0 {
		if rows := v.rowsThatRun(l, spread(items)); len(rows) > 0 {
			return rows
		}
	}
	return e.rows()
}

// decode decodes a body. Image options that do not fit the inputs are not for this model.
func (v *verifier) decode(b Body, specs []tensor.Spec) (tensor.Item, error) {
	h := handler.Tensors{Images: v.images}
	if h.Initialize(v.ctx, specs, nil) != nil {
		return handler.Decode(b.Type, b.Data, specs)
	}
	var r payload.Request
	if err := h.Decode(&r, payload.Body{Type: b.Type, Data: b.Data}); err != nil {
		return nil, err
	}
	return r.Items[0], nil
}

// The made-up items: two usual ones, a large one and a small one with partial masks, because
// a model may treat such values differently.
var samplers = []tensor.Sampler{{}, {}, {Scale: 100}, {Scale: 0.01, Partial: true}}

// makeUp returns made-up items that run, all with the side inputs of the given item or else of
// the first. It gives up if the first one does not run. A scale that does not run is left out.
func (v *verifier) makeUp(l *layout, specs []tensor.Spec, side tensor.Item) (out []example, first error) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, m := range samplers {
		for range mostSeeds {
			item := m.Item(specs, rng)
			if side != nil {
				l.copySide(item, side)
			}
			whole, err := v.runAlone(l, item)
			if err == nil {
				out, side = append(out, example{item, whole, m != tensor.Sampler{}}), item
				break
			}
			if first == nil {
				first = err
			}
			if v.ctx.Err() != nil {
				return nil, v.ctx.Err()
			}
		}
		if len(out) == 0 {
			return nil, first
		}
		if len(out) == 1 && !l.batch {
			break // others would show nothing
		}
	}
	return out, nil
}

// copySide gives item the side inputs of another one.
func (l *layout) copySide(item, from tensor.Item) {
	if !l.batch {
		return
	}
	for i := range item {
		if l.inputs[i].axis < 0 {
			item[i] = from[i]
		}
	}
}

// alike returns the examples that can be in a run with the first: those with its side inputs
// and its shapes.
func (l *layout) alike(all []example) []example {
	var out []example
	for _, e := range all {
		same := true
		for i, t := range e.item {
			first := all[0].item[i]
			same = same && slices.Equal(t.Shape, first.Shape) && (l.inputs[i].axis >= 0 || slices.Equal(t.Data, first.Data))
		}
		if same {
			out = append(out, e)
		}
	}
	return out
}

// runAlone runs one item as whole tensors.
func (v *verifier) runAlone(l *layout, item tensor.Item) ([]tensor.Tensor, error) {
	return v.probe.Run(v.ctx, l.stack(v.base.Constants, item))
}

// stack makes the whole input tensors of a batch, and those of the constants.
func (l *layout) stack(constants []engine.Constant, items ...tensor.Item) []tensor.Tensor {
	var out []tensor.Tensor
	n := len(items)
	for i := range l.inputs {
		p := &l.inputs[i]
		parts := make([]tensor.Tensor, n)
		for k := range items {
			if i < len(items[k]) {
				parts[k] = p.orDefault(items[k][i])
			} else {
				parts[k] = constants[i-len(items[k])].Sized(items[k])
			}
		}
		if p.axis < 0 {
			out = append(out, parts[0])
			continue
		}
		out = append(out, join(parts, p.axis))
	}
	return out
}

func (p *itemShape) orDefault(t tensor.Tensor) tensor.Tensor {
	if t.IsZero() {
		return tensor.Tensor{Type: p.typ, Shape: dimSizes(p.item), Data: p.fallback}
	}
	return t
}

// join stacks tensors of one shape along a new axis.
func join(parts []tensor.Tensor, axis int) tensor.Tensor {
	first := parts[0]
	t := tensor.Tensor{Type: first.Type, Shape: slices.Insert(slices.Clone(first.Shape), axis, int64(len(parts)))}
	outer := int(tensor.Elements(first.Shape[:axis]))
	if first.Type == tensor.String {
		t.Data = tensor.JoinTexts(joinTexts(parts, outer))
		return t
	}
	for o := range outer {
		for _, p := range parts {
			size := len(p.Data) / outer
			t.Data = append(t.Data, p.Data[o*size:(o+1)*size]...)
		}
	}
	return t
}

// rowsThatRun returns the rows without those that fail. If some do, only those are left that
// were run in time.
func (v *verifier) rowsThatRun(l *layout, rows []payload.Row) []payload.Row {
	begin := time.Now()
	var ran []payload.Row
	for i, r := range rows {
		if time.Since(begin) > rowTime && len(ran) > 0 {
			if len(ran) == i {
				return rows
			}
			return ran
		}
		if _, err := v.runAlone(l, r.Item); err == nil {
			ran = append(ran, r)
		}
	}
	return ran
}

// joinTexts is join for texts, which have different sizes.
func joinTexts(parts []tensor.Tensor, outer int) []string {
	var out []string
	for o := range outer {
		for _, p := range parts {
			texts, _ := tensor.Texts(p.Data)
			size := len(texts) / outer
			out = append(out, texts[o*size:(o+1)*size]...)
		}
	}
	return out
}

// rows returns the items for warm-ups and comparisons: those of bodies, or made-up ones, all of
// which ran. Others might not, and made-up values must not stop serving.
func (e examples) rows() []payload.Row {
	var rows []payload.Row
	for _, one := range e.list {
		if !one.scaled {
			rows = append(rows, payload.Row{Item: one.item})
		}
	}
	return rows
}

// Limits of the made-up rows of a model: they stay in memory, and each has to run.
const (
	mostRows = 16
	rowBytes = 16 << 20
	rowTime  = 300 * time.Millisecond
)

// moreRows adds made-up items to the rows until there are enough.
func (v *verifier) moreRows(l *layout, e examples) []payload.Row {
	rows := e.rows()
	if !e.madeUp {
		return rows
	}
	rng := rand.New(rand.NewPCG(2, 3))
	begin, size := time.Now(), payload.Request{Items: []tensor.Item{rows[0].Item}}.Bytes()
	for len(rows) < mostRows && int64(len(rows))*size < rowBytes && time.Since(begin) < rowTime && v.ctx.Err() == nil {
		item := tensor.SampleItem(e.specs, rng)
		l.copySide(item, rows[0].Item)
		if _, err := v.runAlone(l, item); err != nil {
			break // it is a matter of luck
		}
		rows = append(rows, payload.Row{Item: item})
	}
	return rows
}

// verifier finds out how a loaded model holds items.
type verifier struct {
	ctx    context.Context
	probe  engine.Probe
	base   engine.Model // without inputs and outputs
	d      *description
	bodies []Body
	images handler.ImageOptions
	start  time.Time
}
