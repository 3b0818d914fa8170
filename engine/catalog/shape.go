package catalog

import (
	"fmt"
	"strconv"
	"strings"

	"sweetspot/engine/onnxgraph"
)

// ParseShape reads the text of --shape, such as "input_ids=64" or
// "image=3x224x224". An input's name may itself hold a "=".
func ParseShape(text string) (input string, dims []int64, err error) {
	i := strings.LastIndex(text, "=")
	if i < 1 {
		return "", nil, fmt.Errorf("--shape %s: want INPUT=DIMENSIONS, such as input_ids=64 or image=3x224x224", text)
	}
	for part := range strings.SplitSeq(text[i+1:], "x") {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 1 {
			return "", nil, fmt.Errorf("--shape %s: %q is no dimension; want whole numbers above 0 with x between them, such as 3x224x224", text, part)
		}
		dims = append(dims, n)
	}
	return text[:i], dims, nil
}

// port is an input while its dimensions are being settled.
type port struct {
	onnxgraph.Value
	lead bool            // its first dimension may be the batch
	item []onnxgraph.Dim // of one item; nil when the graph does not tell
}

func newPort(v onnxgraph.Value) port {
	p := port{Value: v, item: v.Dims}
	if len(v.Dims) > 0 && (v.Dims[0].Open() || v.Dims[0].Size == 1) {
		p.lead, p.item = true, v.Dims[1:]
	}
	return p
}

// give sets the dimensions of one item to what the user gave: all of them, all
// with a leading 1 for the batch, or only the open ones. It returns the sizes of
// the open dimensions that have names.
func (p *port) give(sizes []int64, named map[string]int64) error {
	if p.lead && len(sizes) == len(p.item)+1 && sizes[0] == 1 {
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
	settled := make([]onnxgraph.Dim, len(p.item))
	for i, d := range p.item {
		settled[i] = d
		if d.Open() {
			settled[i].Size, sizes = sizes[0], sizes[1:]
			if d.Name != "" {
				named[d.Name] = settled[i].Size
			}
		} else if all {
			if sizes[0] != d.Size {
				return fmt.Errorf("dimension %d of an item of input %q is fixed to %d and cannot be %d; write %s", i, p.Name, d.Size, sizes[0], p.flag())
			}
			sizes = sizes[1:]
		}
	}
	p.item = settled
	return nil
}

// infer settles open dimensions that have the name of one that was given.
func (p *port) infer(named map[string]int64) {
	settled := make([]onnxgraph.Dim, len(p.item))
	for i, d := range p.item {
		settled[i] = d
		if size, ok := named[d.Name]; ok && d.Open() {
			settled[i].Size = size
		}
	}
	if p.item != nil {
		p.item = settled
	}
}

// open is the number of dimensions of an item that nothing settles.
func (p *port) open() int {
	n := 0
	for _, d := range p.item {
		if d.Open() {
			n++
		}
	}
	return n
}

// settled tells whether the size of an item is known.
func (p *port) settled() bool { return p.item != nil && p.open() == 0 }

// adds tells whether p has an open dimension that told does not name, and adds
// its names.
func (p *port) adds(told map[string]bool) bool {
	fresh := p.item == nil
	for _, d := range p.item {
		if d.Open() && (d.Name == "" || !told[d.Name]) {
			fresh = true
			told[d.Name] = true
		}
	}
	return fresh
}

// flag is what to type to settle p, with sizes that are examples.
func (p *port) flag() string {
	example := int64(64)
	if len(p.item) == 3 { // most likely a picture
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
