package onnx

import (
	"errors"
	"fmt"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// texts makes the value of input i, which has texts, for a run of rows.
func (st *state) texts(rows []payload.Row, i int) (ort.Value, error) {
	p := &st.plan.in[i]
	shape := p.withAxis(p.itemShape(rows[0].Item, i), len(rows))
	if !p.batched {
		rows = rows[:1]
	}
	parts := make([][]string, len(rows))
	for k := range rows {
		var err error
		if parts[k], err = textsOf(st.valueOf(rows, k, i)); err != nil {
			return nil, err
		}
	}
	if len(rows) == 1 {
		return newTexts(shape, parts[0])
	}
	var all []string
	outer := int(tensor.Elements(shape[:p.axis]))
	for o := range outer {
		for _, texts := range parts {
			size := len(texts) / outer
			all = append(all, texts[o*size:(o+1)*size]...)
		}
	}
	return newTexts(shape, all)
}

// textsOf returns the texts in data. The wrapper would cut those with a NUL.
func textsOf(data []byte) ([]string, error) {
	texts, ok := tensor.Texts(data)
	if !ok {
		return nil, errors.New("its bytes are no texts")
	}
	for _, s := range texts {
		if strings.ContainsRune(s, 0) {
			return nil, errors.New("a text has a NUL character")
		}
	}
	return texts, nil
}

// newTexts makes a value of the runtime.
func newTexts(shape []int64, texts []string) (ort.Value, error) {
	v, err := ort.NewStringTensor(shape)
	if err != nil { // v would be a nil pointer in an interface
		return nil, err
	}
	if err := v.SetContents(texts); err != nil {
		return nil, errors.Join(err, v.Destroy())
	}
	return v, nil
}

// textOutput returns the shape and the data of an output with texts.
func textOutput(p *tensorPort, v ort.Value) ([]int64, []byte, error) {
	t, ok := v.(*ort.StringTensor)
	if !ok {
		return nil, nil, wrongType(p, v)
	}
	shape := append([]int64{}, t.GetShape()...)
	if len(shape) == 0 { // for which the wrapper counts no elements
		text, err := t.GetElement(0)
		return shape, tensor.AppendText(nil, text), err
	}
	if tensor.Elements(shape) == 0 {
		return shape, []byte{}, nil
	}
	texts, err := t.GetContents()
	if err != nil {
		return nil, nil, fmt.Errorf("output %q: %s", p.Name, oneLine(err))
	}
	return shape, tensor.JoinTexts(texts), nil
}

// splitTexts gives each of n items its texts of one output; their tensors are width apart in
// out. shape is that of an item.
func splitTexts(p *tensorPort, n int, shape []int64, data []byte, out tensor.Item, width int) {
	texts, _ := tensor.Texts(data)
	outer := int(tensor.Elements(shape[:p.axis]))
	part := len(texts) / max(outer*n, 1)
	for k := range n {
		own := []byte{}
		for o := range outer {
			at := (o*n + k) * part
			own = append(own, tensor.JoinTexts(texts[at:at+part])...)
		}
		out[k*width] = tensor.Tensor{Type: p.Type, Shape: shape, Data: own}
	}
}
