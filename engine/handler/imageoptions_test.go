package handler_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// decodeImage decodes a file with image options for one input.
func decodeImage(t *testing.T, options string, file []byte, s tensor.Spec) (tensor.Tensor, error) {
	t.Helper()
	o, err := handler.ParseImageOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	h := handler.Tensors{Images: o}
	if err := h.Initialize(t.Context(), []tensor.Spec{s}, nil); err != nil {
		t.Fatal(err)
	}
	var r payload.Request
	if err := h.Decode(&r, payload.Body{Type: "image/png", Data: file}); err != nil {
		return tensor.Tensor{}, err
	}
	return r.Items[0][0], nil
}

// quarters is an image of w x h pixels, whose corners are red, green, blue and gray.
func quarters(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, [...]color.NRGBA{
				{200, 0, 0, 255}, {0, 100, 0, 255}, {0, 0, 50, 255}, {128, 128, 128, 255},
			}[min(2*y/h, 1)*2+min(2*x/w, 1)])
		}
	}
	return img
}

// An image of the input's size keeps every pixel, in each layout, order, type and
// normalization.
func TestImageOfTheRightSize(t *testing.T) {
	file := encoded(t, quarters(2, 2), false)
	const m, s = 0.485, 0.229
	net := func(v float64) float64 { return (v/255 - m) / s }
	for _, tt := range []struct {
		options string
		input   tensor.Spec
		want    []float64
	}{
		{"normalize=none", spec("x", tensor.Float32, 3, 2, 2), []float64{200, 0, 0, 128, 0, 100, 0, 128, 0, 0, 50, 128}},
		{"normalize=none", spec("x", tensor.Float32, 2, 2, 3), []float64{200, 0, 0, 0, 100, 0, 0, 0, 50, 128, 128, 128}},
		{"normalize=none,order=bgr", spec("x", tensor.Float32, 3, 2, 2), []float64{0, 0, 50, 128, 0, 100, 0, 128, 200, 0, 0, 128}},
		{"order=bgr", spec("x", tensor.Uint8, 2, 2, 3), []float64{0, 0, 200, 0, 100, 0, 50, 0, 0, 128, 128, 128}},
		{"", spec("x", tensor.Uint8, 3, 2, 2), []float64{200, 0, 0, 128, 0, 100, 0, 128, 0, 0, 50, 128}},
		{"", spec("x", tensor.Uint8, 1, 3, 2, 2), []float64{200, 0, 0, 128, 0, 100, 0, 128, 0, 0, 50, 128}},
		{"", spec("x", tensor.Uint8, 1, 2, 2), []float64{60, 59, 6, 128}}, // .299, .587 and .114 of the colors
		{"", spec("x", tensor.Uint8, 2, 2, 1), []float64{60, 59, 6, 128}},
		{"layout=hw", spec("x", tensor.Uint8, 2, 2), []float64{60, 59, 6, 128}},
		{"layout=hw", spec("x", tensor.Uint8, 1, 2, 2), []float64{60, 59, 6, 128}},
		{"", spec("x", tensor.Float32, 1, 2, 2), []float64{60. / 255, 59. / 255, 6. / 255, 128. / 255}},
		{"", spec("x", tensor.Float64, 2, 2, 3), []float64{200. / 255, 0, 0, 0, 100. / 255, 0, 0, 0, 50. / 255, 128. / 255, 128. / 255, 128. / 255}},
		{"normalize=-1..1", spec("x", tensor.Float32, 1, 2, 2), []float64{2*60./255 - 1, 2*59./255 - 1, 2*6./255 - 1, 2*128./255 - 1}},
		{"mean=.5,std=0.25", spec("x", tensor.Float32, 1, 2, 2), []float64{(60./255 - .5) * 4, (59./255 - .5) * 4, (6./255 - .5) * 4, (128./255 - .5) * 4}},
		{
			"mean=.1:.2:.3,std=.5:1:2", spec("x", tensor.Float32, 3, 2, 2),
			[]float64{(200./255 - .1) * 2, -.2, -.2, (128./255 - .1) * 2, -.2, 100./255 - .2, -.2, 128./255 - .2, -.15, -.15, (50./255 - .3) / 2, (128./255 - .3) / 2},
		},
		{ // mean and std are in the order of the input
			"mean=.1:.2:.3,std=.5:1:2,order=bgr", spec("x", tensor.Float32, 2, 2, 3),
			[]float64{-.2, -.2, (200./255 - .3) / 2, -.2, 100./255 - .2, -.15, (50./255 - .1) * 2, -.2, -.15, (128./255 - .1) * 2, 128./255 - .2, (128./255 - .3) / 2},
		},
	} {
		got, err := decodeImage(t, tt.options, file, tt.input)
		if err != nil {
			t.Errorf("%q for %s: %v", tt.options, tt.input, err)
			continue
		}
		if err := tt.input.Check(got); err != nil {
			t.Errorf("%q: %v", tt.options, err)
		}
		for i, v := range got.Numbers() {
			if math.Abs(v-tt.want[i]) > 1e-6 {
				t.Errorf("%q for %s: %v, want %v", tt.options, tt.input, got.Numbers(), tt.want)
				break
			}
		}
	}
	got, err := decodeImage(t, "normalize=imagenet", file, spec("x", tensor.Float32, 3, 2, 2))
	if want := net(200); err != nil || math.Abs(got.Numbers()[0]-want) > 1e-6 {
		t.Errorf("imagenet: %v, %v, want %v first", got.Numbers(), err, want)
	}
	byDefault, err := decodeImage(t, "", file, spec("x", tensor.Float32, 3, 2, 2))
	if err != nil || !bytes.Equal(byDefault.Data, got.Data) {
		t.Errorf("the default of three channels first is %v (%v), want ImageNet's %v", byDefault.Numbers(), err, got.Numbers())
	}
}

