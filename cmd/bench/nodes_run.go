package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
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
	m, err := catalog.Open(ctx, "test="+t.model, catalog.Options{Bodies: exampleOf(in), Probe: s.backend})
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
	for _, ask := range s.asks(t.over) {
		got, refusal, err := ask(ctx, m.Name, in, out)
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

// exampleOf is the inputs of a test as an example request, as a person gives one with --input;
// none if no body can have them.
func exampleOf(in []namedTensor) []catalog.Body {
	if in == nil {
		return nil
	}
	b := binaryBody(in)
	return []catalog.Body{{Name: "the test's input", Type: b.Type, Data: b.Data}}
}

// asker sends inputs to a model and returns the outputs, or the reason of a refusal.
type asker func(ctx context.Context, model string, in, want []namedTensor) (out []tensor.Tensor, refusal string, err error)

// asks returns the ways of asking over a protocol: with bytes, and with JSON.
func (s *nodeServer) asks(over string) []asker {
	switch over {
	case overOIP:
		return []asker{s.askOIP(true), s.askOIP(false)}
	case overGRPC:
		return []asker{s.askGRPC(true), s.askGRPC(false)}
	}
	return []asker{s.askPredictions(binaryBody, handler.TypeRaw), s.askPredictions(jsonBody, handler.TypeJSON)}
}

// askPredictions asks over /predictions with a body of one encoding for an answer of one type.
func (s *nodeServer) askPredictions(body func([]namedTensor) handler.Body, accept string) asker {
	return func(ctx context.Context, model string, in, want []namedTensor) ([]tensor.Tensor, string, error) {
		b := body(in)
		header := http.Header{"Content-Type": {b.Type}, "Accept": {accept}}
		resp, data, refusal, err := s.post(ctx, "/predictions/"+model, header, b.Data)
		if err != nil || refusal != "" {
			return nil, refusal, err
		}
		out, err := readAnswer(resp, data, want)
		return out, "", err
	}
}

// post sends a body and returns the answer, or the reason of a refusal.
func (s *nodeServer) post(ctx context.Context, path string, header http.Header, body []byte) (resp *http.Response, data []byte, refusal string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, "", err
	}
	req.Header = header
	if resp, err = http.DefaultClient.Do(req); err != nil {
		return nil, nil, "", err
	}
	defer resp.Body.Close()
	if data, err = io.ReadAll(resp.Body); err != nil {
		return nil, nil, "", err
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Message string }
		_ = json.Unmarshal(data, &e) // without a message the status is the reason
		return nil, nil, fmt.Sprintf("status %d: %s", resp.StatusCode, reasonOf(errors.New(e.Message))), nil
	}
	return resp, data, "", nil
}

// varies are the parts of an error text that differ between errors of one reason.
var varies = regexp.MustCompile(`"[^"]*"|'[^']*'|\[[^\]]*\]|\S*/\S*|[\w.:]+\([^)]*\)|\d+`)

// reasonOf is the reason of an error without what varies.
func reasonOf(err error) string {
	text := strings.TrimPrefix(err.Error(), "load test: ")
	return strings.Join(strings.Fields(varies.ReplaceAllString(text, "…")), " ")
}
