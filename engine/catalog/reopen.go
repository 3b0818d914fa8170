package catalog

import (
	"errors"
	"maps"
	"slices"

	"sweetspot/engine"
	"sweetspot/engine/lengths"
)

// errOneSize is the error of a layout that was opened again and whose items run with the
// sizes of --shape only.
var errOneSize = errors.New("items of other sizes do not run")

// withOpen puts before each layout the one whose dimensions with a --shape are open again: the
// sizes are then those of made requests, and bodies of other sizes are served too.
func (v *verifier) withOpen(all []layout) []layout {
	var out []layout
	for i := range all {
		if l, ok := v.reopened(&all[i]); ok {
			out = append(out, l)
		}
		out = append(out, all[i])
	}
	return out
}

// reopened returns l with its dimensions open again; false if it has none that --shape fixed.
// Images stay fixed, because the sizes are those that an image file becomes, and so do inputs with
// several open dimensions, because raw bytes do not tell how large each is.
func (v *verifier) reopened(l *layout) (layout, bool) {
	if v.images.Describe(l.specs()) != "" {
		return layout{}, false
	}
	out := *l
	out.inputs, out.sizes = slices.Clone(l.inputs), map[string]int64{}
	given := maps.Clone(v.d.given)
	for i := range out.inputs {
		p := &out.inputs[i]
		sizes, several := p.openAgain()
		switch {
		case several:
			return out, false
		case sizes == nil || p.sizes == nil:
		case p.value != "":
			p.item = l.inputs[i].item // its --shape is that of the constant
		default:
			if given == nil {
				given = map[string]lengths.Shape{}
			}
			given[p.Name] = sizes
		}
	}
	if len(given) == len(v.d.given) {
		return out, false
	}
	var err error
	out.search, err = newSizeSearch(out.specs(), given, v.d.usual)
	if err != nil || out.search == nil {
		return out, false
	}
	out.search.reopened = true
	return out, true
}

// openAgain opens the dimensions of p that are open in the graph and have a size by now, and
// returns these sizes. several means that they have to stay.
func (p *itemShape) openAgain() (sizes lengths.Shape, several bool) {
	dims := p.Dims
	if dims == nil {
		return nil, false
	}
	if p.axis >= 0 {
		dims = removeDim(dims, p.axis)
	}
	for k, d := range dims {
		size := p.item[k].Size
		if !d.Open() || size < 0 {
			continue
		}
		if size == 0 || sizes != nil {
			return nil, true
		}
		sizes = lengths.Shape{lengths.Size(size)}
	}
	if sizes != nil {
		p.item = dims
	}
	return sizes, false
}

// verifyOther runs an item of half the sizes, or else of twice the sizes, and opens the
// dimensions of outputs that differ.
func (t *sizeSearch) verifyOther(v *verifier, l *layout, m *engine.Model) error {
	_, high := t.sampler.Bounds()
	smaller, larger := slices.Clone(high), slices.Clone(high)
	for i, n := range high {
		smaller[i], larger[i] = max(1, n/2), 2*n
	}
	for _, sizes := range [][]int64{smaller, larger} {
		if slices.Equal(sizes, high) {
			continue
		}
		if err := t.verifySizes(v, l, &m, sizes); err == nil || isMixed(err) {
			return err
		}
		if v.ctx.Err() != nil {
			return v.ctx.Err()
		}
	}
	return errOneSize
}