// framed is an image of w x h pixels: white within a black frame of n pixels.
func framed(w, h, n int) image.Image {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for y := n; y < h-n; y++ {
		for x := n; x < w-n; x++ {
			img.Set(x, y, color.White)
		}
	}
	return img
}

// Each way to resize keeps or loses the frame of a wide image.
func TestImageResize(t *testing.T) {
	file := encoded(t, framed(80, 40, 8), false)
	for _, tt := range []struct {
		resize                string
		topMiddle, leftCenter float64 // brightness of pixels at the edges
		center                float64
	}{
		{"crop", 0, 255, 255},  // the sides are cut off, the frame above stays in part
		{"stretch", 0, 0, 255}, // all of it
		{"pad", 0, 0, 255},     // all of it, between black stripes
		{"", 0, 255, 255},      // crop
	} {
		options := "normalize=none"
		if tt.resize != "" {
			options += ",resize=" + tt.resize
		}
		got, err := decodeImage(t, options, file, spec("x", tensor.Float32, 1, 20, 20))
		if err != nil {
			t.Fatal(err)
		}
		at := func(y, x int) float64 { return got.Numbers()[20*y+x] }
		for _, c := range []struct{ got, want float64 }{{at(0, 10), tt.topMiddle}, {at(10, 0), tt.leftCenter}, {at(10, 10), tt.center}} {
			if math.Abs(c.got-c.want) > 60 {
				t.Errorf("resize=%s: top %v, left %v, center %v; want about %v, %v, %v", tt.resize, at(0, 10), at(10, 0), at(10, 10), tt.topMiddle, tt.leftCenter, tt.center)
				break
			}
		}
		if stripe := at(3, 10) == 0; stripe != (tt.resize == "pad") { // a quarter above and below
			t.Errorf("resize=%s: row 3 has %v", tt.resize, at(3, 10))
		}
	}
}

