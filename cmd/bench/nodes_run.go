package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/catalog"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/tensor"
)

func result(o outcome, why string) nodeResult { return nodeResult{Outcome: o, Why: why} }

// run serves the model of a test, sends its inputs, and compares the answers.
func (s *nodeServer) run(ctx context.Context, t nodeTest) nodeResult {
	alone, err := s.reference(t)
	if err != nil {
		return result(unloaded, reasonOf(err))
	}
	defer alone.Close() //nolint:errcheck // it has no unsaved state
	in, out, err := t.values()
	why, unsent := errors.AsType[unreadable](err)
	if err != nil && !unsent {
		return result(wrong, err.Error())
	}
	m, err := catalog.Open(ctx, "test="+t.model, catalog.Options{Shapes: openShapes(t.model, in), Probe: s.backend})
	switch {
	case err != nil:
		return result(refused, reasonOf(err))
	case unsent:
		return result(refused, "no body can have "+why.what)
	}
	if err := s.engine.Load(ctx, m, knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}); err != nil {
		return result(refused, reasonOf(err))
	}
	defer s.engine.Unload(ctx, m.Name, "") //nolint:errcheck // the next load would fail
	for _, c := range []struct {
		body   handler.Body
		accept string
	}{{binaryBody(in), handler.TypeRaw}, {jsonBody(in), handler.TypeJSON}} {
		got, refusal, err := s.ask(ctx, m.Name, c.body, c.accept, out)
		switch {
		case err != nil:
			return result(wrong, err.Error())
		case refusal != "":
			return explainRefusal(alone, in, out, refusal)
		}
		if diff := compareAll(out, got); diff != "" {
			return explain(alone, in, out, got, diff)
		}
	}
	return result(right, "")
}

// explainRefusal finds out whether the runtime alone refuses the inputs of a test too: some do
// not fit the model.
func explainRefusal(alone *onnx.Reference, in, want []namedTensor, refusal string) nodeResult {
	if _, err := alone.Run(tensorsOf(in), tensorsOf(want)); err != nil {
		return result(deviates, "the runtime alone does not take the inputs: "+reasonOf(err))
	}
	return result(refused, refusal)
}

// explain finds out why the answer got differs from the expected one: the engine is wrong, or
// the runtime has other values too when it runs the model alone. Some models have other
// values only in some runs.
func explain(alone *onnx.Reference, in, want []namedTensor, got []tensor.Tensor, diff string) nodeResult {
	var first []namedTensor
	for range 8 {
		values, err := alone.Run(tensorsOf(in), tensorsOf(want))
		switch {
		case err != nil:
			return result(wrong, fmt.Sprintf("%s; the runtime alone: %v", diff, err))
		case first == nil && compareAll(want, values) == "":
			return result(wrong, diff)
		case first == nil:
			first = slices.Clone(want)
			for i := range first {
				first[i].Tensor = values[i]
			}
		case compareAll(first, values) != "":
			return result(deviates, "the runtime's values differ from run to run")
		}
	}
	if compareAll(first, got) == "" {
		return result(deviates, "the runtime alone has the same values as the answer, not the expected ones")
	}
	return result(wrong, diff+"; the runtime alone has other values again")
}

// compareAll compares all outputs; "" means that they are the same.
func compareAll(want []namedTensor, got []tensor.Tensor) string {
	for i, w := range want {
		if diff := compareTensors(w.Tensor, got[i]); diff != "" {
			return w.name + ": " + diff
		}
	}
	return ""
}

func tensorsOf(named []namedTensor) []tensor.Tensor {
	var out []tensor.Tensor
	for _, t := range named {
		out = append(out, t.Tensor)
	}
	return out
}

// reference loads the model of a test in the runtime itself.
func (s *nodeServer) reference(t nodeTest) (*onnx.Reference, error) {
	info, err := inspect(t.model)
	if err != nil {
		return nil, err
	}
	return s.backend.Reference(t.model, valueNames(info.Inputs), valueNames(info.Outputs))
}

func inspect(path string) (*onnxgraph.Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return onnxgraph.Inspect(f)
}

func valueNames(vs []onnxgraph.Value) []string {
	var out []string
	for _, v := range vs {
		out = append(out, v.Name)
	}
	return out
}

// openShapes returns the shapes of those inputs that have open dimensions, as --shape
// gives them.
func openShapes(path string, in []namedTensor) map[string][]int64 {
	info, err := inspect(path)
	if err != nil {
		return nil // catalog.Open has the same error
	}
	out := map[string][]int64{}
	for _, v := range info.Inputs {
		open := v.Dims == nil
		for _, d := range v.Dims {
			open = open || d.Open()
		}
		for _, t := range in {
			if open && t.name == v.Name {
				out[v.Name] = t.Shape
				if len(v.Dims) > 0 && v.Dims[0].Open() {
					out[v.Name] = t.Shape[1:] // of one item
				}
			}
		}
	}
	return out
}

// ask sends one body and returns the outputs, or the reason of a refusal.
func (s *nodeServer) ask(ctx context.Context, model string, b handler.Body, accept string, want []namedTensor) (out []tensor.Tensor, refusal string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/predictions/"+model, bytes.NewReader(b.Data))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", b.Type)
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", err
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Message string }
		_ = json.Unmarshal(data, &e) // without a message the status is the reason
		return nil, fmt.Sprintf("status %d: %s", resp.StatusCode, reasonOf(errors.New(e.Message))), nil
	}
	out, err = readAnswer(resp, data, want)
	return out, "", err
}

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

// varies are the parts of an error text that differ between errors of one reason.
var varies = regexp.MustCompile(`"[^"]*"|'[^']*'|\[[^\]]*\]|\S*/\S*|[\w.:]+\([^)]*\)|\d+`)

// reasonOf is the reason of an error without what varies.
func reasonOf(err error) string {
	text := strings.TrimPrefix(err.Error(), "load test: ")
	return strings.Join(strings.Fields(varies.ReplaceAllString(text, "…")), " ")
}
