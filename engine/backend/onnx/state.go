package onnx

import (
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
	views         map[int]view
	open          openViews // of a model with open inputs, instead of views

	// in and out are the values of the current run. The run sets the elements of out
	// that are nil in the view.
	in, out []ort.Value
	current view
}

// view has the tensors over the buffers for one batch size.
type view struct{ in, out []ort.Value }

// prepare copies the rows into the buffers and sets in and out for a run. It allocates only
// for a new batch size, and for scalars.
func (st *state) prepare(rows []payload.Row) error {
	n := len(rows)
	if st.bufIn == nil || n > st.capacity {
		st.grow(max(n, st.capacity))
	}
	if st.plan.open {
		return st.prepareOpen(rows)
	}
	v, ok := st.views[n]
	if !ok {
		var err error
		if v, err = st.newView(n); err != nil {
			return err
		}
		st.views[n] = v
	}
	return st.set(v, rows)
}

// set copies the rows into the buffers and makes v the view of the run.
func (st *state) set(v view, rows []payload.Row) error {
	st.assemble(rows)
	st.current = v
	st.in = append(st.in[:0], v.in...)
	st.out = append(st.out[:0], v.out...)
	return st.scalars(rows[0].Item)
}

// assemble copies the rows into the buffers, one after the other.
func (st *state) assemble(rows []payload.Row) {
	for i, buf := range st.bufIn {
		for k := range rows {
			buf = buf[copy(buf, rows[k].Item[i].Data):]
		}
	}
}

// scalars makes the values without dimensions; a batch with such a value has a single item.
func (st *state) scalars(item tensor.Item) (err error) {
	for i, p := range st.plan.in {
		if p.isScalar() {
			if st.in[i], err = p.binding.scalar(item[i].Data); err != nil {
				return fmt.Errorf("input %q: %s", p.Name, oneLine(err))
			}
		}
	}
	for i, p := range st.plan.out {
		if p.isScalar() {
			if st.out[i], err = p.binding.scalar(make([]byte, p.size)); err != nil {
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
	st.views = map[int]view{}
	st.bufIn, st.bufOut = buffers(st.plan.in, n), buffers(st.plan.out, n)
}

func buffers(ports []tensorPort, n int) [][]byte {
	out := make([][]byte, len(ports))
	for i, p := range ports {
		if p.size >= 0 && !p.isScalar() {
			out[i] = make([]byte, max(1, p.bytes(n))) // the wrapper needs a byte even for no elements
		}
	}
	return out
}

// newView makes the view of the first n items.
func (st *state) newView(n int) (view, error) {
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

func values(ports []tensorPort, bufs [][]byte, n int) ([]ort.Value, error) {
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

// splitOutputs splits the outputs by item. The results own their bytes.
func (st *state) splitOutputs(n int, results []payload.Result) error {
	width := len(st.plan.out)
	outputs := make(tensor.Item, n*width)
	index, err := st.readRaggedIndex(n)
	if err != nil {
		return err
	}
	for i, p := range st.plan.out {
		shape, data, err := st.output(i, n)
		if err != nil {
			return err
		}
		if p.ragged {
			if err := index.assign(p, i, shape, data, outputs, width); err != nil {
				return err
			}
			continue
		}
		if p.batched {
			shape = shape[1:]
		}
		size := len(data) / n
		for k := range n {
			one := data[k*size : (k+1)*size : (k+1)*size]
			outputs[k*width+i] = tensor.Tensor{Type: p.Type, Shape: shape, Data: one}
		}
	}
	for k := range results {
		results[k] = payload.Result{Outputs: outputs[k*width : (k+1)*width : (k+1)*width]}
	}
	return nil
}

// output returns the shape and the data of output i. No later run changes the data.
func (st *state) output(i, n int) ([]int64, []byte, error) {
	p := st.plan.out[i]
	if buf := st.bufOut[i]; buf != nil {
		return p.shape(n), append([]byte(nil), buf[:p.bytes(n)]...), nil
	}
	v := st.out[i]
	data, ok := p.bytesOf(v)
	if !ok {
		return nil, nil, fmt.Errorf("output %q is not %s: the runtime returned a %T", p.Name, p.Type, v)
	}
	shape := append([]int64{}, v.GetShape()...)
	rank := len(p.Shape)
	if p.batched {
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
