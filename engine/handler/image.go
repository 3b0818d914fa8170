package handler

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"

	"golang.org/x/image/draw"

	"sweetspot/engine/tensor"
)

const (
	// maxPixels bounds the decoded size of a file to about 200 MB.
	maxPixels = 32 << 20
	// resizeRatio is the usual resize to 256 before a crop to 224.
	resizeRatio = 256.0 / 224
)

const (
	magicJPEG = "\xff\xd8\xff"
	magicPNG  = "\x89PNG\r\n\x1a\n"
)

func isImage(data []byte) bool {
	return bytes.HasPrefix(data, []byte(magicJPEG)) || bytes.HasPrefix(data, []byte(magicPNG))
}

// takesImage reports whether the input s is an image.
func (d decoder) takesImage(s tensor.Spec) bool {
	_, ok := d.images.of(s)
	return ok
}

// decodeImage converts an image to the input s. An image of the input's size keeps all of its
// pixels. Transparent pixels become black.
func (d decoder) decodeImage(data []byte, s tensor.Spec) (tensor.Tensor, error) {
	in, ok := d.images.of(s)
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("input %q is not an image: %s; %s", s.Name, s, d.hintOne(s))
	}
	src, err := readImage(data)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("input %q: %w", s.Name, err)
	}
	b := src.Bounds()
	w, h := in.size(int64(b.Dx()), int64(b.Dy()))
	if w > maxPixels/h {
		return tensor.Tensor{}, fmt.Errorf("input %q: image of %d x %d pixels would become %d x %d, expected at most %d pixels in all", s.Name, b.Dx(), b.Dy(), w, h, maxPixels)
	}
	return tensor.Tensor{Type: s.Type, Shape: in.shape(s.Shape, w, h), Data: in.convert(in.resized(src, int(w), int(h)))}, nil
}

func readImage(data []byte) (image.Image, error) {
	config, decode := jpeg.DecodeConfig, jpeg.Decode
	switch {
	case bytes.HasPrefix(data, []byte(magicPNG)):
		config, decode = png.DecodeConfig, png.Decode
	case !bytes.HasPrefix(data, []byte(magicJPEG)):
		return nil, fmt.Errorf("not a JPEG or PNG file, the only supported image files")
	}
	c, err := config(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("image: %v", err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("image of %d x %d pixels, expected at most %d in all", c.Width, c.Height, maxPixels)
	}
	img, err := decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("image: %v", err)
	}
	return img, nil
}

// resized returns src with w x h pixels.
func (in imageInput) resized(src image.Image, w, h int) *image.RGBA {
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	b := src.Bounds()
	if b.Dx() == w && b.Dy() == h {
		draw.Draw(dst, dst.Bounds(), src, b.Min, draw.Src)
		return dst
	}
	from, to := b, dst.Bounds()
	switch {
	case in.width < 0 || in.height < 0: // the other side is in proportion
	case in.resize == resizeCrop:
		from = cropCenter(b, w, h)
	case in.resize == resizePad:
		to = padCenter(b, w, h)
	}
	// The kernel becomes wider when it shrinks the image, as in the resize of training.
	draw.BiLinear.Scale(dst, to, src, from, draw.Src, nil)
	return dst
}

// cropCenter returns the part of an image of the bounds b that becomes w x h pixels, as the
// image handlers of TorchServe do: they resize the shorter side to 256/224 of the input's,
// and crop the center. Cropping first moves an edge by at most half a pixel of the image, and
// bounds time and memory for any shape.
func cropCenter(b image.Rectangle, w, h int) image.Rectangle {
	scale := max(math.Round(float64(w)*resizeRatio)/float64(b.Dx()), math.Round(float64(h)*resizeRatio)/float64(b.Dy()))
	return center(b, float64(w)/scale, float64(h)/scale)
}

// padCenter returns the part of w x h pixels that a whole image of the bounds b fills.
func padCenter(b image.Rectangle, w, h int) image.Rectangle {
	scale := min(float64(w)/float64(b.Dx()), float64(h)/float64(b.Dy()))
	return center(image.Rect(0, 0, w, h), scale*float64(b.Dx()), scale*float64(b.Dy()))
}

// center returns a part of w x h pixels, rounded, in the center of b.
func center(b image.Rectangle, w, h float64) image.Rectangle {
	partW := min(max(int(math.Round(w)), 1), b.Dx())
	partH := min(max(int(math.Round(h)), 1), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-partW)/2, (b.Dy()-partH)/2))
	return image.Rectangle{Min: corner, Max: corner.Add(image.Pt(partW, partH))}
}

// convert returns the numbers of an image in the layout of the input.
func (in imageInput) convert(img *image.RGBA) []byte {
	n := img.Rect.Dx() * img.Rect.Dy()
	out := make([]byte, 0, n*int(in.channels)*in.typ.Size())
	if in.channels == 1 {
		table := in.table(0)
		for i := range n {
			out = in.append(out, table[luma(img.Pix[4*i:])])
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
				out = in.append(out, tables[c][img.Pix[4*i+color]])
			}
		}
		return out
	}
	for c, color := range colors {
		for i := range n {
			out = in.append(out, tables[c][img.Pix[4*i+color]])
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
func (in imageInput) append(dst []byte, v float32) []byte {
	switch in.typ {
	case tensor.Uint8:
		return append(dst, byte(v))
	case tensor.Float32:
		return tensor.AppendFloat32(dst, v)
	}
	return tensor.AppendFloat(dst, in.typ, float64(v))
}

// luma returns the brightness of a pixel, with the weights of ITU-R 601 as in PIL.
func luma(rgb []byte) byte {
	return byte((19595*uint32(rgb[0]) + 38470*uint32(rgb[1]) + 7471*uint32(rgb[2]) + 1<<15) >> 16)
}
