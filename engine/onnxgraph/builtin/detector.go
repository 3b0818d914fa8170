package builtin

import (
	"math"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// The grid of the detector: each cell is a square of the image and proposes some boxes.
const (
	detectorSide    = 224
	detectorCell    = 16
	detectorGrid    = detectorSide / detectorCell
	detectorAnchors = 3
	detectorBoxes   = detectorGrid * detectorGrid * detectorAnchors // proposals per image
	detectorClasses = 8
	detectorWidth   = 64 // channels
	detectorMask    = 28 // side of a mask
)

// detector detects objects like Mask R-CNN, with one stage of proposals: a backbone of four
// convolutions, boxes and scores for every cell, non-maximum suppression, features of each
// remaining box (RoiAlign), and a mask from them. Its outputs are ragged: they have an entry
// for each detection in any image of the batch, and batch_idx maps entries to images.
func detector() network {
	const int64s = onnxpb.TensorProto_INT64
	b := newNetwork("detector", 5)
	image := b.Input("x", float, append([]onnxgraph.Dim{onnxgraph.Open("N")}, onnxgraph.Fixed(3, detectorSide, detectorSide)...)...)
	y, in := image, int64(3)
	for _, out := range []int64{16, 32, detectorWidth, detectorWidth} {
		y = b.Op("Relu", []string{b.convNorm(y, conv{in, out, 3, 2, 1})})
		in = out
	}
	boxes := b.proposals(y)
	scores := b.Op("Transpose", []string{b.Op("Sigmoid", []string{b.anchorHead(y, 0.2, -2, detectorClasses)})}, onnxpb.AttrInts("perm", 0, 2, 1))
	detections := b.Op("NonMaxSuppression", []string{boxes, scores, b.Ints([]int64{10}, 1), b.Floats([]float32{0.5}, 1), b.Floats([]float32{0.35}, 1)})

	// detections has rows of image, class, box.
	index := b.Op("Gather", []string{detections, b.Ints([]int64{0})}, onnxpb.AttrInt("axis", 1))
	label := b.Op("Gather", []string{detections, b.Ints([]int64{1})}, onnxpb.AttrInt("axis", 1))
	imageAndBox := b.Op("Gather", []string{detections, b.Ints([]int64{0, 2}, 2)}, onnxpb.AttrInt("axis", 1))
	box := b.Op("GatherND", []string{boxes, imageAndBox})
	features := b.Op("RoiAlign", []string{y, box, index}, onnxpb.AttrInt("output_height", detectorMask/2), onnxpb.AttrInt("output_width", detectorMask/2),
		onnxpb.AttrInt("sampling_ratio", 2), onnxpb.AttrFloat("spatial_scale", 1.0/detectorCell))
	rows := onnxgraph.Open("D")
	b.Output("scores", b.Op("GatherND", []string{scores, detections}), float, rows)
	b.Output("masks", b.masks(features), float, append([]onnxgraph.Dim{rows}, onnxgraph.Fixed(1, detectorMask, detectorMask)...)...)
	b.Output("boxes", box, float, rows, onnxgraph.Dim{Size: 4})
	b.Output("labels", label, int64s, rows)
	b.Output("batch_idx", index, int64s, rows)
	return b
}

// anchorHead computes width numbers for each proposed box of the cells of y: [N boxes width].
func (b network) anchorHead(y string, std float64, bias float32, width int64) string {
	channels := width * detectorAnchors
	in := []string{y, b.Random(std, channels, detectorWidth, 1, 1), b.Fill(bias, channels)}
	y = b.Op("Transpose", []string{b.Op("Conv", in, onnxpb.AttrInts("kernel_shape", 1, 1))}, onnxpb.AttrInts("perm", 0, 2, 3, 1))
	return b.Op("Reshape", []string{y, b.Ints([]int64{0, detectorBoxes, width}, 3)})
}

// proposals moves and scales the anchors as y says, and clips them at the border:
// [N boxes 4], two corners each.
func (b network) proposals(y string) string {
	var centers, sizes []float32
	for i := range detectorGrid * detectorGrid {
		for a := range detectorAnchors {
			row, column := float32(i/detectorGrid), float32(i%detectorGrid)
			centers = append(centers, (column+0.5)*detectorCell, (row+0.5)*detectorCell)
			sizes = append(sizes, float32(16*(a+1)), float32(20*(a+1)))
		}
	}
	delta := b.anchorHead(y, 0.05, 0, 4)
	pair := func(from int64) string {
		return b.Op("Slice", []string{delta, b.Ints([]int64{from}, 1), b.Ints([]int64{from + 2}, 1), b.Ints([]int64{2}, 1)})
	}
	size := b.Floats(sizes, 1, detectorBoxes, 2)
	center := b.Op("Add", []string{b.Op("Mul", []string{b.Op("Tanh", []string{pair(0)}), size}), b.Floats(centers, 1, detectorBoxes, 2)})
	stretch := b.Op("Exp", []string{b.Op("Clip", []string{pair(2), b.scalar(-1), b.scalar(1)})})
	halfSize := b.Op("Mul", []string{b.Op("Mul", []string{stretch, size}), b.scalar(0.5)})
	inside := func(op string) string {
		return b.Op("Clip", []string{b.Op(op, []string{center, halfSize}), b.scalar(0), b.scalar(detectorSide)})
	}
	return b.Op("Concat", []string{inside("Sub"), inside("Add")}, onnxpb.AttrInt("axis", 2))
}

// masks computes a mask from the features of each box.
func (b network) masks(features string) string {
	const half = detectorWidth / 2
	y := b.Op("Conv", []string{features, b.Random(heStdDev(detectorWidth*9), detectorWidth, detectorWidth, 3, 3), b.Fill(0, detectorWidth)},
		onnxpb.AttrInts("kernel_shape", 3, 3), onnxpb.AttrInts("pads", 1, 1, 1, 1))
	y = b.Op("Relu", []string{y})
	y = b.Op("ConvTranspose", []string{y, b.Random(heStdDev(detectorWidth), detectorWidth, half, 2, 2), b.Fill(0, half)},
		onnxpb.AttrInts("kernel_shape", 2, 2), onnxpb.AttrInts("strides", 2, 2))
	y = b.Op("Relu", []string{y})
	y = b.Op("Conv", []string{y, b.Random(math.Sqrt(1.0/half), 1, half, 1, 1), b.Fill(0, 1)}, onnxpb.AttrInts("kernel_shape", 1, 1))
	return b.Op("Sigmoid", []string{y})
}
