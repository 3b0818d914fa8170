package handler_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"strings"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

var photo = []tensor.Spec{spec("pixels", tensor.Float32, 3, 224, 224)}

// halves returns an image whose left half is red and whose right half is blue.
func halves(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{R: 255, A: 255}
			if x >= w/2 {
				c = color.RGBA{B: 255, A: 255}
			}
			img.Set(x, y, c)
		}
	}
	return img
}

func encoded(t testing.TB, img image.Image, asJPEG bool) []byte {
	t.Helper()
	var b bytes.Buffer
	err := png.Encode(&b, img)
	if asJPEG {
		b.Reset()
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 95})
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodeImage(t *testing.T) {
	const tolerance = 0.06 // JPEG is lossy
	tests := []struct {
		name, media string
		body        []byte
		inputs      []tensor.Spec
	}{
		{"png", "image/png", encoded(t, halves(300, 300), false), photo},
		{"jpeg wide", "image/jpeg", encoded(t, halves(640, 320), true), photo},
		{"jpeg tall", "image/jpeg", encoded(t, halves(64, 1000), true), photo},
		{"small is enlarged", "image/png", encoded(t, halves(50, 40), false), photo},
		{"sniffed", "", encoded(t, halves(300, 300), true), photo},
		{"sniffed octets", "application/octet-stream", encoded(t, halves(300, 300), false), photo},
		{"open sides", "image/png", encoded(t, halves(300, 300), false), []tensor.Spec{spec("pixels", tensor.Float32, 3, -1, -1)}},
		{"axis of one", "image/png", encoded(t, halves(300, 300), false), []tensor.Spec{spec("pixels", tensor.Float32, 1, 3, 224, 224)}},
		{"not square", "image/png", encoded(t, halves(300, 300), false), []tensor.Spec{spec("pixels", tensor.Float32, 3, 64, 128)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			item, err := handler.Decode(tt.media, tt.body, tt.inputs)
			if err != nil {
				t.Fatal(err)
			}
			shape := item[0].Shape[len(item[0].Shape)-3:]
			h, w := int(shape[1]), int(shape[2])
			if len(item[0].Data) != 4*3*h*w {
				t.Fatalf("%d bytes for shape %v", len(item[0].Data), shape)
			}
			pixel := func(c, y, x int) float64 {
				return float64(math.Float32frombits(binary.LittleEndian.Uint32(item[0].Data[4*((c*h+y)*w+x):])))
			}
			check := func(c, y, x int, want float64) {
				t.Helper()
				if got := pixel(c, y, x); math.Abs(got-want) > tolerance {
					t.Errorf("channel %d at %d,%d = %.3f, want %.3f", c, y, x, got, want)
				}
			}
			const redOn, redOff = (1 - 0.485) / 0.229, -0.485 / 0.229
			const blueOn, blueOff = (1 - 0.406) / 0.225, -0.406 / 0.225
			for _, y := range []int{0, h / 2, h - 1} {
				check(0, y, 2, redOn)
				check(2, y, 2, blueOff)
				check(0, y, w-3, redOff)
				check(2, y, w-3, blueOn)
			}
		})
	}
}

func TestDecodeImageErrors(t *testing.T) {
	whole := encoded(t, halves(30, 30), false)
	tooLarge := bytes.Clone(whole)
	binary.BigEndian.PutUint32(tooLarge[16:], 1<<20) // width, in the header chunk
	tests := []struct {
		name string
		body []byte
		want string
	}{
		{"not an image", []byte("GIF89a"), "not a JPEG or PNG file"},
		{"cut off", whole[:60], "image: "},
		{"too large", tooLarge, "image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := handler.Decode("image/png", tt.body, photo)
			if err == nil || !strings.HasPrefix(err.Error(), `input "pixels": `+tt.want) {
				t.Errorf("Decode = %v, want %q", err, tt.want)
			}
		})
	}
}

// Raw floats may begin like an image file; data of exactly the size of a value is raw.
func TestDecodeRawThatLooksLikeAnImage(t *testing.T) {
	inputs := []tensor.Spec{spec("pixels", tensor.Float32, 3, 8, 8)}
	body := make([]byte, 4*3*8*8)
	copy(body, "\xff\xd8\xff")
	for _, media := range []string{"", "application/octet-stream"} {
		item, err := handler.Decode(media, body, inputs)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(item[0].Data, body) {
			t.Errorf("content type %q: the bytes were decoded as an image", media)
		}
	}
}