// Open dimensions take the size of the image; one that is fixed scales the other.
func TestImageOfOpenSize(t *testing.T) {
	file := encoded(t, framed(80, 40, 8), false)
	for _, tt := range []struct {
		shape, want []int64
	}{
		{[]int64{3, -1, -1}, []int64{3, 40, 80}},
		{[]int64{1, -1, -1, 3}, []int64{1, 40, 80, 3}},
		{[]int64{3, -1, 20}, []int64{3, 10, 20}},
		{[]int64{80, -1, 3}, []int64{80, 160, 3}},
	} {
		got, err := decodeImage(t, "", file, tensor.Spec{Name: "x", Type: tensor.Float32, Shape: tt.shape})
		if err != nil || !(tensor.Spec{Type: tensor.Float32, Shape: tt.want}).Fixed() || !tensor.Fits(tt.want, got.Shape) {
			t.Errorf("shape %v: %v, %v, want %v", tt.shape, got.Shape, err, tt.want)
		}
	}
	_, err := decodeImage(t, "", file, spec("x", tensor.Float32, 3, 30000, -1))
	if err == nil || !strings.Contains(err.Error(), "80 x 40 pixels would become 60000 x 30000") {
		t.Errorf("too large: %v", err)
	}
}

func TestImageOfGrayIsExact(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 16, 16))
	for i := range img.Pix {
		img.Pix[i] = byte(i)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	for _, s := range []tensor.Spec{spec("x", tensor.Uint8, 1, 16, 16), spec("x", tensor.Uint8, 16, 16, 3)} {
		got, err := decodeImage(t, "", b.Bytes(), s)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got.Data {
			if want := byte(i * 256 / len(got.Data)); v != want {
				t.Fatalf("%s: value %d is %d, want %d", s, i, v, want)
			}
		}
	}
}

func TestImageOptionErrors(t *testing.T) {
	for text, want := range map[string]string{
		"imagenet":                    `"imagenet" is not NAME=VALUE; write options such as normalize=imagenet,order=rgb,resize=crop`,
		"normalise=none":              `unknown option "normalise"; there is normalize, mean, std, order, layout, resize`,
		"normalize=zero":              `normalize: "zero" is not one of none, 0..1, -1..1, imagenet`,
		"order=gbr":                   `order: "gbr" is not one of rgb, bgr`,
		"mean=1:2,std=1":              `mean: 2 numbers, expected 1 or 3; write one number or one for each channel, such as mean=0.485:0.456:0.406`,
		"mean=1:NaN:2":                `mean: "NaN" is not a number; write one number or one for each channel, such as mean=0.485:0.456:0.406`,
		"mean=1,std=1:0:1":            `std: "1:0:1" is not above 0; write one number or one for each channel, such as std=0.485:0.456:0.406`,
		"mean=1":                      "mean and std belong together; write both, such as mean=0.5,std=0.5",
		"mean=1,std=1,normalize=none": "normalize=none and mean or std exclude each other; leave one out",
	} {
		if _, err := handler.ParseImageOptions(text); err == nil || err.Error() != want {
			t.Errorf("ParseImageOptions(%q) = %v, want %s", text, err, want)
		}
	}
	for _, tt := range []struct {
		options string
		input   tensor.Spec
		want    string
	}{
		{"order=rgb", spec("x", tensor.Float32, 4), "no input is an image of layout nchw or nhwc; the model takes x FP32 [4]"},
		{"layout=nhwc", spec("x", tensor.Float32, 3, 8, 8), "no input is an image of layout nhwc; the model takes x FP32 [3 8 8]"},
		{"normalize=0..1", spec("x", tensor.Uint8, 3, 8, 8), `input "x": UINT8 cannot be normalized; leave normalize, mean and std out`},
		{"mean=1,std=1", spec("x", tensor.Uint8, 3, 8, 8), `input "x": UINT8 cannot be normalized; leave normalize, mean and std out`},
		{"mean=1:1:1,std=1", spec("x", tensor.Float32, 1, 8, 8), `input "x": 3 numbers in mean or std, but it has 1 channel`},
		{"order=bgr", spec("x", tensor.Float32, 1, 8, 8), "order=bgr: the images are gray; leave it out"},
	} {
		o, err := handler.ParseImageOptions(tt.options)
		if err != nil {
			t.Fatal(err)
		}
		h := handler.Tensors{Images: o}
		if err := h.Initialize(t.Context(), []tensor.Spec{tt.input}, nil); err == nil || err.Error() != tt.want {
			t.Errorf("%s for %s: %v, want %s", tt.options, tt.input, err, tt.want)
		}
	}
}

