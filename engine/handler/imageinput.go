package handler

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sweetspot/engine/tensor"
)

// ImageInput is how an image becomes one input; [ImageOptions.Input] makes it. Its methods are safe for
// concurrent use.
type ImageInput struct {
	spec          tensor.Spec
	layout        string
	channels      int64 // 3 or 1
	width, height int64 // -1: that of the image
	bgr           bool
	resize        string
	always        bool // also an image of the input's size is resized and cropped
	normalization
}

// normalization is (byte/divisor - mean) / std, for the channels red, green and blue.
type normalization struct {
	name      string // for those without one, the numbers
	divisor   float32
	mean, std [3]float32
}

// normalizations are those with a name.
var normalizations = [...]normalization{
	{normalizeNone, 1, [3]float32{}, [3]float32{1, 1, 1}},
	{normalizeUnit, 255, [3]float32{}, [3]float32{1, 1, 1}},
	{normalizeSigned, 255, [3]float32{.5, .5, .5}, [3]float32{.5, .5, .5}},
	{normalizeImageNet, 255, [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}},
}

// Input returns how an image becomes the input s; false if s is not an image. An image has three
// dimensions, the channels (3 or 1) first or last, and is of floats or bytes.
func (o ImageOptions) Input(s tensor.Spec) (ImageInput, bool) {
	in := ImageInput{spec: s, layout: o.layout, channels: 1, resize: resizeCrop}
	if !s.Type.IsFloat() && s.Type != tensor.Uint8 {
		return in, false
	}
	shape := s.Shape
	if len(shape) == 4 && shape[0] == 1 || o.layout == layoutHW && len(shape) == 3 && shape[0] == 1 {
		shape = shape[1:]
	}
	if in.layout == "" {
		in.layout = guessLayout(shape)
	}
	switch {
	case in.layout == layoutHW && len(shape) == 2:
		in.height, in.width = shape[0], shape[1]
	case in.layout == layoutNCHW && len(shape) == 3:
		in.channels, in.height, in.width = shape[0], shape[1], shape[2]
	case in.layout == layoutNHWC && len(shape) == 3:
		in.height, in.width, in.channels = shape[0], shape[1], shape[2]
	default:
		return in, false
	}
	if in.channels != 1 && in.channels != 3 || in.height == 0 || in.width == 0 {
		return in, false
	}
	in.bgr = o.order == orderBGR && in.channels == 3
	if o.resize != "" {
		in.resize = o.resize
	}
	in.normalization = o.normalization(in)
	return in, true
}

// AlwaysResized returns in for which also an image of the input's size is resized and cropped, as
// in torchvision's Resize(256) and CenterCrop(224). An input of any size becomes 224 x 224.
func (in ImageInput) AlwaysResized() ImageInput {
	const side = 224
	in.always = true
	if in.width < 0 && in.height < 0 {
		in.width, in.height = side, side
	}
	return in
}

// Channels returns the number of channels of the input, 3 or 1.
func (in ImageInput) Channels() int { return int(in.channels) }

// SizeOf returns the width and height of a tensor of this input.
func (in ImageInput) SizeOf(shape []int64) (width, height int) {
	at := len(shape) - 2
	if in.layout == layoutNHWC {
		at--
	}
	return int(shape[at+1]), int(shape[at])
}

// guessLayout returns the layout of a shape whose first or last dimension may be channels;
// "" if neither may be.
func guessLayout(shape []int64) string {
	switch {
	case len(shape) != 3:
		return ""
	case shape[0] == 1 || shape[0] == 3:
		return layoutNCHW
	case shape[2] == 1 || shape[2] == 3:
		return layoutNHWC
	}
	return ""
}

// normalization returns the normalization of an input: the chosen one, or else the usual one
// of its kind.
func (o ImageOptions) normalization(in ImageInput) normalization {
	name := o.normalize
	switch {
	case o.mean != nil && o.std != nil:
		n := normalization{fmt.Sprintf("mean %s and std %s", numbersText(o.mean), numbersText(o.std)), 255, three(o.mean), three(o.std)}
		if in.bgr { // the numbers are in the order of the input
			n.mean[0], n.mean[2] = n.mean[2], n.mean[0]
			n.std[0], n.std[2] = n.std[2], n.std[0]
		}
		return n
	case name != "":
	case in.spec.Type == tensor.Uint8:
		name = normalizeNone
	case in.channels == 3 && in.layout == layoutNCHW: // PyTorch's usual models
		name = normalizeImageNet
	default:
		name = normalizeUnit
	}
	for _, n := range normalizations {
		if n.name == name {
			return n
		}
	}
	panic("handler: unknown normalization " + name) // Set accepts the names of the table only
}

// three returns one number three times, or three numbers.
func three(v []float32) [3]float32 {
	if len(v) == 1 {
		return [3]float32{v[0], v[0], v[0]}
	}
	return [3]float32(v)
}

// size returns the size of the tensor for an image of width x height pixels: that of the
// input, with open dimensions as in the image, or in proportion to the other one.
func (in ImageInput) size(width, height int64) (w, h int64) {
	scaled := func(open, fixed, of int64) int64 {
		return max(1, int64(math.Round(float64(open)*float64(fixed)/float64(of))))
	}
	switch w, h = in.width, in.height; {
	case w < 0 && h < 0:
		return width, height
	case w < 0:
		return scaled(width, h, height), h
	case h < 0:
		return w, scaled(height, w, width)
	}
	return w, h
}

// shape returns the shape of the tensor of w x h pixels for an input of the shape want.
func (in ImageInput) shape(want []int64, w, h int64) []int64 {
	out := slices.Clone(want)
	at := len(out) - 2
	if in.layout == layoutNHWC {
		at--
	}
	out[at], out[at+1] = h, w
	return out
}

func (in ImageInput) String() string {
	color := "RGB"
	switch {
	case in.channels == 1:
		color = "gray"
	case in.bgr:
		color = "BGR"
	}
	return fmt.Sprintf("%s, %s, %s, %s %s", color, strings.ToUpper(in.layout), in.sizeText(), in.spec.Type, in.normalization)
}

// sizeText describes the size and what happens to images of another one.
func (in ImageInput) sizeText() string {
	if in.width < 0 && in.height < 0 {
		return "any size"
	}
	side := func(d int64) string {
		if d < 0 {
			return "any"
		}
		return fmt.Sprint(d)
	}
	what := map[string]string{
		resizeCrop: "resized and cropped at the center", resizeStretch: "stretched", resizePad: "resized and padded with black",
	}[in.resize]
	if in.width < 0 || in.height < 0 {
		what = "resized"
	}
	return fmt.Sprintf("%s x %s (other sizes are %s)", side(in.width), side(in.height), what)
}

func (n normalization) String() string {
	switch n.name {
	case normalizeNone:
		return "from 0 to 255"
	case normalizeUnit:
		return "from 0 to 1"
	case normalizeSigned:
		return "from -1 to 1"
	case normalizeImageNet:
		return "normalized as for ImageNet"
	}
	return "normalized with " + n.name
}

// numbersText formats numbers as they are written.
func numbersText(v []float32) string {
	parts := make([]string, len(v))
	for i, x := range v {
		parts[i] = fmt.Sprint(x)
	}
	return strings.Join(parts, ":")
}
