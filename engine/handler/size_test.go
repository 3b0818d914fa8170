package handler_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// pixels returns the size of the decoded image in bytes.
func pixels(t *testing.T, file []byte) int {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	switch img := img.(type) {
	case *image.Gray:
		return len(img.Pix)
	case *image.Gray16:
		return len(img.Pix)
	case *image.RGBA:
		return len(img.Pix)
	case *image.NRGBA:
		return len(img.Pix)
	case *image.RGBA64:
		return len(img.Pix)
	case *image.NRGBA64:
		return len(img.Pix)
	case *image.Paletted:
		return len(img.Pix)
	case *image.YCbCr:
		return len(img.Y) + len(img.Cb) + len(img.Cr)
	}
	t.Fatalf("a %T", img)
	return 0
}

// The estimate for an image is at least its decoded size. It is not much larger, because
// otherwise images would be refused without need.
func TestDecodedSizeOfImages(t *testing.T) {
	r := image.Rect(0, 0, 1000, 700)
	for _, tt := range []struct {
		name string
		img  image.Image
		jpeg bool
		most int // times the pixels
	}{
		{"grey", image.NewGray(r), false, 4}, // it might have a transparent color
		{"grey, 16 bits", image.NewGray16(r), false, 4},
		{"color", halves(1000, 700), false, 1},
		{"color, 16 bits", image.NewRGBA64(r), false, 1},
		{"transparent", image.NewNRGBA(r), false, 1},
		{"transparent, 16 bits", image.NewNRGBA64(r), false, 1},
		{"palette", image.NewPaletted(r, color.Palette{color.Black, color.White}), false, 1},
		{"JPEG", halves(1000, 700), true, 1},
		{"grey JPEG", image.NewGray(r), true, 1},
	} {
		file := encoded(t, tt.img, tt.jpeg)
		have := pixels(t, file)
		const scaling = 224*4*8*(700+1) + 224*224*(4+12)
		got := int(handler.DecodedSize("", file, photo))
		if got < have || got > tt.most*have*102/100+scaling {
			t.Errorf("%s: %d bytes for %d of pixels, want at most %d times that and %d", tt.name, got, have, tt.most, scaling)
		}
	}
}

// edited returns file with a byte changed.
func edited(file []byte, at int, b byte) []byte {
	out := bytes.Clone(file)
	out[at] = b
	return out
}

