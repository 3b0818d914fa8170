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
	// defaultSide is the side of an image for a model with open dimensions.
	defaultSide = 224
	// resizeRatio is the usual resize to 256 before a crop to 224.
	resizeRatio = 256.0 / 224
)

// The color statistics of ImageNet, which most image models are trained with.
var (
	imagenetMean  = [3]float32{0.485, 0.456, 0.406}
	imagenetScale = [3]float32{1 / 0.229, 1 / 0.224, 1 / 0.225}
)

const (
	magicJPEG = "\xff\xd8\xff"
	magicPNG  = "\x89PNG\r\n\x1a\n"
)

func isImage(data []byte) bool {
	return bytes.HasPrefix(data, []byte(magicJPEG)) || bytes.HasPrefix(data, []byte(magicPNG))
}

// acceptsImage reports whether the input s is an image: floats of shape [3 H W] or
// [1 3 H W].
func acceptsImage(s tensor.Spec) bool {
	shape := dropUnitAxis(s.Shape)
	return s.Type.IsFloat() && len(shape) == 3 && shape[0] == 3
}

// dropUnitAxis removes a leading axis of size 1 from the shape of an image.
func dropUnitAxis(shape []int64) []int64 {
	if len(shape) == 4 && shape[0] == 1 {
		return shape[1:]
	}
	return shape
}

// decodeImage preprocesses an image as the image handlers of TorchServe do: resize the
// shorter side to 256/224 of the input's, crop the center, convert to RGB from 0 to 1,
// normalize with the mean and deviation of ImageNet. Transparent pixels become black.
func decodeImage(data []byte, s tensor.Spec) (tensor.Tensor, error) {
	if !acceptsImage(s) {
		return tensor.Tensor{}, fmt.Errorf("input %q is not an image: %s; %s", s.Name, s, hintOne(s))
	}
	src, err := readImage(data)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("input %q: %w", s.Name, err)
	}
	shape := append([]int64(nil), s.Shape...)
	sides := dropUnitAxis(shape)[1:]
	for i, d := range sides {
		if d < 0 {
			sides[i] = defaultSide
		}
	}
	center := cropCenter(src, int(sides[1]), int(sides[0]))
	return tensor.Tensor{Type: s.Type, Shape: shape, Data: toCHW(center, s.Type)}, nil
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

// cropCenter crops the center of src and scales it to w x h, as if src were resized by
// resizeRatio first. Cropping first moves an edge by at most half a pixel of src, and
// bounds time and memory for any shape of src.
func cropCenter(src image.Image, w, h int) *image.RGBA {
	b := src.Bounds()
	scale := max(math.Round(float64(w)*resizeRatio)/float64(b.Dx()), math.Round(float64(h)*resizeRatio)/float64(b.Dy()))
	cropW := min(max(int(math.Round(float64(w)/scale)), 1), b.Dx())
	cropH := min(max(int(math.Round(float64(h)/scale)), 1), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-cropW)/2, (b.Dy()-cropH)/2))
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	// The kernel becomes wider when it shrinks the image, as in the resize of training.
	draw.BiLinear.Scale(dst, dst.Bounds(), src, image.Rectangle{Min: corner, Max: corner.Add(image.Pt(cropW, cropH))}, draw.Src, nil)
	return dst
}

// toCHW writes the normalized pixels, one channel after the other.
func toCHW(img *image.RGBA, t tensor.Type) []byte {
	b := img.Bounds()
	n := b.Dx() * b.Dy()
	out := make([]byte, 0, 3*n*t.Size())
	for c := range 3 {
		for i := range n {
			v := (float32(img.Pix[4*i+c])/255 - imagenetMean[c]) * imagenetScale[c]
			out = tensor.AppendFloat(out, t, float64(v))
		}
	}
	return out
}
