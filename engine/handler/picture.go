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
	// maxPixels bounds what one small file may unpack to, about 200 MB.
	maxPixels = 32 << 20
	// usualSide is the side of a picture for a model that leaves it open.
	usualSide = 224
	// margin is the usual 256 of 224: what is cut off around the middle.
	margin = 256.0 / 224
)

// ImageNet's colour statistics, which models of three channels are trained on.
var (
	colourMean  = [3]float32{0.485, 0.456, 0.406}
	colourScale = [3]float32{1 / 0.229, 1 / 0.224, 1 / 0.225}
)

const (
	magicJPEG = "\xff\xd8\xff"
	magicPNG  = "\x89PNG\r\n\x1a\n"
)

func isPicture(data []byte) bool {
	return bytes.HasPrefix(data, []byte(magicJPEG)) || bytes.HasPrefix(data, []byte(magicPNG))
}

// takesPicture tells whether s is one picture: floats of shape [3 H W], maybe
// behind an axis of 1.
func takesPicture(s tensor.Spec) bool {
	shape := bare(s.Shape)
	return s.Type.IsFloat() && len(shape) == 3 && shape[0] == 3
}

// bare is a picture's shape without a leading axis of 1.
func bare(shape []int64) []int64 {
	if len(shape) == 4 && shape[0] == 1 {
		return shape[1:]
	}
	return shape
}

// decodePicture prepares a picture as TorchServe's image handlers do: shorter
// side to 256/224 of the input's, middle cut out, RGB, 0 to 1, ImageNet's mean
// and deviation taken out, channel by channel. Transparent pixels are black.
func decodePicture(data []byte, s tensor.Spec) (tensor.Tensor, error) {
	if !takesPicture(s) {
		return tensor.Tensor{}, fmt.Errorf("input %q is no picture: %s; %s", s.Name, s, wantOne(s))
	}
	src, err := readPicture(data)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("input %q: %w", s.Name, err)
	}
	shape := append([]int64(nil), s.Shape...)
	sides := bare(shape)[1:]
	for i, d := range sides {
		if d < 0 {
			sides[i] = usualSide
		}
	}
	mid := middle(src, int(sides[1]), int(sides[0]))
	return tensor.Tensor{Type: s.Type, Shape: shape, Data: planes(mid, s.Type)}, nil
}

func readPicture(data []byte) (image.Image, error) {
	config, decode := jpeg.DecodeConfig, jpeg.Decode
	switch {
	case bytes.HasPrefix(data, []byte(magicPNG)):
		config, decode = png.DecodeConfig, png.Decode
	case !bytes.HasPrefix(data, []byte(magicJPEG)):
		return nil, fmt.Errorf("not a JPEG or PNG file, the pictures that are understood")
	}
	c, err := config(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("picture: %v", err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("picture of %d x %d pixels, expected at most %d in all", c.Width, c.Height, maxPixels)
	}
	img, err := decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("picture: %v", err)
	}
	return img, nil
}

// middle cuts out the middle of src that fills w x h once src is scaled to cover
// that and the margin around it, and scales it. Cutting first moves an edge by
// half a pixel of src at most, and bounds time and memory for any shape of src.
func middle(src image.Image, w, h int) *image.RGBA {
	b := src.Bounds()
	scale := max(math.Round(float64(w)*margin)/float64(b.Dx()), math.Round(float64(h)*margin)/float64(b.Dy()))
	cutW := min(max(int(math.Round(float64(w)/scale)), 1), b.Dx())
	cutH := min(max(int(math.Round(float64(h)/scale)), 1), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-cutW)/2, (b.Dy()-cutH)/2))
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	// The tent kernel widens when it shrinks, as the resizing in training did.
	draw.BiLinear.Scale(dst, dst.Bounds(), src, image.Rectangle{Min: corner, Max: corner.Add(image.Pt(cutW, cutH))}, draw.Src, nil)
	return dst
}

// planes writes the pixels channel by channel, normalised.
func planes(img *image.RGBA, t tensor.Type) []byte {
	b := img.Bounds()
	n := b.Dx() * b.Dy()
	out := make([]byte, 0, 3*n*t.Size())
	for c := range 3 {
		for i := range n {
			v := (float32(img.Pix[4*i+c])/255 - colourMean[c]) * colourScale[c]
			out = tensor.AppendFloat(out, t, float64(v))
		}
	}
	return out
}
