package torchserve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// surface is a handler of our own: a text such as "3 x 4" becomes the two numbers of the model, and
// its output an object.
type surface struct{ out tensor.Spec }

// Initialize is the first step: it checks that the handler fits the model.
func (s *surface) Initialize(in, out []tensor.Spec) error {
	if len(in) != 1 || in[0].Type != tensor.Float32 || !tensor.Fits(in[0].Shape, []int64{2}) {
		return fmt.Errorf("surface is for a model of two FP32 numbers, and this one takes %v", in)
	}
	if len(out) > 0 {
		s.out = out[0]
	}
	return nil
}

// Preprocess is the second step: it makes a row of the input of a request.
func (s *surface) Preprocess(in torchserve.Input) (tensor.Item, any, error) {
	width, height, ok := strings.Cut(string(in.Data), "x")
	w, badWidth := strconv.ParseFloat(strings.TrimSpace(width), 32)
	h, badHeight := strconv.ParseFloat(strings.TrimSpace(height), 32)
	if !ok || badWidth != nil || badHeight != nil {
		return nil, nil, fmt.Errorf("%q is not WIDTH x HEIGHT, such as 3 x 4", in.Data)
	}
	data := tensor.AppendFloat32(tensor.AppendFloat32(nil, float32(w)), float32(h))
	return tensor.Item{{Type: tensor.Float32, Shape: []int64{2}, Data: data}}, nil, nil
}

func (s *surface) PreprocessedSize(torchserve.Input) int64 { return 8 }

// Postprocess is the last step: it makes the answer of the outputs of the row.
func (s *surface) Postprocess(dst []byte, out tensor.Item, _ any) ([]byte, error) {
	text, err := json.Marshal(map[string]float32{"area": tensor.Float32At(out[0].Data, 0)})
	return append(dst, text...), err
}

func (s *surface) Describe() string { return "WIDTH x HEIGHT; their area" }

// multiply is a backend in Go: inference, the third step, is its Run. A model in a file needs none, because
// engine/backend/onnx has it.
type multiply struct{}

func (multiply) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return multiply{}, nil
}

func (multiply) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i, row := range in { // a batch
		x := row.Item[0].Data
		y := tensor.AppendFloat32(nil, tensor.Float32At(x, 0)*tensor.Float32At(x, 1))
		out[i].Outputs = tensor.Item{{Type: tensor.Float32, Shape: []int64{1}, Data: y}}
	}
	return nil
}

func (multiply) Shared() bool { return true }
func (multiply) Close() error { return nil }

// A handler of one's own has the four steps of TorchServe's. The engine queues the rows, joins them to batches and
// calls the steps; engine/server would serve it over HTTP.
func Example() {
	ctx := context.Background()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"multiply": multiply{}}, Cores: 1})
	defer e.Close(ctx) //nolint:errcheck // the example ends
	err := e.Load(ctx, &engine.Model{
		Name: "area", Version: "1.0", Backend: "multiply", BatchAxis: true,
		Inputs:  []tensor.Spec{{Name: "sides", Type: tensor.Float32, Shape: []int64{2}}},
		Outputs: []tensor.Spec{{Name: "area", Type: tensor.Float32, Shape: []int64{1}}},
		Handler: torchserve.New(&surface{}, torchserve.Config{}),
	}, knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}})
	if err != nil {
		fmt.Println(err)
		return
	}
	predictor := predict.New(e)
	for _, body := range []string{"3 x 4", "three", "2.5x2"} {
		var p predict.Prediction
		if err := predictor.Begin(&p, "area", "", ""); err != nil {
			fmt.Println(err)
			return
		}
		reply, _, err := p.Run(ctx, payload.Body{Type: "text/plain", Data: []byte(body)}, predict.Options{})
		fmt.Printf("%s: %s %v\n", body, strings.TrimSpace(string(reply.Body)), err)
	}
	// Output:
	// 3 x 4: {"area":12} <nil>
	// three:  "three" is not WIDTH x HEIGHT, such as 3 x 4
	// 2.5x2: {"area":5} <nil>
}
