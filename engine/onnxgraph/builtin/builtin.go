// Package builtin makes the built-in models in memory: real architectures with random
// weights from a fixed seed, with the same bytes on every machine. They are for measuring
// performance; their answers mean nothing.
package builtin

import (
	"fmt"
	"math"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// Model is a built-in model.
type Model struct {
	Name       string
	About      string // one line for people
	Parameters int64  // FP32 numbers in the file: weights and constants
	// FLOPs is the work for one item: 2 for each multiplication with its addition in
	// convolutions and matrix products. An item of the encoder has 64 tokens.
	FLOPs int64
	// FLOPsPerRow is the work for each entry of ragged outputs; 0 for models without
	// them.
	FLOPsPerRow int64
	// Shapes has default sizes for the open dimensions of inputs; nil if there are none.
	Shapes map[string][]int64
	build  func() network
}

// Models returns the built-in models, sorted by name.
func Models() []Model {
	return []Model{
		{
			Name: "detector", About: "boxes, labels and masks of the objects in an image of 3 x 224 x 224",
			Parameters: 110_926, FLOPs: 83_994_624, FLOPsPerRow: 17_712_128, build: detector,
		},
		{
			Name: "encoder", About: "text encoder, 4 layers of 256, up to 512 tokens: batching pays for short texts",
			Parameters: 5_388_308, FLOPs: 419_431_424, Shapes: map[string][]int64{"input_ids": {64}}, build: encoder,
		},
		{
			Name: "keypoints", About: "heat maps of 17 points of a person in an image of 3 x 256 x 192",
			Parameters: 110_817, FLOPs: 122_486_784, build: keypoints,
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

// Build encodes the model, always with the same bytes. It takes about 100 ms.
func (m Model) Build() ([]byte, error) {
	data, err := m.build().Bytes()
	if err != nil {
		return nil, fmt.Errorf("builtin:%s: %w", m.Name, err)
	}
	return data, nil
}

const float = onnxpb.TensorProto_FLOAT

// network is a Builder with common layers.
type network struct{ *builder.Builder }

func newNetwork(name string, seed uint64) network { return network{builder.New(name, seed)} }

// mlp classifies 64 numbers into 10 classes.
func mlp() network {
	b := newNetwork("mlp", 3)
	y := b.Input("x", float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 64})
	y = b.Op("Relu", []string{b.dense(y, 64, 256)})
	y = b.Op("Relu", []string{b.dense(y, 256, 256)})
	y = b.Op("Softmax", []string{b.dense(y, 256, 10)}, onnxpb.AttrInt("axis", -1))
	b.Output("y", y, float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 10})
	return b
}

// mlpWide reads 50 MB of weights per batch of any size.
func mlpWide() network {
	const width, layers = 2048, 3
	b := newNetwork("mlp-wide", 1)
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

// resNet18 is the network of 18 layers of He et al. 2015: a 7x7 stem, four stages of two
// basic blocks, global average pooling, one dense layer.
func resNet18() network {
	b := newNetwork("resnet18", 2)
	y := b.Input("x", float, append([]onnxgraph.Dim{onnxgraph.Open("N")}, onnxgraph.Fixed(3, 224, 224)...)...)
	y = b.Op("Relu", []string{b.convNorm(y, conv{in: 3, out: 64, kernel: 7, stride: 2, scale: 1})})
	y = b.Op("MaxPool", []string{y},
		onnxpb.AttrInts("kernel_shape", 3, 3), onnxpb.AttrInts("strides", 2, 2), onnxpb.AttrInts("pads", 1, 1, 1, 1))
	in := int64(64)
	for _, out := range []int64{64, 128, 256, 512} {
		stride := out / in // every stage but the first halves the image size
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

// basicBlock is two convolutions and a shortcut. The second convolution is scaled down so
// that numbers stay near 1 after eight blocks of random weights.
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
	scale                   float32 // of the normalization after it
}

func (b network) convNorm(x string, c conv) string {
	pad := c.kernel / 2
	y := b.Op("Conv", []string{x, b.Random(heStdDev(c.in*c.kernel*c.kernel), c.out, c.in, c.kernel, c.kernel)},
		onnxpb.AttrInts("kernel_shape", c.kernel, c.kernel), onnxpb.AttrInts("strides", c.stride, c.stride),
		onnxpb.AttrInts("pads", pad, pad, pad, pad))
	scale, bias := b.Fill(c.scale, c.out), b.Random(0.02, c.out)
	mean, variance := b.Random(0.02, c.out), b.Fill(1, c.out)
	return b.Op("BatchNormalization", []string{y, scale, bias, mean, variance}, onnxpb.AttrFloat("epsilon", 1e-5))
}

func (b network) dense(x string, in, out int64) string {
	return b.Op("Gemm", []string{x, b.Random(heStdDev(in), in, out), b.Random(0.01, out)})
}

// heStdDev is the standard deviation of He initialization for a layer of in inputs followed
// by Relu.
func heStdDev(in int64) float64 { return math.Sqrt(2 / float64(in)) }
