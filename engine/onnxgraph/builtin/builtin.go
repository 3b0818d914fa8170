// Package builtin holds the models that we ship, made in memory: real
// architectures with random weights from a fixed seed, whose bytes are the same on
// every machine. What is tuned is the work, not the answers.
package builtin

import (
	"fmt"
	"math"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// Model is one of them.
type Model struct {
	Name       string
	About      string // one line for people
	Parameters int64  // FP32 numbers in the file: weights and constants
	// FLOPs counts one item's work: 2 for each multiplication with its addition in
	// convolutions and matrix products. The encoder's item has 64 tokens.
	FLOPs int64
	// FLOPsPerRow is the work for each row that a model of variable size puts out;
	// 0 for the others.
	FLOPsPerRow int64
	// Shapes are sizes for the open dimensions of inputs, used unless told
	// otherwise; nil if there are none.
	Shapes map[string][]int64
	build  func() network
}

// Models lists them by name.
func Models() []Model {
	return []Model{
		{
			Name: "detector", About: "boxes, labels and masks in a picture of 3 x 224 x 224, as many as it finds",
			Parameters: 110_926, FLOPs: 83_994_624, FLOPsPerRow: 17_712_128, build: detector,
		},
		{
			Name: "encoder", About: "text encoder, 4 layers of 256, up to 512 tokens: batching pays for short texts",
			Parameters: 5_388_308, FLOPs: 419_431_424, Shapes: map[string][]int64{"input_ids": {64}}, build: encoder,
		},
		{
			Name: "mlp", About: "3 small layers, microseconds a run: shows what serving itself costs",
			Parameters: 85_002, FLOPs: 168_960, build: mlp,
		},
		{
			Name: "mlp-wide", About: "3 layers of 2048 x 2048, bound by memory: batching pays on any CPU",
			Parameters: 12_589_056, FLOPs: 25_165_824, build: mlpWide,
		},
		{
			Name: "resnet18", About: "image classifier, 3 x 224 x 224 to 1000 classes, bound by arithmetic",
			Parameters: 11_699_112, FLOPs: 3_628_146_688, build: resNet18,
		},
	}
}

// Build makes the model's bytes, the same ones every time. It takes some 100 ms.
func (m Model) Build() ([]byte, error) {
	data, err := m.build().Bytes()
	if err != nil {
		return nil, fmt.Errorf("builtin:%s: %w", m.Name, err)
	}
	return data, nil
}

const float = onnxpb.TensorProto_FLOAT

// network is a model being made, with the layers that several have.
type network struct{ *builder.Builder }

func start(name string, seed uint64) network { return network{builder.New(name, seed)} }

// mlp classifies 64 numbers into 10 classes.
func mlp() network {
	b := start("mlp", 3)
	y := b.Input("x", float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 64})
	y = b.Op("Relu", []string{b.dense(y, 64, 256)})
	y = b.Op("Relu", []string{b.dense(y, 256, 256)})
	y = b.Op("Softmax", []string{b.dense(y, 256, 10)}, onnxpb.AttrInt("axis", -1))
	b.Output("y", y, float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 10})
	return b
}

// mlpWide reads 50 MB of weights per batch, however large the batch is.
func mlpWide() network {
	const width, layers = 2048, 3
	b := start("mlp-wide", 1)
	y := b.Input("x", float, onnxgraph.Open("N"), onnxgraph.Dim{Size: width})
	for i := range layers {
		if i > 0 {
			y = b.Op("Relu", []string{y})
		}
		y = b.dense(y, width, width)
	}
	b.Output("y", y, float, onnxgraph.Open("N"), onnxgraph.Dim{Size: width})
	return b
}

// resNet18 is the network of 18 layers of He et al. 2015: a 7x7 stem, four
// stages of two basic blocks, mean over the picture, one dense layer.
func resNet18() network {
	b := start("resnet18", 2)
	y := b.Input("x", float, append([]onnxgraph.Dim{onnxgraph.Open("N")}, onnxgraph.Fixed(3, 224, 224)...)...)
	y = b.Op("Relu", []string{b.convNorm(y, conv{in: 3, out: 64, kernel: 7, stride: 2, scale: 1})})
	y = b.Op("MaxPool", []string{y},
		onnxpb.AttrInts("kernel_shape", 3, 3), onnxpb.AttrInts("strides", 2, 2), onnxpb.AttrInts("pads", 1, 1, 1, 1))
	in := int64(64)
	for _, out := range []int64{64, 128, 256, 512} {
		stride := out / in // every stage but the first halves the picture
		y = b.basicBlock(y, in, out, stride)
		y = b.basicBlock(y, out, out, 1)
		in = out
	}
	y = b.Op("GlobalAveragePool", []string{y})
	y = b.Op("Flatten", []string{y}, onnxpb.AttrInt("axis", 1))
	y = b.dense(y, 512, 1000)
	b.Output("y", y, float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 1000})
	return b
}

// basicBlock is two convolutions beside a shortcut. The second is scaled down so
// that eight blocks of random weights keep numbers near 1.
func (b network) basicBlock(x string, in, out, stride int64) string {
	y := b.Op("Relu", []string{b.convNorm(x, conv{in, out, 3, stride, 1})})
	y = b.convNorm(y, conv{out, out, 3, 1, 0.5})
	if in != out {
		x = b.convNorm(x, conv{in, out, 1, stride, 1})
	}
	return b.Op("Relu", []string{b.Op("Add", []string{y, x})})
}

type conv struct {
	in, out, kernel, stride int64
	scale                   float32 // of the normalisation behind it
}

func (b network) convNorm(x string, c conv) string {
	pad := c.kernel / 2
	y := b.Op("Conv", []string{x, b.Random(he(c.in*c.kernel*c.kernel), c.out, c.in, c.kernel, c.kernel)},
		onnxpb.AttrInts("kernel_shape", c.kernel, c.kernel), onnxpb.AttrInts("strides", c.stride, c.stride),
		onnxpb.AttrInts("pads", pad, pad, pad, pad))
	scale, bias := b.Fill(c.scale, c.out), b.Random(0.02, c.out)
	mean, variance := b.Random(0.02, c.out), b.Fill(1, c.out)
	return b.Op("BatchNormalization", []string{y, scale, bias, mean, variance}, onnxpb.AttrFloat("epsilon", 1e-5))
}

func (b network) dense(x string, in, out int64) string {
	return b.Op("Gemm", []string{x, b.Random(he(in), in, out), b.Random(0.01, out)})
}

// he is the standard deviation that keeps the spread of numbers through a layer
// of in inputs followed by Relu.
func he(in int64) float64 { return math.Sqrt(2 / float64(in)) }