func TestDescribeImages(t *testing.T) {
	for _, tt := range []struct {
		options string
		inputs  []tensor.Spec
		want    string
	}{
		{"", photo, "pixels: RGB, NCHW, 224 x 224 (other sizes are resized and cropped at the center), FP32 normalized as for ImageNet"},
		{"order=bgr,resize=pad,normalize=none", photo, "pixels: BGR, NCHW, 224 x 224 (other sizes are resized and padded with black), FP32 from 0 to 255"},
		{"resize=stretch", []tensor.Spec{spec("x", tensor.Uint8, 20, 30, 1)}, "x: gray, NHWC, 30 x 20 (other sizes are stretched), UINT8 from 0 to 255"},
		{"", []tensor.Spec{spec("x", tensor.Float16, -1, -1, 3), spec("n", tensor.Int64, 4)}, "x: RGB, NHWC, any size, FP16 from 0 to 1"},
		{"normalize=-1..1", []tensor.Spec{spec("x", tensor.Float32, 3, -1, 64)}, "x: RGB, NCHW, 64 x any (other sizes are resized), FP32 from -1 to 1"},
		{"mean=.1:.2:.3,std=1", photo, "pixels: RGB, NCHW, 224 x 224 (other sizes are resized and cropped at the center), FP32 normalized with mean 0.1:0.2:0.3 and std 1"},
		{"", one, ""},
	} {
		o, err := handler.ParseImageOptions(tt.options)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Describe(tt.inputs); got != tt.want {
			t.Errorf("%q: Describe = %q\nwant %q", tt.options, got, tt.want)
		}
	}
}

// What a flag says wins over what a file says, one option at a time; mean and std count as
// one with normalize.
func TestImageOptionsOr(t *testing.T) {
	parse := func(text string) handler.ImageOptions {
		o, err := handler.ParseImageOptions(text)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	got := parse("normalize=none,resize=pad").Or(parse("mean=1,std=1,order=bgr,resize=crop")).Describe(photo)
	if want := parse("normalize=none,order=bgr,resize=pad").Describe(photo); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := parse("").Or(parse("mean=1,std=1")).Describe(photo), parse("mean=1,std=1").Describe(photo); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Options that are accepted are described, and never fail on an image.
func FuzzImageOptions(f *testing.F) {
	f.Add("normalize=imagenet,order=rgb,resize=crop")
	f.Add("mean=0.485:0.456:0.406,std=1,layout=nhwc")
	f.Add("layout=hw,normalize=-1..1")
	file := encoded(f, quarters(4, 3), false)
	inputs := []tensor.Spec{
		spec("a", tensor.Float32, 3, 2, 2), spec("b", tensor.Uint8, 2, 2, 3), spec("c", tensor.Float16, 2, 5), spec("d", tensor.Float64, 1, -1, 3),
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := handler.ParseImageOptions(text)
		if err != nil {
			return
		}
		for _, s := range inputs {
			h := handler.Tensors{Images: o}
			if h.Initialize(t.Context(), []tensor.Spec{s}, nil) != nil || o.Describe([]tensor.Spec{s}) == "" {
				continue
			}
			var r payload.Request
			if err := h.Decode(&r, payload.Body{Type: "image/png", Data: file}); err != nil {
				t.Fatalf("%q for %s: %v", text, s, err)
			}
			if err := s.Check(r.Items[0][0]); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
