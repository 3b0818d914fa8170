package onnx

import (
	"bytes"
	"fmt"
	"reflect"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// state has the memory of one run at a time: a buffer per input and per output of fixed size,
// and the runtime's tensors over their first n items, made once for each n. No other run
// uses it at the same time.
type state struct {
	plan     *plan
	capacity int // of the buffers, in items
	// bufIn and bufOut are nil until the first run. Elements are nil for scalars and
	// for outputs that the runtime allocates.
	bufIn, bufOut [][]byte
	views         map[viewKey]view
	open          openViews // of a model with open inputs, instead of views

	// in and out are the values of the current run, by slot. The run sets the elements
	// of out that are nil in the view.
	in, out []ort.Value
	current view
}

// viewKey is what a view depends on: the batch size, and whether the runtime allocates all
// outputs that the wrapper can take from it.
type viewKey struct {
	n         int
	allocated bool
}

// view has the tensors over the buffers.
type view struct{ in, out []ort.Value }

// prepare copies the rows into the buffers and sets in and out for a run. It allocates only
// for a new view, and for scalars.
func (st *state) prepare(rows []payload.Row, allocated bool) error {
	n := len(rows)
	if st.bufIn == nil || n > st.capacity {
		st.grow(max(n, st.capacity))
	}
	v, err := st.viewFor(viewKey{n, allocated}, rows[0].Item)
	if err != nil {
		return err
	}
	return st.set(v, rows)
}

// viewFor returns the view for rows like item.
func (st *state) viewFor(key viewKey, item tensor.Item) (view, error) {
	if st.plan.open {
		return st.openView(key, item)
	}
	v, ok := st.views[key]
	if !ok {
		var err error
		if v, err = st.newView(key, item); err != nil {
			return view{}, err
		}
		st.views[key] = v
	}
	return v, nil
}

// set copies the rows into the buffers and makes v the view of the run.
func (st *state) set(v view, rows []payload.Row) error {
	st.assemble(rows)
	st.current = v
	st.in = append(st.in[:0], v.in...)
	st.out = append(st.out[:0], v.out...)
	return st.scalars(rows)
}

// assemble copies the rows into the buffers, one after the other or interleaved. The rows of
// a batch have the same side inputs.
func (st *state) assemble(rows []payload.Row) {
	for i, buf := range st.bufIn {
		p := &st.plan.in[i]
		switch {
		case buf == nil || p.constant && (!p.batched || p.follows != nil): // it is there already
		case !p.batched:
			copy(buf, p.value(&rows[0].Item[i]))
		case p.axis == 0:
			for k := range rows {
				buf = buf[copy(buf, st.valueOf(rows, k, i)):]
			}
		default:
			for k := range rows {
				interleave(buf, st.valueOf(rows, k, i), int(tensor.Elements(p.itemShape(rows[k].Item, i)[:p.axis])), k, len(rows))
			}
		}
	}
}

// valueOf returns the bytes of input i of row k.
func (st *state) valueOf(rows []payload.Row, k, i int) []byte {
	p := &st.plan.in[i]
	switch {
	case !p.constant:
		return p.value(&rows[k].Item[i])
	case p.follows == nil:
		return p.fill
	}
	return bytes.Repeat(p.fill, int(tensor.Elements(p.itemShape(rows[k].Item, i))))
}

// scalars makes the values without dimensions, and those with texts.
func (st *state) scalars(rows []payload.Row) (err error) {
	for i := range st.plan.in {
		p := &st.plan.in[i]
		switch {
		case p.isText():
			st.in[p.slot], err = st.texts(rows, i)
		case p.isScalar() && !p.constant:
			st.in[p.slot], err = p.binding.scalar(p.value(&rows[0].Item[i]))
		}
		if err != nil {
			return fmt.Errorf("input %q: %s", p.Name, oneLine(err))
		}
	}
	for i := range st.plan.out {
		p := &st.plan.out[i]
		if p.isScalar() && p.slot >= 0 && !p.flat && !p.isText() {
			if st.out[p.slot], err = p.binding.scalar(make([]byte, p.size)); err != nil {
				return fmt.Errorf("output %q: %s", p.Name, oneLine(err))
			}
		}
	}
	return nil
}

// grow makes buffers for n items, and frees the views of the old ones.
func (st *state) grow(n int) {
	st.free()
	st.capacity = n
	st.views = map[viewKey]view{}
	st.bufIn, st.bufOut = buffers(st.plan.in, n), buffers(st.plan.out, n)
	for i := range st.plan.in {
		if p := &st.plan.in[i]; p.constant && !p.batched && p.follows == nil && !p.isText() {
			copy(st.bufIn[i], p.fill)
		}
	}
}

func buffers(ports []tensorPort, n int) [][]byte {
	out := make([][]byte, len(ports))
	for i := range ports {
		p := &ports[i]
		if p.size >= 0 && p.slot >= 0 && !p.isScalar() && !p.flat && !p.isText() {
			out[i] = make([]byte, max(1, p.bytes(n))) // the wrapper needs a byte even for no elements
		}
	}
	return out
}

// newView makes the view for rows like item.
func (st *state) newView(key viewKey, item tensor.Item) (view, error) {
	in, err := st.inputValues(key.n, item)
	if err != nil {
		return view{}, err
	}
	out, err := st.outputValues(key)
	if err != nil {
		destroy(in)
		return view{}, err
	}
	return view{in, out}, nil
}

// outputValues makes the values of the outputs that have a buffer, by slot. The runtime
// allocates those that are nil.
func (st *state) outputValues(key viewKey) ([]ort.Value, error) {
	out := make([]ort.Value, len(st.plan.outNames))
	for i := range st.plan.out {
		p := &st.plan.out[i]
		if st.bufOut[i] == nil || key.allocated && !p.isHalf() {
			continue
		}
		v, err := ort.NewCustomDataTensor(p.shape(key.n), st.bufOut[i][:max(1, p.bytes(key.n))], p.elem)
		if err != nil {
			destroy(out)
			return nil, fmt.Errorf("output %q: %s", p.Name, oneLine(err))
		}
		out[p.slot] = v
	}
	return out, nil
}

// finish frees the values that were made for the last run.
func (st *state) finish() {
	for i := range st.in {
		if st.current.in[i] == nil {
			destroy(st.in[i : i+1])
		}
	}
	for i := range st.out {
		if st.current.out[i] == nil {
			destroy(st.out[i : i+1])
		}
	}
	clear(st.in)
	clear(st.out)
	st.in, st.out, st.current = st.in[:0], st.out[:0], view{}
}

// free frees all values of the runtime.
func (st *state) free() {
	for _, v := range st.views {
		destroy(v.in)
		destroy(v.out)
	}
	st.open.free()
	st.views, st.bufIn, st.bufOut = nil, nil, nil
}

// destroy frees the values that are not nil. If the wrapper could not make a value, the
// interface contains a nil pointer.
func destroy(values []ort.Value) {
	for _, v := range values {
		if v != nil && !reflect.ValueOf(v).IsNil() {
			v.Destroy()
		}
	}
}
