package onnx

import (
	"fmt"
	"reflect"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// state is what one run at a time works in: a buffer per input and per output of
// known size, and the runtime's views of their first n items, made once for each
// n. Nothing in it is shared with another run.
type state struct {
	plan *plan
	room int // items the buffers hold, or will when they are made
	// bufIn and bufOut are nil until the first run, and entries are nil for
	// scalars and for outputs that the runtime allocates.
	bufIn, bufOut [][]byte
	views         map[int]view

	// in and out are the values of the run going on; out is filled by it where
	// the view has nil.
	in, out []ort.Value
	now     view
}

// view is the buffers seen as tensors of one batch size.
type view struct{ in, out []ort.Value }

// prepare lays the rows into the buffers and sets in and out for a run. Once a
// batch size has been seen it allocates nothing, scalars aside.
func (st *state) prepare(rows []payload.Row) error {
	n := len(rows)
	if st.bufIn == nil || n > st.room {
		st.grow(max(n, st.room))
	}
	v, ok := st.views[n]
	if !ok {
		var err error
		if v, err = st.look(n); err != nil {
			return err
		}
		st.views[n] = v
	}
	st.assemble(rows)
	st.now = v
	st.in = append(st.in[:0], v.in...)
	st.out = append(st.out[:0], v.out...)
	return st.scalars(rows[0].Item)
}

// assemble copies the rows behind each other.
func (st *state) assemble(rows []payload.Row) {
	for i, buf := range st.bufIn {
		for k := range rows {
			buf = buf[copy(buf, rows[k].Item[i].Data):]
		}
	}
}

// scalars makes the values that have no dimensions; a batch with one holds a
// single item.
func (st *state) scalars(item tensor.Item) (err error) {
	for i, p := range st.plan.in {
		if p.bare() {
			if st.in[i], err = p.kind.scalar(item[i].Data); err != nil {
				return fmt.Errorf("input %q: %s", p.Name, oneLine(err))
			}
		}
	}
	for i, p := range st.plan.out {
		if p.bare() {
			if st.out[i], err = p.kind.scalar(make([]byte, p.size)); err != nil {
				return fmt.Errorf("output %q: %s", p.Name, oneLine(err))
			}
		}
	}
	return nil
}

// grow makes buffers for n items; the views of the old ones go.
func (st *state) grow(n int) {
	st.drop()
	st.room = n
	st.views = map[int]view{}
	st.bufIn, st.bufOut = buffers(st.plan.in, n), buffers(st.plan.out, n)
}

func buffers(ports []port, n int) [][]byte {
	out := make([][]byte, len(ports))
	for i, p := range ports {
		if p.size >= 0 && !p.bare() {
			out[i] = make([]byte, max(1, p.bytes(n))) // the wrapper wants a byte even for no elements
		}
	}
	return out
}

// look makes the view of the first n items.
func (st *state) look(n int) (view, error) {
	in, err := values(st.plan.in, st.bufIn, n)
	if err != nil {
		return view{}, fmt.Errorf("input %w", err)
	}
	out, err := values(st.plan.out, st.bufOut, n)
	if err != nil {
		destroy(in)
		return view{}, fmt.Errorf("output %w", err)
	}
	return view{in, out}, nil
}

func values(ports []port, bufs [][]byte, n int) ([]ort.Value, error) {
	out := make([]ort.Value, len(ports))
	for i, p := range ports {
		if bufs[i] == nil {
			continue
		}
		v, err := ort.NewCustomDataTensor(p.shape(n), bufs[i][:max(1, p.bytes(n))], p.elem)
		if err != nil {
			destroy(out)
			return nil, fmt.Errorf("%q: %s", p.Name, oneLine(err))
		}
		out[i] = v
	}
	return out, nil
}

// finish frees the values made for the run that is over.
func (st *state) finish() {
	for i := range st.in {
		if st.now.in[i] == nil {
			destroy(st.in[i : i+1])
		}
	}
	for i := range st.out {
		if st.now.out[i] == nil {
			destroy(st.out[i : i+1])
		}
	}
	clear(st.in)
	clear(st.out)
	st.in, st.out, st.now = st.in[:0], st.out[:0], view{}
}

// drop frees all that the runtime holds of the state.
func (st *state) drop() {
	for _, v := range st.views {
		destroy(v.in)
		destroy(v.out)
	}
	st.views, st.bufIn, st.bufOut = nil, nil, nil
}

// destroy frees the values that exist. Where the wrapper could not make one, it
// leaves a nil pointer in the interface.
func destroy(values []ort.Value) {
	for _, v := range values {
		if v != nil && !reflect.ValueOf(v).IsNil() {
			v.Destroy()
		}
	}
}

// split takes the outputs of n items apart. The results own their bytes.
func (st *state) split(n int, results []payload.Result) error {
	width := len(st.plan.out)
	slab := make(tensor.Item, n*width)
	rows, err := st.rows(n)
	if err != nil {
		return err
	}
	for i, p := range st.plan.out {
		shape, data, err := st.output(i, n)
		if err != nil {
			return err
		}
		if p.rows {
			if err := rows.deal(p, i, shape, data, slab, width); err != nil {
				return err
			}
			continue
		}
		if p.lead {
			shape = shape[1:]
		}
		size := len(data) / n
		for k := range n {
			one := data[k*size : (k+1)*size : (k+1)*size]
			slab[k*width+i] = tensor.Tensor{Type: p.Type, Shape: shape, Data: one}
		}
	}
	for k := range results {
		results[k] = payload.Result{Outputs: slab[k*width : (k+1)*width : (k+1)*width]}
	}
	return nil
}

// output is the shape and the data of output i, in memory that no later run
// touches.
func (st *state) output(i, n int) ([]int64, []byte, error) {
	p := st.plan.out[i]
	if buf := st.bufOut[i]; buf != nil {
		return p.shape(n), append([]byte(nil), buf[:p.bytes(n)]...), nil
	}
	v := st.out[i]
	data, ok := p.content(v)
	if !ok {
		return nil, nil, fmt.Errorf("output %q is no %s: the runtime gave a %T", p.Name, p.Type, v)
	}
	shape := append([]int64{}, v.GetShape()...)
	rank := len(p.Shape)
	if p.lead {
		rank++
		if len(shape) == 0 || shape[0] != int64(n) {
			return nil, nil, fmt.Errorf("outputs have no batch dimension: %s is %v for %s", p.Name, shape, count(n, "item"))
		}
	}
	if p.Shape != nil && len(shape) != rank {
		return nil, nil, fmt.Errorf("output %q has %s, expected %d", p.Name, count(len(shape), "dimension"), rank)
	}
	return shape, data, nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
