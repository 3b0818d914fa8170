package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"sweetspot/engine/archive"
	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/sweep/load"
)

// carryModel is a model of the set carry: one input, 10 numbers as the answer.
type carryModel struct {
	name, about string
	numbers     int // of the input
	build       func() *builder.Builder
}

// carryModels are a model whose batches take milliseconds whatever their size, and one that
// takes less time than a server needs for a request.
func carryModels() []carryModel {
	return []carryModel{
		{"mlp", "an MLP of 50 MB", 2048, carryMLP},
		{"cnn", "a CNN of .2 ms", 3 * 32 * 32, carryCNN},
	}
}

const carryClasses = 10

// random returns constants for a layer with this number of inputs.
func random(b *builder.Builder, in int64, dims ...int64) string {
	return b.Random(math.Sqrt(2/float64(in)), dims...)
}

func carryMLP() *builder.Builder {
	const width = 2048
	b := builder.New("mlp", 11)
	y := b.Input("x", onnxpb.TensorProto_FLOAT, onnxgraph.Open("N"), onnxgraph.Dim{Size: width})
	for range 3 {
		y = b.Op("Relu", []string{b.Op("Gemm", []string{y, random(b, width, width, width), b.Fill(0, width)})})
	}
	y = b.Op("Gemm", []string{y, random(b, width, width, carryClasses), b.Fill(0, carryClasses)})
	b.Output("y", y, onnxpb.TensorProto_FLOAT, onnxgraph.Open("N"), onnxgraph.Dim{Size: carryClasses})
	return b
}

func carryCNN() *builder.Builder {
	b := builder.New("cnn", 12)
	y := b.Input("x", onnxpb.TensorProto_FLOAT, append([]onnxgraph.Dim{onnxgraph.Open("N")}, onnxgraph.Fixed(3, 32, 32)...)...)
	in := int64(3)
	for _, out := range []int64{16, 24} {
		y = b.Op("Conv", []string{y, random(b, in*9, out, in, 3, 3)}, onnxpb.AttrInts("kernel_shape", 3, 3), onnxpb.AttrInts("pads", 1, 1, 1, 1))
		y, in = b.Op("Relu", []string{y}), out
	}
	y = b.Op("Flatten", []string{b.Op("GlobalAveragePool", []string{y})})
	y = b.Op("Gemm", []string{y, random(b, in, in, carryClasses), b.Fill(0, carryClasses)})
	b.Output("y", y, onnxpb.TensorProto_FLOAT, onnxgraph.Open("N"), onnxgraph.Dim{Size: carryClasses})
	return b
}

// bodies returns requests: the little-endian bytes of random inputs, which both servers take.
func (m carryModel) bodies(seed uint64) []load.Body {
	const count = 16
	rng := rand.New(rand.NewPCG(seed, 0))
	out := make([]load.Body, count)
	for i := range out {
		var data []byte
		for range m.numbers {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(rng.Float32()))
		}
		out[i] = load.Body{Type: "application/octet-stream", Data: data}
	}
	return out
}

// write writes the model to NAME.onnx in the folder, and as an archive for TorchServe to NAME.mar.
func (m carryModel) write(ctx context.Context, folder string) (onnxFile string, err error) {
	data, err := m.build().Bytes()
	if err != nil {
		return "", err
	}
	onnxFile = filepath.Join(folder, m.name+".onnx")
	if err := os.WriteFile(onnxFile, data, 0o600); err != nil {
		return "", err
	}
	eng, err := newTestEngine(1)
	if err != nil {
		return "", err
	}
	defer eng.close(ctx) //nolint:errcheck // it has loaded nothing
	opened, err := catalog.Open(ctx, onnxFile, catalog.Options{Probe: eng.backend})
	if err != nil {
		return "", err
	}
	opened.Version = "1.0"
	manifest, files, err := catalog.Pack(opened, nil)
	if err != nil {
		return "", err
	}
	var mar bytes.Buffer
	if err := archive.Create(&mar, archive.Zip, manifest, files); err != nil {
		return "", fmt.Errorf("%s: %w", m.name, err)
	}
	return onnxFile, os.WriteFile(filepath.Join(folder, m.name+".mar"), mar.Bytes(), 0o600)
}
