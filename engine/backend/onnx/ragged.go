package onnx

import (
	"fmt"

	"sweetspot/engine/tensor"
)

// raggedIndex maps the entries of a run's ragged outputs to items: order[start[k]:start[k+1]]
// are the entries of item k.
type raggedIndex struct {
	index        int // the output that it comes from
	start, order []int
}

// readRaggedIndex reads the index of a run with n items; nil if no output is ragged.
func (st *state) readRaggedIndex(n int) (*raggedIndex, error) {
	if st.plan.index < 0 {
		return nil, nil
	}
	p := &st.plan.out[st.plan.index]
	_, data, err := st.output(st.plan.index, n)
	if err != nil {
		return nil, err
	}
	r := &raggedIndex{index: st.plan.index, start: make([]int, n+1), order: make([]int, len(data)/p.Type.Size())}
	itemOf := func(entry int) int64 { return tensor.IntAt(p.Type, data, entry) }
	for entry := range r.order {
		k := itemOf(entry)
		if k < 0 || k >= int64(n) {
			return nil, fmt.Errorf("output %q maps entry %d to item %d of %d", p.Name, entry, k, n)
		}
		r.start[k+1]++
	}
	for k := range n {
		r.start[k+1] += r.start[k]
	}
	next := append([]int(nil), r.start...)
	for entry := range r.order {
		k := itemOf(entry)
		r.order[next[k]] = entry
		next[k]++
	}
	return r, nil
}

// assign splits output i, whose data has the entries of all items, by item. outputs has
// the tensors of all items, each with width outputs.
func (r *raggedIndex) assign(p *tensorPort, i int, shape []int64, data []byte, outputs tensor.Item, width int) error {
	n := len(r.order)
	if len(shape) == 0 || shape[0] != int64(n) {
		return fmt.Errorf("output %q is %v, but the index has %d entries", p.Name, shape, n)
	}
	size := len(data) / max(n, 1)
	assigned := make([]byte, 0, len(data))
	for k := range len(r.start) - 1 {
		entries := r.order[r.start[k]:r.start[k+1]]
		begin := len(assigned)
		for _, entry := range entries {
			assigned = append(assigned, data[entry*size:(entry+1)*size]...)
		}
		one := assigned[begin:len(assigned):len(assigned)]
		if i == r.index {
			clear(one) // the index of a single item
		}
		outputs[k*width+i] = tensor.Tensor{Type: p.Type, Shape: append([]int64{int64(len(entries))}, shape[1:]...), Data: one}
	}
	return nil
}
