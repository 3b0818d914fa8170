package main

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// binaryBody is the raw bytes of one input, or a form with those of several.
func binaryBody(in []namedTensor) handler.Body {
	var specs []tensor.Spec
	var item tensor.Item
	for _, t := range in {
		specs = append(specs, tensor.Spec{Name: t.name, Type: t.Type, Shape: t.Shape})
		item = append(item, t.Tensor)
	}
	return handler.BodyOf(specs, item)
}

// jsonBody is an object with an array for each input.
func jsonBody(in []namedTensor) handler.Body {
	text := []byte{'{'}
	for i, t := range in {
		text = append(text, []string{"", ","}[min(i, 1)]...)
		text = append(append(text, strconv.Quote(t.name)...), ':')
		b, _ := handler.Encode(text, handler.JSON, []tensor.Spec{{Name: t.name}}, tensor.Item{t.Tensor}) // it is whole
		text = b.Data
	}
	return handler.Body{Type: handler.TypeJSON, Data: append(text, '}')}
}

// readAnswer decodes an answer to the outputs in the order of want.
func readAnswer(resp *http.Response, data []byte, want []namedTensor) ([]tensor.Tensor, error) {
	media, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	switch length := resp.Header.Get(handler.HeaderLength); {
	case length != "":
		return readBinary(data, length, want)
	case media == handler.TypeRaw:
		t := tensor.Tensor{Type: want[0].Type, Shape: want[0].Shape, Data: data}
		if text, ok := params["shape"]; ok {
			t.Shape, err = readShape(text)
		}
		return []tensor.Tensor{t}, err
	}
	var specs []tensor.Spec
	for _, w := range want {
		specs = append(specs, tensor.Spec{Name: w.name, Type: w.Type, Shape: w.Shape})
	}
	return handler.Decode(handler.TypeJSON, data, specs)
}

func readShape(text string) ([]int64, error) {
	out := []int64{}
	for part := range strings.SplitSeq(text, "x") {
		d, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// readBinary decodes an answer whose first length bytes describe the tensors behind them.
func readBinary(data []byte, length string, want []namedTensor) ([]tensor.Tensor, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n > len(data) {
		return nil, fmt.Errorf("%s: %q of %d bytes", handler.HeaderLength, length, len(data))
	}
	var head struct {
		Outputs []struct {
			Name       string
			Datatype   tensor.Type
			Shape      []int64
			Parameters struct {
				Size int `json:"binary_data_size"`
			}
		}
	}
	if err := json.Unmarshal(data[:n], &head); err != nil {
		return nil, err
	}
	var out []tensor.Tensor
	data = data[n:]
	for i, o := range head.Outputs {
		if i >= len(want) || o.Name != want[i].name || o.Parameters.Size > len(data) {
			return nil, fmt.Errorf("output %d is %s with %d bytes of %d", i, o.Name, o.Parameters.Size, len(data))
		}
		out = append(out, tensor.Tensor{Type: o.Datatype, Shape: o.Shape, Data: data[:o.Parameters.Size]})
		data = data[o.Parameters.Size:]
	}
	if len(out) != len(want) || len(data) > 0 {
		return nil, fmt.Errorf("%d outputs of %d, %d bytes behind them", len(out), len(want), len(data))
	}
	return out, nil
}
