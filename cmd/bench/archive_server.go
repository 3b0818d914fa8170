package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/archive"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	engineserver "sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// archiveServer runs this program as the engine with the model of an archive, for comparisons with
// other servers. Its arguments are the archive, the folder to which it is unpacked, and the rule.
const archiveServer = "archive-server"

// archiveReady is the line that the process prints when it is ready.
type archiveReady struct {
	modelServerAddrs
	RunMS float64 `json:"run_ms"` // of one item, without the engine; 0 is not measured
}

// serverQueue is the longest queue of the servers that are compared.
const serverQueue = 1000

// runArchiveServer is the process. It exits when stdin ends, so also when its parent exits.
func runArchiveServer(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (err error) {
	if len(args) != 3 {
		return fmt.Errorf("%s: want an archive, a folder and a rule", archiveServer)
	}
	var rule knob.Rule
	if err := rule.UnmarshalText([]byte(args[2])); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cores := monitor.Limits().Cores
	c := knob.Config{Settings: knob.Default(rule), Options: knob.Options{Rule: rule}}
	c.QueueSize = serverQueue
	open := openONNXArchive
	if !catalog.NeedsONNX(args[0]) {
		open = openPythonArchive
	}
	eng, took, err := open(ctx, args[0], &archive.Cache{Dir: args[1]}, cores, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close(context.WithoutCancel(ctx))) }()
	const anyPort = "127.0.0.1:0"
	s, err := engineserver.Open(engineserver.Config{Inference: anyPort, Management: anyPort, Host: control.Host{Cores: cores}}, eng)
	if err != nil {
		return err
	}
	go func() { // stdin ends when the parent exits
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	a := s.Addrs()
	ready := archiveReady{modelServerAddrs{Predict: a.Inference, Management: a.Management}, took.Seconds() * 1e3}
	if err = json.NewEncoder(stdout).Encode(ready); err != nil {
		cancel()
	}
	return errors.Join(err, s.Run(ctx))
}

// openONNXArchive returns an engine that has loaded an archive with an ONNX model, and the time of a run of one item.
func openONNXArchive(ctx context.Context, path string, unpack *archive.Cache, cores int, c knob.Config) (*engine.Engine, time.Duration, error) {
	eng, err := newTestEngine(cores)
	if err != nil {
		return nil, 0, err
	}
	var took time.Duration
	m, err := catalog.Open(ctx, path, catalog.Options{Unpack: unpack, Probe: eng.backend})
	if err == nil {
		took, err = eng.alone(ctx, m, c)
	}
	if err == nil {
		err = eng.engine.Load(ctx, m, c)
	}
	if err != nil {
		return nil, 0, errors.Join(err, eng.close(context.WithoutCancel(ctx)))
	}
	return eng.engine, took, nil
}

// alone measures the shortest of several runs of one item.
func (eng *testEngine) alone(ctx context.Context, m *engine.Model, c knob.Config) (took time.Duration, err error) {
	one := &benchModel{items: samples(m, 1)}
	if one.bare, err = eng.backend.Open(ctx, m, c); err != nil {
		return 0, err
	}
	took, err = one.fastest(ctx)
	return took, errors.Join(err, one.bare.Close())
}

// comparedModel is a model that several servers serve, as files.
type comparedModel struct {
	name    string
	archive string // .mar, as `sweetspot archive` writes it
	onnx    string
	inputs  []tensor.Spec
}

// The models of the comparisons: 50 MB that each batch reads; a CNN of about .2 ms, which shows what serving
// costs; and a small MLP with few numbers as input, because the peers only take JSON.
const (
	modelMLP   = "mlp"
	modelCNN   = "cnn"
	modelSmall = "small"
)

// writeModel writes a model as ONNX file and as archive.
func writeModel(ctx context.Context, name, dir string) (comparedModel, error) {
	c := comparedModel{name: name, archive: filepath.Join(dir, name+".mar"), onnx: filepath.Join(dir, name+".onnx")}
	data, err := modelBytes(name)
	if err == nil {
		err = os.WriteFile(c.onnx, data, 0o600)
	}
	if err != nil {
		return c, err
	}
	m, err := catalog.Open(ctx, name+"="+c.onnx, catalog.Options{}) // the batch axis follows from the graph
	if err != nil {
		return c, err
	}
	c.inputs, m.Version = m.Inputs, "1.0"
	manifest, files, err := catalog.Pack(m, nil)
	if err != nil {
		return c, err
	}
	f, err := os.Create(c.archive)
	if err != nil {
		return c, err
	}
	return c, errors.Join(archive.Create(f, archive.Zip, manifest, files), f.Close())
}

// modelBytes builds a model. All have only ten numbers as answer: with more, the comparison would be of how fast
// numbers are written as JSON.
func modelBytes(name string) ([]byte, error) {
	switch name {
	case modelCNN:
		return smallCNN()
	case modelMLP:
		return layersOf(name, 2048, 2048, 2048, 2048, 10)
	default:
		return layersOf(name, 64, 1024, 1024, 10)
	}
}

// layersOf is an MLP with layers of these widths.
func layersOf(name string, widths ...int64) ([]byte, error) {
	const float = onnxpb.TensorProto_FLOAT
	b := builder.New(name, 18)
	y := b.Input("x", float, onnxgraph.Open("N"), onnxgraph.Dim{Size: widths[0]})
	for i, width := range widths[1:] {
		if i > 0 {
			y = b.Op("Relu", []string{y})
		}
		y = b.Op("Gemm", []string{y, b.Random(.03, widths[i], width), b.Random(.01, width)})
	}
	b.Output("y", y, float, onnxgraph.Open("N"), onnxgraph.Dim{Size: widths[len(widths)-1]})
	return b.Bytes()
}

// smallCNN classifies images of 3 x 32 x 32 with three convolutions.
func smallCNN() ([]byte, error) {
	const float = onnxpb.TensorProto_FLOAT
	b := builder.New(modelCNN, 17)
	y := b.Input("x", float, append([]onnxgraph.Dim{onnxgraph.Open("N")}, onnxgraph.Fixed(3, 32, 32)...)...)
	for _, c := range []struct{ in, out, stride int64 }{{3, 16, 1}, {16, 32, 1}, {32, 64, 2}} {
		weights := b.Random(.1, c.out, c.in, 3, 3)
		y = b.Op("Conv", []string{y, weights, b.Random(.01, c.out)},
			onnxpb.AttrInts("kernel_shape", 3, 3), onnxpb.AttrInts("strides", c.stride, c.stride), onnxpb.AttrInts("pads", 1, 1, 1, 1))
		y = b.Op("Relu", []string{y})
	}
	y = b.Op("Flatten", []string{b.Op("GlobalAveragePool", []string{y})}, onnxpb.AttrInt("axis", 1))
	y = b.Op("Gemm", []string{y, b.Random(.1, 64, 10), b.Random(.01, 10)})
	b.Output("y", y, float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 10})
	return b.Bytes()
}
