package oip

import (
	"fmt"
	"slices"

	"sweetspot/engine/tensor"
)

// Join returns output i of the model with all rows: the outputs of each row, with the axis of
// the rows. Of a single row it shares the memory. An error means that the rows do not make one
// tensor: their shapes differ.
func (s *Signature) Join(rows []tensor.Item, i int) (Tensor, error) {
	p := &s.Outputs[i]
	out := Tensor{Name: p.Name}
	for k, row := range rows {
		if len(row) != len(s.Outputs) {
			return out, fmt.Errorf("row %d: the model returned %d outputs, expected %d", k, len(row), len(s.Outputs))
		}
		t := row[i]
		if n := tensor.Elements(t.Shape); n < 0 || t.Type != p.Type || tensor.Count(t.Type, t.Data) != n {
			return out, fmt.Errorf("output %q: %d bytes do not fit %s %v", p.Name, len(t.Data), t.Type, t.Shape)
		}
	}
	var err error
	switch {
	case len(rows) == 0:
		return out, fmt.Errorf("output %q: no rows", p.Name)
	case p.Ragged:
		out.Tensor, err = p.joinEntries(rows, i)
	case p.Axis < 0:
		out.Tensor = rows[0][i] // the same for all rows
	default:
		out.Tensor, err = p.stack(rows, i)
	}
	return out, err
}

// stack joins rows along a new axis.
func (p *Port) stack(rows []tensor.Item, i int) (tensor.Tensor, error) {
	first := rows[0][i]
	t := tensor.Tensor{Type: first.Type, Shape: withAxis(first.Shape, p.Axis, int64(len(rows)))}
	if len(rows) == 1 {
		t.Data = first.Data
		return t, nil
	}
	size := 0
	for k, row := range rows {
		if !slices.Equal(row[i].Shape, first.Shape) {
			return t, fmt.Errorf("output %q has the shape %v for the first row and %v for row %d, which do not make one tensor; send these rows in requests of their own", p.Name, first.Shape, row[i].Shape, k+1)
		}
		size += len(row[i].Data)
	}
	outer := int(tensor.Elements(first.Shape[:min(p.Axis, len(first.Shape))]))
	if t.Type == tensor.String && outer != 1 {
		t.Data = joinTexts(rows, i, outer)
		return t, nil
	}
	t.Data = make([]byte, 0, size)
	for o := range outer {
		for _, row := range rows {
			piece := len(row[i].Data) / outer
			t.Data = append(t.Data, row[i].Data[o*piece:(o+1)*piece]...)
		}
	}
	return t, nil
}

// joinTexts is stack for texts along an axis that is not the first one.
func joinTexts(rows []tensor.Item, i, outer int) []byte {
	all := make([][]string, len(rows))
	for k, row := range rows {
		all[k], _ = tensor.Texts(row[i].Data) // they have been counted
	}
	data := []byte{}
	for o := range outer {
		for _, texts := range all {
			piece := len(texts) / outer
			for _, text := range texts[o*piece : (o+1)*piece] {
				data = tensor.AppendText(data, text)
			}
		}
	}
	return data
}

// joinEntries joins ragged outputs: the entries of each row, one row after the other. The index
// gets the positions of the rows.
func (p *Port) joinEntries(rows []tensor.Item, i int) (tensor.Tensor, error) {
	t := rows[0][i]
	if len(t.Shape) == 0 {
		return t, fmt.Errorf("output %q has no dimension that counts entries", p.Name)
	}
	if len(rows) == 1 && !p.Index {
		return t, nil
	}
	t.Shape, t.Data = slices.Clone(t.Shape), nil
	t.Shape[0] = 0
	for k, row := range rows {
		one := row[i]
		if len(one.Shape) != len(t.Shape) || !slices.Equal(one.Shape[1:], t.Shape[1:]) {
			return t, fmt.Errorf("output %q has the shape %v for the first row and %v for row %d, which do not make one tensor", p.Name, rows[0][i].Shape, one.Shape, k+1)
		}
		t.Shape[0] += one.Shape[0]
		if !p.Index {
			t.Data = append(t.Data, one.Data...)
			continue
		}
		for range tensor.Elements(one.Shape) {
			t.Data = tensor.AppendInt(t.Data, t.Type, int64(k))
		}
	}
	return t, nil
}
