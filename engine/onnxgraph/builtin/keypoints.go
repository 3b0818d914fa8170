package builtin

import (
	"math"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// The pose of a person as in COCO: 17 points, each with a heat map of a quarter of the input's sides.
const (
	poseHeight = 256
	poseWidth  = 192
	posePoints = 17
)

// keypoints finds the points of one person, as the simple baselines of Xiao et al. 2018: convolutions that halve
// the picture four times, transposed ones that double it twice, and a heat map for each point.
func keypoints() network {
	b := newNetwork("keypoints", 6)
	y := b.Input("x", float, append([]onnxgraph.Dim{onnxgraph.Open("N")}, onnxgraph.Fixed(3, poseHeight, poseWidth)...)...)
	in := int64(3)
	for _, out := range []int64{16, 32, 64, 64} {
		y = b.Op("Relu", []string{b.convNorm(y, conv{in, out, 3, 2, 1})})
		in = out
	}
	for range 2 {
		weights := b.Random(heStdDev(in*4), in, 32, 4, 4) // each output meets a quarter of the kernel of 4 x 4
		y = b.Op("Relu", []string{b.Op("ConvTranspose", []string{y, weights, b.Fill(0, 32)},
			onnxpb.AttrInts("kernel_shape", 4, 4), onnxpb.AttrInts("strides", 2, 2), onnxpb.AttrInts("pads", 1, 1, 1, 1))})
		in = 32
	}
	heads := b.Random(math.Sqrt(1/float64(in)), posePoints, in, 1, 1)
	y = b.Op("Conv", []string{y, heads, b.Fill(0, posePoints)}, onnxpb.AttrInts("kernel_shape", 1, 1))
	b.Output("heatmaps", y, float, append([]onnxgraph.Dim{onnxgraph.Open("N")}, onnxgraph.Fixed(posePoints, poseHeight/4, poseWidth/4)...)...)
	return b
}
