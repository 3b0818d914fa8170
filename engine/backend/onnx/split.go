package onnx

import (
	"fmt"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// splitOutputs splits the outputs of a run by item. The results own their bytes.
func (st *state) splitOutputs(rows []payload.Row, results []payload.Result) error {
	n, width := len(rows), len(st.plan.out)
	outputs := make(tensor.Item, n*width)
	index, err := st.readRaggedIndex(n)
	if err != nil {
		return err
	}
	for i := range st.plan.out {
		p := &st.plan.out[i]
		switch {
		case p.input >= 0:
			st.copyInput(rows, i, outputs)
			continue
		case p.same >= 0:
			copyOutput(outputs, width, i, p.same)
			continue
		}
		shape, data, err := st.output(i, n)
		if err != nil {
			return err
		}
		if p.ragged {
			err = index.assign(p, i, shape, data, outputs, width)
		} else {
			err = st.split(p, n, shape, data, outputs[i:], width)
		}
		if err != nil {
			return err
		}
	}
	for k := range results {
		results[k] = payload.Result{Outputs: outputs[k*width : (k+1)*width : (k+1)*width]}
	}
	return nil
}

// split gives each of n items its part of one output; their tensors are width apart in out.
func (st *state) split(p *tensorPort, n int, shape []int64, data []byte, out tensor.Item, width int) error {
	hasAxis := p.batched && len(shape) > p.axis && shape[p.axis] == int64(n)
	bare := n == 1 && p.Shape != nil && len(shape) == len(p.Shape) // the model has squeezed the axis of 1
	if p.batched && !hasAxis && !bare && st.plan.batch {
		return fmt.Errorf("outputs have no batch dimension: %s is %v for %s; --no-batch serves the model without one", p.Name, shape, count(n, "item"))
	}
	if hasAxis {
		shape = removeAxis(shape, p.axis)
	}
	if p.isText() && p.batched && n > 1 {
		splitTexts(p, n, shape, data, out, width)
		return nil
	}
	size := len(data) / n
	for k := range n {
		var one []byte
		switch {
		case n == 1:
			one = data
		case !p.batched: // the same for all rows
			one = slices.Clone(data)
		case p.axis == 0:
			one = data[k*size : (k+1)*size : (k+1)*size]
		case size > 0:
			one = separate(data, int(tensor.Elements(shape[:p.axis])), k, n)
		}
		out[k*width] = tensor.Tensor{Type: p.Type, Shape: shape, Data: one}
	}
	return nil
}

// removeAxis returns the shape without the axis; it may share the memory of shape.
func removeAxis(shape []int64, axis int) []int64 {
	if axis == 0 {
		return shape[1:]
	}
	return slices.Delete(shape, axis, axis+1)
}

// copyInput gives each row its own input as output i: the runtime only passes it on.
func (st *state) copyInput(rows []payload.Row, i int, outputs tensor.Item) {
	from := st.plan.out[i].input
	in := &st.plan.in[from]
	for k := range rows {
		outputs[k*len(st.plan.out)+i] = tensor.Tensor{
			Type: in.Type, Shape: slices.Clone(in.itemShape(rows[k].Item, from)), Data: slices.Clone(st.valueOf(rows, k, from)),
		}
	}
}

// copyOutput gives each item its output from as output to, which has the same name.
func copyOutput(outputs tensor.Item, width, to, from int) {
	for k := 0; k < len(outputs); k += width {
		t := outputs[k+from]
		outputs[k+to] = tensor.Tensor{Type: t.Type, Shape: slices.Clone(t.Shape), Data: slices.Clone(t.Data)}
	}
}

// output returns the shape and the data of output i. No later run changes the data.
func (st *state) output(i, n int) ([]int64, []byte, error) {
	p := &st.plan.out[i]
	switch {
	case p.flat:
		return flatOutput(p, st.out[p.slot], st.out[p.slot+1])
	case st.bufOut[i] != nil && st.current.out[p.slot] != nil:
		return p.shape(n), append([]byte(nil), st.bufOut[i][:p.bytes(n)]...), nil
	}
	v := st.out[p.slot]
	if p.isText() {
		return textOutput(p, v)
	}
	data, ok := p.bytesOf(v)
	if !ok {
		return nil, nil, wrongType(p, v)
	}
	return append([]int64{}, v.GetShape()...), data, nil
}

// flatOutput joins the two values of a flat output.
func flatOutput(p *tensorPort, shape, flat ort.Value) ([]int64, []byte, error) {
	sizes, ok := bindings[tensor.Int64].bytesOf(shape)
	if !ok {
		return nil, nil, wrongType(p, shape)
	}
	typ := flatType(p.Type)
	data, ok := bindings[typ].bytesOf(flat)
	if !ok {
		return nil, nil, wrongType(p, flat)
	}
	if typ != p.Type {
		data = toHalf(data, p.Type)
	}
	dims := make([]int64, len(sizes)/tensor.Int64.Size())
	for i := range dims {
		dims[i] = tensor.IntAt(tensor.Int64, sizes, i)
	}
	return dims, data, nil
}

func wrongType(p *tensorPort, v ort.Value) error {
	return fmt.Errorf("output %q is not %s: the runtime returned a %T", p.Name, p.Type, v)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
