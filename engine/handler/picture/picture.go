// Package picture decodes JPEG and PNG files and resizes pictures as PIL and torchvision do, on
// which most models of pictures were trained.
//
// [Decode] reads a file, and [Picture.Fit] makes it a size, as a [Fit] says. The resampling is
// PIL's bilinear filter with antialiasing: its support grows with the reduction, weights have 22
// bits behind the point, and each of the two passes rounds to 8 bits, so that the result is that of
// PIL's resize, bit for bit. Package jpeg decodes JPEG files to the pixels of libjpeg-turbo, with which PIL decodes.
//
// [ReadHeader] tells the size of a file and the memory for decoding it. A Picture is for one
// goroutine.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"

	"sweetspot/engine/handler/picture/jpeg"
)

// MaxPixels is the largest number of pixels of a file, and of a resized picture.
const MaxPixels = 32 << 20

const (
	magicJPEG = "\xff\xd8\xff"
	magicPNG  = "\x89PNG\r\n\x1a\n"
)

// Is reports whether data begins like a JPEG or PNG file.
func Is(data []byte) bool {
	return bytes.HasPrefix(data, []byte(magicJPEG)) || bytes.HasPrefix(data, []byte(magicPNG))
}

// Picture is a decoded file.
type Picture struct {
	Width, Height int
	// row writes the pixels of a row to dst, three bytes each: red, green, blue.
	row func(y int, dst []byte)
}

// Pixels is a picture with three bytes for each pixel, red, green and blue, row by row:
// 3 x Width x Height bytes.
type Pixels struct {
	Width, Height int
	RGB           []byte
}

// Decode decodes a file. Transparent pixels become black in proportion, gray ones get three equal
// colors, and 16 bits a color become 8. Rotation in EXIF data is not looked at.
func Decode(data []byte) (*Picture, error) {
	switch {
	case bytes.HasPrefix(data, []byte(magicJPEG)):
		m, err := jpeg.Decode(data, MaxPixels)
		if err != nil {
			return nil, err
		}
		return &Picture{Width: m.Width, Height: m.Height, row: m.Row}, nil
	case !bytes.HasPrefix(data, []byte(magicPNG)):
		return nil, errors.New("not a JPEG or PNG file, the only supported image files")
	}
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("image: %v", err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > MaxPixels/c.Height {
		return nil, fmt.Errorf("image of %d x %d pixels, expected at most %d in all", c.Width, c.Height, MaxPixels)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("image: %v", err)
	}
	return Of(img), nil
}

// Of returns an image as a picture, which uses the memory of img.
func Of(img image.Image) *Picture {
	b := img.Bounds()
	return &Picture{Width: b.Dx(), Height: b.Dy(), row: rowsOf(img)}
}

// Fit says how a picture becomes Width x Height pixels: it is first resized to ScaledWidth x
// ScaledHeight, and then the pixels from X, Y on are taken. X and Y may be negative; what the
// resized picture does not have is black.
type Fit struct {
	Width, Height             int
	ScaledWidth, ScaledHeight int
	X, Y                      int
}

// Fit returns the pixels that f describes. All sizes of f must be above 0. Only the rows and columns that are taken
// are computed, so that time and memory are bounded by the picture and the result.
func (p *Picture) Fit(f Fit) Pixels {
	out := Pixels{f.Width, f.Height, make([]byte, 3*f.Width*f.Height)}
	across, down := span(f.X, f.Width, f.ScaledWidth), span(f.Y, f.Height, f.ScaledHeight)
	if across.n <= 0 || down.n <= 0 {
		return out
	}
	window := window{dst: out.RGB[3*(across.at+down.at*f.Width):], stride: 3 * f.Width}
	p.resample(window, across, down, f)
	return out
}

// part is a range of a resized axis, and where it begins in the result.
type part struct{ from, n, at int }

// span returns the part of a resized axis that is in a window of n pixels from x on.
func span(x, n, scaled int) part {
	from := max(x, 0)
	return part{from: from, n: min(x+n, scaled) - from, at: from - x}
}

// window is where the pixels are written.
type window struct {
	dst    []byte
	stride int
}
