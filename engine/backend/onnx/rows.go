package onnx

import (
	"fmt"

	"sweetspot/engine/tensor"
)

// rowsOf is whose the rows of a run's outputs are. order[start[k]:start[k+1]]
// are the rows of item k.
type rowsOf struct {
	index        int // the output that says so
	start, order []int
}

// rows reads whose the rows of the outputs of n items are; nil if the outputs
// have no such rows.
func (st *state) rows(n int) (*rowsOf, error) {
	if st.plan.index < 0 {
		return nil, nil
	}
	p := st.plan.out[st.plan.index]
	_, data, err := st.output(st.plan.index, n)
	if err != nil {
		return nil, err
	}
	r := &rowsOf{index: st.plan.index, start: make([]int, n+1), order: make([]int, len(data)/p.Type.Size())}
	owner := func(row int) int64 { return tensor.IntAt(p.Type, data, row) }
	for row := range r.order {
		k := owner(row)
		if k < 0 || k >= int64(n) {
			return nil, fmt.Errorf("output %q gives row %d to item %d of %d", p.Name, row, k, n)
		}
		r.start[k+1]++
	}
	for k := range n {
		r.start[k+1] += r.start[k]
	}
	next := append([]int(nil), r.start...)
	for row := range r.order {
		k := owner(row)
		r.order[next[k]] = row
		next[k]++
	}
	return r, nil
}

// deal gives each item its rows of output i, whose data is of all items. slab
// holds the tensors of all items, each with width outputs.
func (r *rowsOf) deal(p port, i int, shape []int64, data []byte, slab tensor.Item, width int) error {
	rows := len(r.order)
	if len(shape) == 0 || shape[0] != int64(rows) {
		return fmt.Errorf("output %q is %v, and %d rows are given to items", p.Name, shape, rows)
	}
	size := len(data) / max(rows, 1)
	dealt := make([]byte, 0, len(data))
	for k := range len(r.start) - 1 {
		mine := r.order[r.start[k]:r.start[k+1]]
		begin := len(dealt)
		for _, row := range mine {
			dealt = append(dealt, data[row*size:(row+1)*size]...)
		}
		one := dealt[begin:len(dealt):len(dealt)]
		if i == r.index {
			clear(one) // each item is the first of its own
		}
		slab[k*width+i] = tensor.Tensor{Type: p.Type, Shape: append([]int64{int64(len(mine))}, shape[1:]...), Data: one}
	}
	return nil
}
