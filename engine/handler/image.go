package handler

import (
	"fmt"
	"io"
	"math"

	"sweetspot/engine/handler/picture"
	"sweetspot/engine/tensor"
)

// resizeRatio is the usual resize to 256 before a crop to 224.
const resizeRatio = 256.0 / 224

// takesImage reports whether the input s is an image.
func (d decoder) takesImage(s tensor.Spec) bool {
	_, ok := d.images.Input(s)
	return ok
}

// decodeImage converts an image to the input s. An image of the input's size keeps all of its
// pixels.
func (d decoder) decodeImage(data []byte, s tensor.Spec) (tensor.Tensor, error) {
	in, ok := d.images.Input(s)
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("input %q is not an image: %s; %s", s.Name, s, d.hintOne(s))
	}
	t, _, err := in.Decode(data)
	return t, err
}

// Placement says where a picture is in an input: its pixel x, y is at x * ScaleX + X, y * ScaleY
// + Y. Width and Height are the size of the picture.
type Placement struct {
	Width, Height  int
	ScaleX, ScaleY float64
	X, Y           float64
}

// Back returns the position in the picture of a position in the input. It may be outside the picture.
func (p Placement) Back(x, y float64) (float64, float64) {
	return (x - p.X) / p.ScaleX, (y - p.Y) / p.ScaleY
}

// Decode converts a JPEG or PNG file to the input.
func (in ImageInput) Decode(data []byte) (tensor.Tensor, Placement, error) {
	p, err := picture.Decode(data)
	if err != nil {
		return tensor.Tensor{}, Placement{}, fmt.Errorf("input %q: %w", in.spec.Name, err)
	}
	w, h := in.size(int64(p.Width), int64(p.Height))
	if w > picture.MaxPixels/h {
		return tensor.Tensor{}, Placement{}, fmt.Errorf("input %q: image of %d x %d pixels would become %d x %d, expected at most %d pixels in all",
			in.spec.Name, p.Width, p.Height, w, h, picture.MaxPixels)
	}
	f := in.fit(p.Width, p.Height, int(w), int(h))
	at := Placement{
		Width: p.Width, Height: p.Height, X: -float64(f.X), Y: -float64(f.Y),
		ScaleX: float64(f.ScaledWidth) / float64(p.Width), ScaleY: float64(f.ScaledHeight) / float64(p.Height),
	}
	return tensor.Tensor{Type: in.spec.Type, Shape: in.shape(in.spec.Shape, w, h), Data: in.convert(p.Fit(f))}, at, nil
}

// DecodedSize estimates the memory in bytes of decoding the file in r: its pixels, a row, the rows
// between the two steps of scaling, and the tensor. It is 0 for files that Decode refuses before it
// allocates.
func (in ImageInput) DecodedSize(r io.Reader) int64 {
	h, ok := picture.ReadHeader(r)
	if !ok || h.Width < 1 || h.Height < 1 || h.Width > picture.MaxPixels/h.Height {
		return 0 // refused, or too large to decode
	}
	wide, high := in.size(h.Width, h.Height)
	if wide > picture.MaxPixels/high {
		return h.Bytes // refused when the file is decoded
	}
	const colors, row = 3, 12 // a row of pixels, and its samples of color
	n := h.Bytes + row*h.Width + wide*high*(colors+in.channels*int64(in.spec.Type.Size()))
	f := in.fit(int(h.Width), int(h.Height), int(wide), int(high))
	if scaled := int64(f.ScaledHeight); f.ScaledWidth != int(h.Width) || scaled != h.Height {
		rows := min(h.Height, h.Height*high/scaled+2*(h.Height/scaled+2))
		const perInput, perOutput = 16, 64 // weights and sums
		n += colors*wide*rows + perInput*(h.Width+h.Height) + perOutput*(wide+high)
	}
	return n
}

// fit returns how a picture of width x height pixels becomes w x h pixels.
func (in ImageInput) fit(width, height, w, h int) picture.Fit {
	f := picture.Fit{Width: w, Height: h, ScaledWidth: w, ScaledHeight: h}
	switch {
	case width == w && height == h && !in.always || in.width < 0 || in.height < 0: // the other side is in proportion
	case in.resize == resizeCrop:
		f.ScaledWidth, f.ScaledHeight = coverage(width, height, w, h)
		f.X, f.Y = middle(f.ScaledWidth-w), middle(f.ScaledHeight-h)
	case in.resize == resizePad:
		scale := min(float64(w)/float64(width), float64(h)/float64(height))
		f.ScaledWidth = min(max(1, int(math.Round(scale*float64(width)))), w)
		f.ScaledHeight = min(max(1, int(math.Round(scale*float64(height)))), h)
		f.X, f.Y = -((w - f.ScaledWidth) / 2), -((h - f.ScaledHeight) / 2)
	}
	return f
}

// coverage returns the size of a picture before the crop to w x h pixels: of a square the shorter
// side becomes 256/224 of it, as in the image handlers of TorchServe, and the longer one is in
// proportion, cut to a whole number as torchvision does.
func coverage(width, height, w, h int) (int, int) {
	across, down := math.Round(float64(w)*resizeRatio), math.Round(float64(h)*resizeRatio)
	if across*float64(height) >= down*float64(width) { // the width decides
		return int(across), int(int64(across) * int64(height) / int64(width))
	}
	return int(int64(down) * int64(width) / int64(height)), int(down)
}

// middle returns half of n, rounded to even as torchvision rounds it.
func middle(n int) int { return int(math.RoundToEven(float64(n) / 2)) }

// convert returns the numbers of a picture in the layout of the input.
func (in ImageInput) convert(p picture.Pixels) []byte {
	n := p.Width * p.Height
	out := make([]byte, 0, n*int(in.channels)*in.spec.Type.Size())
	if in.channels == 1 {
		table := in.table(0)
		for i := range n {
			out = in.append(out, table[luma(p.RGB[3*i:])])
		}
		return out
	}
	colors := [3]int{0, 1, 2}
	if in.bgr {
		colors = [3]int{2, 1, 0}
	}
	tables := [3]*[256]float32{in.table(colors[0]), in.table(colors[1]), in.table(colors[2])}
	if in.layout == layoutNHWC {
		for i := range n {
			for c, color := range colors {
				out = in.append(out, tables[c][p.RGB[3*i+color]])
			}
		}
		return out
	}
	for c, color := range colors {
		for i := range n {
			out = in.append(out, tables[c][p.RGB[3*i+color]])
		}
	}
	return out
}

// table returns the number for each value of a color.
func (n normalization) table(color int) *[256]float32 {
	var out [256]float32
	for i := range out {
		out[i] = (float32(i)/n.divisor - n.mean[color]) / n.std[color]
	}
	return &out
}

// append appends v in the type of the input.
func (in ImageInput) append(dst []byte, v float32) []byte {
	switch in.spec.Type {
	case tensor.Uint8:
		return append(dst, byte(v))
	case tensor.Float32:
		return tensor.AppendFloat32(dst, v)
	}
	return tensor.AppendFloat(dst, in.spec.Type, float64(v))
}

// luma returns the brightness of a pixel, with the weights of ITU-R 601 as in PIL.
func luma(rgb []byte) byte {
	return byte((19595*uint32(rgb[0]) + 38470*uint32(rgb[1]) + 7471*uint32(rgb[2]) + 1<<15) >> 16)
}
