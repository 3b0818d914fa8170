// Package runs divides the rows of a batch into runs. A session runs only rows of equal
// shape together, and only rows with equal side inputs, which the model takes once for the
// whole run; the rows of a model with open dimensions have different shapes.
//
// Without a [Padding], the rows of each shape make one run. With it, shorter rows are padded,
// so that rows of different lengths make one run: all rows of a batch, or those of one
// bucket. The outputs of padded rows are cut back to the row's own length.
//
// A model may mix the rows of a run for one value of its side inputs and not for another. [Sides]
// remembers which values are right; rows with a new one are answered from single runs and compared
// by a [Check], which also verifies models when they are opened.
//
// A [Divider] does this for one batch at a time and reuses its memory: a batch whose
// lengths have occurred before allocates nothing but the outputs that are cut inside. A
// [Session] does it around a session that runs equal shapes, and is safe for concurrent use.
//
// The runs of a batch are in the order of their first rows, and are executed one after the
// other. All rows of the batch are answered after the last run.
package runs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"sweetspot/engine/tensor"
)

// Padding says how rows of different lengths are brought to one length. It is data and is
// not changed after it is made.
type Padding struct {
	// Fills has one element per input of the model, in their order.
	Fills []Fill
	// Buckets are the lengths to which rows are padded, ascending. A row is padded to the
	// smallest bucket that holds it; rows above the last one are padded to the longest of
	// them. Without buckets all rows of a batch are padded to the longest of them.
	Buckets []int64
	// Cuts lists the dimensions of the outputs that have the length of an input.
	Cuts []Cut
}

// Fill is the value that fills an input up. An input that is not padded keeps its shape.
type Fill struct {
	Pad   bool
	Value float64
}

// Cut is a dimension of an output that has the size of a dimension of an input.
type Cut struct{ Output, Input tensor.Dim }

// Validate reports every fault of a padding of these inputs.
func (p *Padding) Validate(inputs []tensor.Spec) error {
	var errs []error
	if len(p.Fills) != len(inputs) {
		return fmt.Errorf("padding for %d inputs, the model has %d", len(p.Fills), len(inputs))
	}
	for i, f := range p.Fills {
		if s := inputs[i]; f.Pad && !s.Type.IsFloat() && f.Value != float64(int64(f.Value)) {
			errs = append(errs, fmt.Errorf("pad %s=%g: %s is %s; give a whole number", s.Name, f.Value, s.Name, s.Type))
		}
		if s := inputs[i]; f.Pad && s.Type == tensor.String {
			errs = append(errs, fmt.Errorf("pad %s=%g: %s has texts, which cannot be padded", s.Name, f.Value, s.Name))
		}
	}
	for i, b := range p.Buckets {
		if b < 1 || i > 0 && b <= p.Buckets[i-1] {
			errs = append(errs, fmt.Errorf("buckets %v: want ascending lengths above 0, such as 16,32,64", p.Buckets))
			break
		}
	}
	return errors.Join(errs...)
}

// bucket returns the length to which a dimension of size n is padded, or 0 for the longest
// of its run.
func (p *Padding) bucket(n int64) int64 {
	i, _ := slices.BinarySearchFunc(p.Buckets, n, cmp.Compare)
	if i == len(p.Buckets) {
		return 0
	}
	return p.Buckets[i]
}
