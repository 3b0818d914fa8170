package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"runtime"
	"testing"

	"sweetspot/engine/handler/picture"
)

// whole is a Fit that changes nothing.
func whole(w, h int) picture.Fit {
	return picture.Fit{Width: w, Height: h, ScaledWidth: w, ScaledHeight: h}
}

// The window of a resized picture is the same as that part of the whole resized picture, and black beside it.
func TestFitIsAWindow(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 37, 23))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 73)
	}
	p := picture.Of(img)
	for _, scaled := range []image.Point{{37, 23}, {11, 23}, {37, 60}, {20, 9}, {80, 70}, {1, 1}} {
		all := p.Fit(whole2(scaled))
		for _, w := range []image.Rectangle{image.Rect(0, 0, 5, 5), image.Rect(3, 2, 9, 8), image.Rect(-4, -3, 90, 75), image.Rect(200, 0, 201, 1), image.Rect(-2, 5, 0, 6)} {
			got := p.Fit(picture.Fit{Width: w.Dx(), Height: w.Dy(), ScaledWidth: scaled.X, ScaledHeight: scaled.Y, X: w.Min.X, Y: w.Min.Y})
			for y := range w.Dy() {
				for x := range w.Dx() {
					want := []byte{0, 0, 0}
					if at := w.Min.Add(image.Pt(x, y)); at.In(image.Rectangle{Max: scaled}) {
						want = all.RGB[3*(at.Y*scaled.X+at.X):][:3]
					}
					if !bytes.Equal(got.RGB[3*(y*w.Dx()+x):][:3], want) {
						t.Fatalf("%v of %v at %d,%d: %v, want %v", w, scaled, x, y, got.RGB[3*(y*w.Dx()+x):][:3], want)
					}
				}
			}
		}
	}
}

func whole2(p image.Point) picture.Fit { return whole(p.X, p.Y) }

// One color stays that color in all sizes, and sums of weights do not exceed it.
func TestFitKeepsAColor(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 31, 17))
	for i := range img.Pix {
		img.Pix[i] = []byte{255, 1, 254, 255}[i%4]
	}
	for _, s := range []image.Point{{31, 17}, {1, 1}, {7, 3}, {200, 100}, {31, 5}} {
		out := picture.Of(img).Fit(whole2(s))
		for i, v := range out.RGB {
			if want := []byte{255, 1, 254}[i%3]; v != want {
				t.Fatalf("%v: byte %d is %d, want %d", s, i, v, want)
			}
		}
	}
}

// Every kind of image becomes the colors that its own method tells.
func TestKindsOfImages(t *testing.T) {
	b := image.Rect(0, 0, 5, 3)
	palette := image.NewPaletted(b, color.Palette{color.NRGBA{200, 100, 50, 255}, color.NRGBA{80, 90, 100, 128}})
	palette.Pix[7] = 1
	nrgba, gray, deep := image.NewNRGBA(b), image.NewGray(b), image.NewNRGBA64(b)
	for i := range nrgba.Pix {
		nrgba.Pix[i] = byte(i * 11)
	}
	for i := range gray.Pix {
		gray.Pix[i] = byte(i * 17)
	}
	for i := range deep.Pix {
		deep.Pix[i] = byte(i * 7)
	}
	for _, img := range []image.Image{palette, nrgba, gray, deep, image.NewCMYK(b)} {
		got := picture.Of(img).Fit(whole(5, 3))
		for y := range 3 {
			for x := range 5 {
				r, g, blue, _ := img.At(x, y).RGBA()
				want := []byte{byte(r >> 8), byte(g >> 8), byte(blue >> 8)}
				if at := got.RGB[3*(5*y+x):][:3]; !bytes.Equal(at, want) {
					t.Errorf("%T at %d,%d: %v, want %v", img, x, y, at, want)
				}
			}
		}
	}
}

// The header of a JPEG file tells the memory that decoding takes.
func TestMemoryOfJPEG(t *testing.T) {
	for _, name := range []string{"half", "full", "progressive", "luma"} {
		data, err := os.ReadFile("../torchserve/testdata/pictures/" + name + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		head, ok := picture.ReadHeader(bytes.NewReader(data))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := picture.Decode(data)
		runtime.ReadMemStats(&after)
		if !ok || err != nil {
			t.Fatalf("%s: %v, %v", name, ok, err)
		}
		const small = 64 << 10 // tables, of progressive files for each scan, and rows
		if got := int64(after.TotalAlloc - before.TotalAlloc); got < head.Bytes || got > head.Bytes+small {
			t.Errorf("%s: %d bytes for %d x %d pixels, the header says %d", name, got, p.Width, p.Height, head.Bytes)
		}
	}
}

// FuzzDecode reads files and resizes them. Nothing panics, and the header tells the size of what is decoded.
func FuzzDecode(f *testing.F) {
	img := image.NewRGBA(image.Rect(0, 0, 9, 7))
	var asPNG, asJPEG bytes.Buffer
	if err := png.Encode(&asPNG, img); err != nil {
		f.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, img, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(asPNG.Bytes(), 4, 4, 8, 6, 2, 1)
	f.Add(asJPEG.Bytes(), 4, 4, 2, 3, -1, 0)
	f.Fuzz(func(t *testing.T, file []byte, w, h, scaledW, scaledH, x, y int) {
		p, err := picture.Decode(file)
		if err != nil {
			return
		}
		head, ok := picture.ReadHeader(bytes.NewReader(file))
		if !ok || head.Width != int64(p.Width) || head.Height != int64(p.Height) {
			t.Errorf("the header says %+v, %v of a picture of %d x %d", head, ok, p.Width, p.Height)
		}
		small := func(v int) int { return 1 + int(uint(v)%64) }
		fit := picture.Fit{Width: small(w), Height: small(h), ScaledWidth: small(scaledW), ScaledHeight: small(scaledH), X: x % 100, Y: y % 100}
		if out := p.Fit(fit); len(out.RGB) != 3*fit.Width*fit.Height {
			t.Errorf("%d bytes for %+v", len(out.RGB), fit)
		}
	})
}