func TestDecodedSize(t *testing.T) {
	deep := image.NewNRGBA64(image.Rect(0, 0, 400, 300))
	const (
		deepPixels = 400 * 300 * 8
		row        = 12 * 400
		scaled     = row + 3*224*268 + 16*(400+300) + 64*(224+224) + 224*224*(3+12) // 268 of 300 rows are needed for the crop
		value      = 224 * 224 * 3 * 4                                              // of one input
	)
	file, grey := encoded(t, deep, false), encoded(t, image.NewGray(image.Rect(0, 0, 320, 320)), true)
	even := append(bytes.Clone(file), make([]byte, 6-len(file)%6)...)
	frame := bytes.Index(grey, []byte{0xff, 0xc0})
	const greyScaled = 12*320 + 3*224*286 + 16*(320+320) + 64*(224+224) + 224*224*(3+12)
	sampled := func(components ...byte) []byte { // the frame alone, each component with its sampling
		out := edited(grey[:frame+10], frame+9, byte(len(components)))
		for i, c := range components {
			out = append(out, byte(i), c, 0)
		}
		return out
	}
	two := []tensor.Spec{spec("a", tensor.Float32, 3, 224, 224), spec("b", tensor.Float32, 4)}
	form := func(parts ...[]byte) (string, []byte) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for i, data := range parts {
			h := textproto.MIMEHeader{}
			h.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%c"`, 'a'+i))
			part, err := w.CreatePart(h)
			if err == nil {
				_, err = part.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return w.FormDataContentType(), b.Bytes()
	}
	formType, formBody := form(file, make([]byte, 16))
	swappedType, swapped := form(make([]byte, value), file)
	tests := []struct {
		name, media string
		body        []byte
		inputs      []tensor.Spec
		want        int
	}{
		{"raw", "application/octet-stream", make([]byte, 1000), photo, 0},
		{"no type, raw", "", make([]byte, 1000), photo, 0},
		{"image by content type", "image/png", file, photo, deepPixels + scaled},
		{"image with the raw content type", "application/octet-stream", file, photo, deepPixels + scaled},
		{"image without content type", "", file, photo, deepPixels + scaled},
		{"image, open sides", "image/png", file, []tensor.Spec{spec("x", tensor.Float32, 3, -1, -1)}, deepPixels + row + 400*300*(3+12)},
		{"image, one open side", "image/png", file, []tensor.Spec{spec("x", tensor.Float32, 3, -1, 200)}, deepPixels + row + 3*200*300 + 16*(400+300) + 64*(200+150) + 200*150*(3+12)},
		{"image, of the right size", "image/png", file, []tensor.Spec{spec("x", tensor.Uint8, 300, 400, 3)}, deepPixels + row + 400*300*(3+3)},
		{"image, gray", "image/png", file, []tensor.Spec{spec("x", tensor.Float32, 1, 300, 400)}, deepPixels + row + 400*300*(3+4)},
		{"image that would become too large", "image/png", file, []tensor.Spec{spec("x", tensor.Float32, 3, 1<<20, -1)}, deepPixels},
		{"image for a model without image input", "image/png", file, []tensor.Spec{spec("x", tensor.Float32, 5)}, 0},
		{"raw bytes that begin like an image", "", even, []tensor.Spec{spec("x", tensor.Float16, 3, 1, int64(len(even)/6))}, 0},
		{"interlaced", "image/png", edited(file, 28, 1), photo, 2*deepPixels + scaled},
		{"grey JPEG", "image/jpeg", grey, photo, 320*320 + greyScaled},
		{"progressive JPEG", "image/jpeg", edited(grey, frame+1, 0xc2), photo, 3*320*320 + greyScaled},
		{"JPEG with bytes between segments", "image/jpeg", append([]byte("\xff\xd8\xff\xff\xd0ab\xff\x00c"), grey[2:]...), photo, 320*320 + greyScaled},
		{"JPEG with subsampled color", "image/jpeg", sampled(0x22, 0x11, 0x11), photo, 320*320*3/2 + greyScaled},
		{"JPEG with full color", "image/jpeg", sampled(0x11, 0x11, 0x11), photo, 320*320*3 + greyScaled},
		{"JPEG of four components", "image/jpeg", sampled(0x11, 0x11, 0x11, 0x11), photo, 4*320*320 + greyScaled},
		{"JPEG of no components", "image/jpeg", edited(grey, frame+9, 0), photo, 0},
		{"JPEG of five components", "image/jpeg", edited(grey, frame+9, 5), photo, 0},
		{"too many pixels", "image/png", edited(file, 16, 1), photo, 0},
		{"truncated", "image/png", file[:20], photo, 0},
		{"JPEG without a frame", "image/jpeg", grey[:frame], photo, 0},
		{"JSON", "application/json", []byte("[1,2,3,4]"), []tensor.Spec{spec("x", tensor.Float32, 4)}, 16},
		{"JSON, too long", "application/json", []byte("[1,2,3,4,5,6]"), []tensor.Spec{spec("x", tensor.Float64, 1)}, 48},
		{"JSON, open", "application/json", []byte("[1,2,3,4]"), []tensor.Spec{spec("x", tensor.Int64, -1)}, 32},
		{"JSON, fewer numbers than the input", "application/json", []byte("[1,2]"), photo, 20}, // Decode preallocates at most as many numbers as the body has bytes
		{"form", formType, formBody, two, len(formBody) + 4*len(formBody) + 16 + deepPixels + scaled},
		{"form, image in the wrong part", swappedType, swapped, two, len(swapped) + value + 16},
		{"form without a boundary", "multipart/form-data", formBody, two, 0},
		{"unknown type", "text/csv", file, photo, 0},
		{"empty", "", nil, photo, 0},
	}
	for _, tt := range tests {
		got := int(handler.DecodedSize(tt.media, tt.body, tt.inputs))
		// The commas of raw parts of a form count too.
		if got < tt.want || got > tt.want && !(strings.HasPrefix(tt.name, "form") && got < tt.want+tt.want/10) {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// DecodedSize runs for every request and must not allocate.
func TestDecodedSizeAllocatesNothing(t *testing.T) {
	one := []tensor.Spec{spec("x", tensor.Float32, 2048)}
	json := []byte("[" + strings.Repeat("1,", 2047) + "1]")
	for media, body := range map[string][]byte{handler.TypeRaw: make([]byte, 8192), handler.TypeJSON: json, "": json} {
		if n := testing.AllocsPerRun(100, func() { handler.DecodedSize(media, body, one) }); n != 0 {
			t.Errorf("%q: %v allocations", media, n)
		}
	}
}

// FuzzDecodedSize compares the header of a picture with the decoders.
func FuzzDecodedSize(f *testing.F) {
	for _, img := range []image.Image{halves(40, 30), image.NewGray(image.Rect(0, 0, 3, 500))} {
		f.Add(encoded(f, img, true))
		f.Add(encoded(f, img, false))
	}
	input := []tensor.Spec{spec("x", tensor.Float32, 3, 1, 1)}
	f.Fuzz(func(t *testing.T, file []byte) {
		got := handler.DecodedSize("image/any", file, input)
		if got < 0 {
			t.Fatalf("%d bytes", got)
		}
		c, kind, err := image.DecodeConfig(bytes.NewReader(file))
		const most = 32 << 20
		if err != nil || c.Width < 1 || c.Height < 1 || c.Width > most/c.Height || kind == "jpeg" && !bytes.HasPrefix(file, []byte("\xff\xd8\xff")) {
			return
		}
		if got < int64(c.Width*c.Height) {
			t.Errorf("%d bytes for a %s of %d x %d", got, kind, c.Width, c.Height)
		}
	})
}
