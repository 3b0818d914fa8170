package catalog

import (
	"fmt"
	"strconv"
	"strings"

	"sweetspot/engine/onnxgraph"
)

// inputShape is an input whose open dimensions are being set.
type inputShape struct {
	onnxgraph.Value
	leadingAxis bool            // the first dimension may be the batch
	item        []onnxgraph.Dim // of one item; nil if the graph does not declare them
}

func newInputShape(v onnxgraph.Value) inputShape {
	p := inputShape{Value: v, item: v.Dims}
	if len(v.Dims) > 0 && (v.Dims[0].Open() || v.Dims[0].Size == 1) {
		p.leadingAxis, p.item = true, v.Dims[1:]
	}
	return p
}

// setShape sets the dimensions of one item from the flag: all of them, all with a leading 1 for
// the batch, or only the open ones. It adds the sizes of named dimensions to namedSizes.
func (p *inputShape) setShape(sizes []int64, namedSizes map[string]int64) error {
	if p.leadingAxis && len(sizes) == len(p.item)+1 && sizes[0] == 1 {
		sizes = sizes[1:]
	}
	if p.Dims == nil {
		p.item = onnxgraph.Fixed(sizes...)
		return nil
	}
	all := len(sizes) == len(p.item)
	if !all && len(sizes) != p.open() {
		return fmt.Errorf("shape %v does not fit input %q, which takes %v per item; write %s", sizes, p.Name, p.item, p.flag())
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
func (p *inputShape) inferSizes(namedSizes map[string]int64) {
	fixed := make([]onnxgraph.Dim, len(p.item))
	for i, d := range p.item {
		fixed[i] = d
		if size, ok := namedSizes[d.Name]; ok && d.Open() {
			fixed[i].Size = size
		}
	}
	if p.item != nil {
		p.item = fixed
	}
}

// open returns the number of open dimensions of an item.
func (p *inputShape) open() int {
	n := 0
	for _, d := range p.item {
		if d.Open() {
			n++
		}
	}
	return n
}

// flag returns an example of the --shape flag for p.
func (p *inputShape) flag() string {
	example := int64(64)
	if len(p.item) == 3 { // probably an image
		example = 224
	}
	sizes := make([]string, len(p.item))
	for i, d := range p.item {
		sizes[i] = d.String()
		if d.Open() {
			sizes[i] = strconv.FormatInt(example, 10)
		}
	}
	if p.Dims == nil {
		sizes = []string{"1", "64"}
	}
	return "--shape " + p.Name + "=" + strings.Join(sizes, "x")
}
