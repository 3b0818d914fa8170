package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// A batched variant of a test is its model with an open first dimension before those of all
// inputs and outputs. Whether its operator allows that, the runtime alone decides: the variant
// must return for a batch of different rows what the model of the test returns for each row.
// Then it is served, and each row must get its own answer: over the Open Inference Protocol,
// where a request has all rows, and over /predictions, where each row is a request.

// batchRows is the number of rows of a batch. It is no size of many tests, so that an axis is
// not taken for another.
const batchRows = 7

// measureNodeBatches runs the batched variants of two tests of each operator.
func measureNodeBatches(ctx context.Context, e *env, tests []nodeTest) error {
	tests, err := batchCandidates(tests)
	if err != nil {
		return err
	}
	all, err := runNodeTests(ctx, e, tests)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "over %s:\n", overNames[overBatches])
	printNodes(e.stderr, all)
	reportNodeBatches(e.report, all)
	return nil
}

func reportNodeBatches(r *judge.Report, all []nodeResult) {
	n := map[outcome]int{}
	for _, t := range all {
		n[t.Outcome]++
	}
	detail := fmt.Sprintf("batched variants of %d tests, two of each operator; %d do not allow an axis in front of all inputs; %d rows of different values, one request with all of them over OIP, binary and JSON, and one for each over /predictions", len(all), n[unloaded], batchRows)
	r.Add(judge.Figure{Name: "nodes.batches-wrong", Value: float64(n[wrong]), Unit: "count", Detail: detail})
	r.Add(judge.Figure{Name: "nodes.batches-right", Value: float64(n[right]), Unit: "count", Detail: fmt.Sprintf("each row has its own answer; %d are refused", n[refused])})
}

// batchCandidates returns two tests of each operator.
func batchCandidates(tests []nodeTest) ([]nodeTest, error) {
	const each = 2
	seen := map[string]int{}
	var out []nodeTest
	for _, t := range tests {
		var m onnxpb.ModelProto
		if err := readProto(t.model, &m); err != nil {
			return nil, err
		}
		nodes := m.GetGraph().GetNode()
		if len(nodes) != 1 || seen[nodes[0].GetOpType()] == each {
			continue
		}
		seen[nodes[0].GetOpType()]++
		t.over = overBatches
		out = append(out, t)
	}
	return out, nil
}

// batchedModel returns the model of a test with an open first dimension before those of all
// inputs and outputs.
func batchedModel(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(data, &m); err != nil { // unlike readProto, with what these messages do not know
		return nil, err
	}
	g := m.GetGraph()
	g.ValueInfo = nil
	for _, v := range slices.Concat(g.GetInput(), g.GetOutput()) {
		shape := v.GetType().GetTensorType().GetShape()
		if shape == nil {
			return nil, unreadable{"a value without a shape"}
		}
		rows := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "batch"}}
		shape.Dim = slices.Insert(shape.GetDim(), 0, rows)
	}
	return proto.Marshal(&m)
}

// batch is a batched variant with its rows and the answer of each.
type batch struct {
	nodeTest                      // the variant
	rows, answers [][]namedTensor // of the test's own model
	stacked       []namedTensor
	want          []namedTensor // all answers as one
}

