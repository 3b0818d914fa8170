package oip

import (
	"fmt"
	"slices"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// Rows appends the rows of the inputs to dst: items with one tensor for each input of the
// model. The rows share the memory of the inputs where the batch axis is the first one. An
// error is the caller's fault and names the input.
func (s *Signature) Rows(dst []tensor.Item, inputs []Tensor) ([]tensor.Item, error) {
	at := make([]int, len(s.Inputs)) // where each input of the model is in inputs, plus 1
	for k := range inputs {
		i, err := find(s.Inputs, inputs[k].Name, "input")
		if err != nil {
			return dst, err
		}
		if at[i] != 0 {
			return dst, fmt.Errorf("input %q is given twice", inputs[k].Name)
		}
		at[i] = k + 1
	}
	n, err := s.countRows(inputs, at)
	if err != nil {
		return dst, err
	}
	width := len(s.Inputs)
	tensors := make([]tensor.Tensor, n*width)
	for i := range s.Inputs {
		if at[i] == 0 {
			continue // left out
		}
		if err := s.Inputs[i].divide(inputs[at[i]-1].Tensor, tensors[i:], width, n); err != nil {
			return dst, err
		}
	}
	for k := range n {
		dst = append(dst, tensors[k*width:(k+1)*width:(k+1)*width])
	}
	return dst, nil
}

// countRows checks the inputs and returns the number of their rows.
func (s *Signature) countRows(inputs []Tensor, at []int) (int, error) {
	n, first := int64(-1), ""
	for i := range s.Inputs {
		p := &s.Inputs[i]
		if at[i] == 0 {
			if p.Optional {
				continue
			}
			return 0, fmt.Errorf("input %q is missing: %s %v", p.Name, p.Type, p.WholeShape(s.Batch))
		}
		rows, err := p.check(inputs[at[i]-1].Tensor, s.Batch)
		switch {
		case err != nil:
			return 0, err
		case p.Axis < 0:
		case rows == 0:
			return 0, fmt.Errorf("input %q has no rows; send at least one", p.Name)
		case rows > MaxRows:
			return 0, fmt.Errorf("input %q has %d rows, above the limit of %d in a request", p.Name, rows, MaxRows)
		case n < 0:
			n, first = rows, p.Name
		case n != rows:
			return 0, fmt.Errorf("input %q has %d rows and input %q %d; all inputs of a request have the same number", p.Name, rows, first, n)
		}
	}
	return int(max(n, 1)), nil // 1 if no input has the axis of the rows
}

// check checks the whole tensor t and returns the number of its rows.
func (p *Port) check(t tensor.Tensor, batch bool) (int64, error) {
	if t.Type != p.Type {
		return 0, fmt.Errorf("input %q: datatype %s, expected %s", p.Name, t.Type, p.Type)
	}
	rows, ok := p.fits(t.Shape, batch)
	if !ok {
		return 0, p.shapeError(t.Shape, batch)
	}
	if err := checkData(t); err != nil {
		return 0, fmt.Errorf("input %q: %w", p.Name, err)
	}
	return rows, handler.CheckValues(p.Spec, t)
}

// checkData compares the data of a tensor with its shape.
func checkData(t tensor.Tensor) error {
	n := tensor.Elements(t.Shape)
	got := tensor.Count(t.Type, t.Data)
	switch {
	case n < 0:
		return fmt.Errorf("shape %v, expected sizes of 0 or more that are not too large together", t.Shape)
	case got == n:
		return nil
	case t.Type == tensor.String && got < 0:
		return fmt.Errorf("%d bytes are no BYTES, which are texts with their lengths before them, as 4 bytes each", len(t.Data))
	case t.Type == tensor.String:
		return fmt.Errorf("%d texts, expected %d for the shape %v", got, n, t.Shape)
	case n > (1<<62)/int64(t.Type.Size()):
		return fmt.Errorf("%d bytes do not fit %s %v", len(t.Data), t.Type, t.Shape)
	}
	return fmt.Errorf("%d bytes, expected %d for %s %v", len(t.Data), n*int64(t.Type.Size()), t.Type, t.Shape)
}

// divide writes the n rows of t, which check has checked, to out[0], out[step] and so on.
func (p *Port) divide(t tensor.Tensor, out []tensor.Tensor, step, n int) error {
	if t.Data == nil {
		t.Data = []byte{} // nil would mean that the input is left out
	}
	if p.Axis < 0 {
		for k := range n {
			out[k*step] = t
		}
		return nil
	}
	shape := slices.Delete(slices.Clone(t.Shape), p.Axis, p.Axis+1)
	outer := int(tensor.Elements(t.Shape[:p.Axis]))
	var parts [][]byte
	switch {
	case n == 1:
		parts = [][]byte{t.Data}
	case t.Type == tensor.String:
		parts = divideTexts(t.Data, outer, n)
	case outer == 1:
		parts = divideBytes(t.Data, n)
	default:
		parts = gather(t.Data, outer, n)
	}
	for k := range n {
		out[k*step] = tensor.Tensor{Type: t.Type, Shape: shape, Data: parts[k]}
	}
	return nil
}

// divideBytes returns n parts of equal size, without copying them.
func divideBytes(data []byte, n int) [][]byte {
	parts, size := make([][]byte, n), len(data)/n
	for k := range parts {
		parts[k] = data[k*size : (k+1)*size : (k+1)*size]
	}
	return parts
}

// gather returns the rows along an axis that is not the first one: outer times, data has a piece
// of each of the n rows.
func gather(data []byte, outer, n int) [][]byte {
	if len(data) == 0 {
		return divideBytes(data, n)
	}
	parts, piece := divideBytes(make([]byte, len(data)), n), len(data)/(outer*n)
	for o := range outer {
		for k := range parts {
			from := (o*n + k) * piece
			copy(parts[k][o*piece:], data[from:from+piece])
		}
	}
	return parts
}

// divideTexts is gather for texts, which have different lengths.
func divideTexts(data []byte, outer, n int) [][]byte {
	texts, _ := tensor.Texts(data) // they have been counted
	parts, piece := make([][]byte, n), 0
	if outer > 0 {
		piece = len(texts) / (outer * n)
	}
	for k := range parts {
		parts[k] = []byte{}
		for o := range outer {
			for _, text := range texts[(o*n+k)*piece : (o*n+k+1)*piece] {
				parts[k] = tensor.AppendText(parts[k], text)
			}
		}
	}
	return parts
}
