package catalog

import (
	"math/rand/v2"
	"slices"
	"time"

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