// runBatches makes the variant of a test, serves it, and compares the answers of its rows.
func (s *nodeServer) runBatches(ctx context.Context, t nodeTest) nodeResult {
	dir, err := os.MkdirTemp("", "sweetspot-batches")
	if err != nil {
		return result(wrong, err.Error())
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary
	b, err := s.newBatch(t, dir)
	if err != nil {
		return result(unloaded, reasonOf(err))
	}
	m, err := catalog.Open(ctx, "test="+b.model, catalog.Options{Bodies: exampleOf(b.rows[0]), Probe: s.backend})
	switch {
	case err != nil:
		return result(refused, reasonOf(err))
	case !m.BatchAxis:
		return result(refused, "no batch axis: "+reasonOf(errors.New(m.BatchWhy)))
	}
	settings := knob.Default(knob.Eager)
	settings.BatchSize = batchRows
	if err := s.engine.Load(ctx, m, knob.Config{Settings: settings, Options: knob.Options{Rule: knob.Eager}}); err != nil {
		return result(refused, reasonOf(err))
	}
	defer s.engine.Unload(ctx, m.Name, "") //nolint:errcheck // the next load would fail
	for _, ask := range s.asks(overOIP) {
		got, refusal, err := ask(ctx, m.Name, b.stacked, b.want)
		if r, done := judgeRows(b.want, got, refusal, err); done {
			return r
		}
	}
	return s.askRows(ctx, m.Name, b)
}

// judgeRows returns the outcome of an answer that is not right.
func judgeRows(want []namedTensor, got []tensor.Tensor, refusal string, err error) (r nodeResult, done bool) {
	switch {
	case err != nil:
		return result(wrong, err.Error()), true
	case refusal != "":
		return result(refused, refusal), true
	}
	diff := compareAll(want, got)
	return result(wrong, diff), diff != ""
}

// askRows asks over /predictions with all rows at once, each as a request, in both encodings.
func (s *nodeServer) askRows(ctx context.Context, model string, b batch) nodeResult {
	for _, ask := range s.asks(overPredictions) {
		var wg sync.WaitGroup
		results := make([]nodeResult, batchRows)
		for k := range batchRows {
			wg.Go(func() {
				results[k] = result(right, "")
				got, refusal, err := ask(ctx, model, b.rows[k], b.answers[k])
				if r, done := judgeRows(b.answers[k], got, refusal, err); done {
					results[k] = r
				}
			})
		}
		wg.Wait()
		for _, r := range results {
			if r.Outcome != right {
				return r
			}
		}
	}
	return result(right, "")
}

// newBatch makes the variant of a test in a folder. An error means that the operator does not
// allow it: the runtime does not load or run it, or a row has another answer than alone.
func (s *nodeServer) newBatch(t nodeTest, dir string) (batch, error) {
	var b batch
	alone, err := s.reference(t)
	if err != nil {
		return b, err
	}
	defer alone.Close() //nolint:errcheck // it has no unsaved state
	in, out, err := t.values()
	switch {
	case err != nil:
		return b, err
	case len(in) == 0:
		return b, errors.New("the model has no inputs")
	}
	for k := range batchRows {
		row := rotated(in, k)
		values, err := alone.Run(tensorsOf(row), tensorsOf(out))
		if err != nil {
			return b, errors.New("the runtime does not take values in another order")
		}
		b.rows, b.answers = append(b.rows, row), append(b.answers, withValues(out, values))
	}
	if b.stacked, err = stackRows(b.rows); err != nil {
		return b, err
	}
	if b.want, err = stackRows(b.answers); err != nil {
		return b, err
	}
	if sameRows(b.answers) {
		return b, errors.New("all rows have the same answer")
	}
	model, err := batchedModel(t.model)
	if err != nil {
		return b, err
	}
	b.nodeTest = nodeTest{name: t.name, model: filepath.Join(dir, "model.onnx")}
	if err := os.WriteFile(b.model, model, 0o600); err != nil {
		return b, err
	}
	return b, s.checkVariant(b)
}

// checkVariant runs the variant in the runtime alone.
func (s *nodeServer) checkVariant(b batch) error {
	refusal := errors.New("the runtime does not run the variant")
	together, err := s.reference(b.nodeTest)
	if err != nil {
		return refusal
	}
	defer together.Close() //nolint:errcheck // it has no unsaved state
	values, err := together.Run(tensorsOf(b.stacked), tensorsOf(b.want))
	if err != nil {
		return refusal
	}
	if compareAll(b.want, values) != "" {
		return errors.New("a row of a batch has another answer than alone")
	}
	return nil
}

// rotated is the inputs of row k: the values of each in another order, so that all are legal.
// Inputs of the same size stay aligned.
func rotated(in []namedTensor, k int) []namedTensor {
	out := slices.Clone(in)
	for i, t := range in {
		n := int(tensor.Elements(t.Shape))
		if n < 2 {
			continue
		}
		if t.Type == tensor.String {
			texts, _ := tensor.Texts(t.Data)
			out[i].Data = tensor.JoinTexts(slices.Concat(texts[k%n:], texts[:k%n]))
			continue
		}
		cut := k % n * t.Type.Size()
		out[i].Data = slices.Concat(t.Data[cut:], t.Data[:cut])
	}
	return out
}

func withValues(named []namedTensor, values []tensor.Tensor) []namedTensor {
	out := slices.Clone(named)
	for i := range out {
		out[i].Tensor = values[i]
	}
	return out
}

// stackRows joins the tensors of rows along a new first axis.
func stackRows(rows [][]namedTensor) ([]namedTensor, error) {
	out := slices.Clone(rows[0])
	for i := range out {
		t := tensor.Tensor{Type: out[i].Type, Shape: append([]int64{int64(len(rows))}, out[i].Shape...)}
		for _, row := range rows {
			if !slices.Equal(row[i].Shape, out[i].Shape) {
				return nil, errors.New("rows have outputs of different shapes")
			}
			t.Data = append(t.Data, row[i].Data...)
		}
		out[i].Tensor = t
	}
	return out, nil
}

// sameRows reports whether all rows have the same values, so that their order cannot be seen.
func sameRows(rows [][]namedTensor) bool {
	for _, row := range rows[1:] {
		for i := range row {
			if !bytes.Equal(row[i].Data, rows[0][i].Data) {
				return false
			}
		}
	}
	return true
}
