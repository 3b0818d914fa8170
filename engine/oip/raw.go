package oip

import (
	"errors"
	"fmt"

	"sweetspot/engine/tensor"
)

// Raw makes a request whose whole body is the data of the only input of the model, as a body
// is whose JSON has the length 0: one row, whose outputs are all answered as binary. The size
// of one open dimension follows from the data. BYTES are one text without a length before it.
func (s *Signature) Raw(r *Request, body []byte) error {
	*r = Request{Inputs: r.Inputs[:0], Binary: true}
	if len(s.Inputs) != 1 {
		return fmt.Errorf("a body without JSON is one input, and the model has %d", len(s.Inputs))
	}
	p := s.Inputs[0]
	t := Tensor{Name: p.Name, Tensor: tensor.Tensor{Type: p.Type, Data: body}, Binary: true}
	if p.Type == tensor.String {
		t.Data = tensor.AppendText(nil, string(body))
	}
	row, err := sizeOf(p.Shape, tensor.Count(p.Type, t.Data))
	if err != nil {
		return fmt.Errorf("input %q: %d bytes %w %s %v, which a body without JSON must be", p.Name, len(body), err, p.Type, p.Shape)
	}
	t.Shape = row
	if p.Axis >= 0 {
		t.Shape = withAxis(row, p.Axis, 1)
	}
	r.Inputs = append(r.Inputs, t)
	return nil
}

// sizeOf returns shape with its open dimension set so that it has count elements.
func sizeOf(shape []int64, count int64) ([]int64, error) {
	out, open := append([]int64{}, shape...), -1
	for i, size := range out {
		if size < 0 {
			if open >= 0 {
				return nil, errors.New("do not determine the sizes of")
			}
			open, out[i] = i, 1
		}
	}
	n := tensor.Elements(out)
	switch {
	case count < 0:
	case open < 0 && n == count:
		return out, nil
	case open >= 0 && n > 0 && count%n == 0:
		out[open] = count / n
		return out, nil
	}
	return nil, errors.New("are not one row of")
}
