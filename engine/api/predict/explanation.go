package predict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"sweetspot/engine/explain"
	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// encode appends the answer.
func (x *explanation) encode(dst []byte) ([]byte, error) {
	if x.wrapping.Member != "" {
		dst = append(handler.AppendString(append(dst, '{'), x.wrapping.Member), ":["...)
	} else if len(x.rows) != 1 {
		return dst, fmt.Errorf("%d rows, expected 1", len(x.rows))
	}
	var err error
	for i := range x.rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = x.encodeRow(dst, i); err != nil {
			return dst, err
		}
	}
	if x.wrapping.Member != "" {
		dst = append(dst, "]}"...)
	}
	return append(dst, '\n'), nil
}

// encodeRow appends the explanation of a row.
func (x *explanation) encodeRow(dst []byte, i int) (_ []byte, err error) {
	row := &x.rows[i]
	if x.explain.Form == explain.Attributions {
		if x.wrapping.Words != nil {
			dst = append(dst, '{')
			dst, err = x.encodeWords(dst, i)
			return append(dst, '}'), err
		}
		return appendNumbers(dst, x.request.Items[i][x.in].Shape, row.plan.Attributions(row.differences))
	}
	if dst, err = x.encodeDetails(dst, row); err != nil {
		return dst, err
	}
	dst = append(dst, ',')
	switch {
	case x.wrapping.Words != nil:
		dst, err = x.encodeWords(dst, i)
	case x.explain.Form == explain.Grid:
		dst, err = appendNumbers(append(dst, `"grid":`...), row.plan.Grid, row.differences)
	default:
		dst, err = appendNumbers(append(dst, `"attributions":`...), x.request.Items[i][x.in].Shape, row.plan.Attributions(row.differences))
	}
	return append(dst, '}'), err
}

// encodeDetails appends how a row was explained, without the end of the object.
func (x *explanation) encodeDetails(dst []byte, row *explainedRow) ([]byte, error) {
	m := x.service.Model()
	score, err := appendNumbers(nil, nil, []float64{row.score.Value})
	if err != nil {
		return dst, err
	}
	text, err := json.Marshal(struct {
		Method   string          `json:"method"`
		Input    string          `json:"input"`
		Output   string          `json:"output"`
		Target   []int64         `json:"target"`
		Score    json.RawMessage `json:"score"`
		Baseline float64         `json:"baseline"`
		Window   []int64         `json:"window,omitempty"`
		Stride   []int64         `json:"stride,omitempty"`
		Passes   int             `json:"passes"`
	}{
		row.plan.Method.String(), m.Inputs[x.in].Name, m.Outputs[x.out].Name, row.score.Target, score,
		row.plan.Baseline, row.plan.Window, row.plan.Stride, row.plan.Len() + 1,
	})
	return append(dst, bytes.TrimSuffix(text, []byte("}"))...), err
}

// encodeWords appends the words of a row and the difference of each, as members of an object.
func (x *explanation) encodeWords(dst []byte, i int) ([]byte, error) {
	differences := x.rows[i].differences
	dst, err := appendNumbers(append(dst, `"importances":`...), []int64{int64(len(differences))}, differences)
	dst = append(dst, `,"words":[`...)
	for k, word := range x.wrapping.Words[i].Texts {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = handler.AppendString(dst, word)
	}
	return append(dst, ']'), err
}

// appendNumbers appends numbers as nested lists of a shape, rounded to FP32.
func appendNumbers(dst []byte, shape []int64, numbers []float64) ([]byte, error) {
	data := make([]byte, 0, 4*len(numbers))
	for _, v := range numbers {
		data = tensor.AppendFloat32(data, float32(v))
	}
	t := tensor.Tensor{Type: tensor.Float32, Shape: shape, Data: data}
	b, err := handler.Encode(dst, handler.JSON, []tensor.Spec{{Name: "explanation", Type: t.Type, Shape: shape}}, tensor.Item{t})
	return bytes.TrimSuffix(b.Data, []byte("\n")), err
}

// targets returns the targets that the rows of a body have as the member or the part target, as
// handlers in Python read them; nil for a row without one. The bodies of a model without a
// handler have none, unless they are instances of KServe v1.
func (x *explanation) targets(b payload.Body) ([][]int64, error) {
	if _, ok := x.handler.(*handler.Tensors); ok || x.explain.Target != nil || !bytes.Contains(b.Data, []byte("target")) {
		return nil, nil
	}
	if json.Valid(b.Data) {
		return targetsOf(b.Data)
	}
	var form payload.Request
	if err := new(handler.Parts).Decode(&form, b); err != nil {
		return nil, nil // the handler has read it in another way
	}
	for _, p := range form.Parts {
		if p.Name == "target" {
			t, err := target(p.Data)
			return [][]int64{t}, err
		}
	}
	return nil, nil
}

// targetsOf returns the targets of a JSON body.
func targetsOf(body []byte) ([][]int64, error) {
	var all struct {
		Target    json.RawMessage   `json:"target"`
		Instances []json.RawMessage `json:"instances"`
	}
	if json.Unmarshal(body, &all) != nil {
		return nil, nil // no object
	}
	if all.Target != nil {
		t, err := target(all.Target)
		return [][]int64{t}, err
	}
	out := make([][]int64, len(all.Instances))
	for i, raw := range all.Instances {
		var instance struct {
			Target json.RawMessage `json:"target"`
		}
		if json.Unmarshal(raw, &instance) != nil || instance.Target == nil {
			continue
		}
		var err error
		if out[i], err = target(instance.Target); err != nil {
			return nil, fmt.Errorf("instance %d: %w", i, err)
		}
	}
	return out, nil
}

// target reads the index of a score: a whole number, or a list of them.
func target(text []byte) ([]int64, error) {
	text = bytes.TrimSpace(text)
	if string(text) == "null" {
		return nil, nil
	}
	if s, err := strconv.Unquote(string(text)); err == nil {
		text = []byte(s)
	}
	var list []int64
	var one int64
	if json.Unmarshal(text, &one) == nil {
		list = []int64{one}
	} else if json.Unmarshal(text, &list) != nil {
		return nil, fmt.Errorf("target %.40q is neither a whole number nor a list of them", text)
	}
	for _, v := range list {
		if v < 0 {
			return nil, errors.New("target is negative; indices begin at 0")
		}
	}
	return list, nil
}
