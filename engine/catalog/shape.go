package catalog

import (
	"fmt"
	"strconv"
	"strings"

	"sweetspot/engine/onnxgraph"
)

// itemShape is an input whose batch axis is assumed, and whose open dimensions are being set.
type itemShape struct {
	input
	axis int             // of the batch, or of a fixed 1; -1 if there is none
	item []onnxgraph.Dim // of one item; nil if the graph does not declare them
	// whole means that --shape has a size for the batch axis too: it is none.
	whole bool
	// full means that only a --shape with a size for each dimension fits, because it is what
	// says that there is no batch axis.
	full bool
}

func newItemShape(in input, axis int) itemShape {
	p := itemShape{input: in, axis: axis, item: in.Dims}
	if axis >= 0 {
		p.item = removeDim(in.Dims, axis)
	}
	return p
}

func removeDim(dims []onnxgraph.Dim, axis int) []onnxgraph.Dim {
	return append(append([]onnxgraph.Dim{}, dims[:axis]...), dims[axis+1:]...)
}

// setShape sets the dimensions of one item from the flag: all of them, all with a 1 for the
// batch, or only the open ones. It adds the sizes of named dimensions to namedSizes.
func (p *itemShape) setShape(namedSizes map[string]int64) error {
	sizes := p.sizes
	if p.Dims == nil {
		p.item = onnxgraph.Fixed(sizes...)
		return nil
	}
	if p.axis >= 0 && len(sizes) == len(p.Dims) {
		if sizes[p.axis] != 1 {
			p.whole = p.Dims[p.axis].Open()
		} else {
			sizes = append(append([]int64{}, sizes[:p.axis]...), sizes[p.axis+1:]...)
		}
	}
	all := len(sizes) == len(p.item)
	if p.whole || !all && (p.full || len(sizes) != p.open()) {
		return fmt.Errorf("shape %v does not fit input %q, which takes %v per item; write %s", p.sizes, p.Name, p.item, p.flag())
	}
	fixed := make([]onnxgraph.Dim, len(p.item))
	for i, d := range p.item {
		fixed[i] = d
		if d.Open() {
			fixed[i].Size, sizes = sizes[0], sizes[1:]
			if d.Name != "" {
				namedSizes[d.Name] = fixed[i].Size
			}
		} else if all {
			if sizes[0] != d.Size {
				return fmt.Errorf("dimension %d of an item of input %q is fixed to %d and cannot be %d; write %s", i, p.Name, d.Size, sizes[0], p.flag())
			}
			sizes = sizes[1:]
		}
	}
	p.item = fixed
	return nil
}

// inferSizes sets open dimensions whose name has a size.
func (p *itemShape) inferSizes(namedSizes map[string]int64) {
	if p.item != nil {
		p.item = inferred(p.item, namedSizes)
	}
}

func inferred(dims []onnxgraph.Dim, namedSizes map[string]int64) []onnxgraph.Dim {
	out := make([]onnxgraph.Dim, len(dims))
	for i, d := range dims {
		out[i] = d
		if size, ok := namedSizes[d.Name]; ok && d.Open() {
			out[i].Size = size
		}
	}
	return out
}

// open returns the number of open dimensions of an item.
func (p *itemShape) open() int {
	n := 0
	for _, d := range p.item {
		if d.Open() {
			n++
		}
	}
	return n
}

// flag returns an example of the --shape flag for p.
func (p *itemShape) flag() string {
	example := int64(64)
	if len(p.item) == 3 { // probably an image
		example = 224
	}
	sizes := make([]string, len(p.item))
	for i, d := range p.item {
		size := d.Size
		switch {
		case d.Open() && isBatchName(d.Name): // not a size that an item has
			size = 1
		case d.Open():
			size = example
		}
		sizes[i] = strconv.FormatInt(size, 10)
	}
	if p.Dims == nil {
		sizes = []string{"1", "64"}
	}
	return "--shape " + p.Name + "=" + strings.Join(sizes, "x")
}

// dimSizes returns the sizes of dims; -1 is open.
func dimSizes(dims []onnxgraph.Dim) []int64 {
	if dims == nil {
		return nil
	}
	out := make([]int64, len(dims))
	for i, d := range dims {
		out[i] = d.Size
	}
	return out
}

// dimNames returns the names of the dimensions that are open; nil if none has a name.
func dimNames(dims []onnxgraph.Dim) []string {
	out, named := make([]string, len(dims)), false
	for i, d := range dims {
		if d.Open() && d.Name != "" {
			out[i], named = d.Name, true
		}
	}
	if !named {
		return nil
	}
	return out
}
