package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
	"sweetspot/sweep"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"1": 1, "6553500": 6553500, "30MB": 30e6, "64MiB": 64 << 20, "2 KB": 2000, "1GiB": 1 << 30, "2147483647": 2147483647,
		"": 0, "0": 0, "-1": 0, "1.5MB": 0, "3GiB": 0, "MB": 0, "9223372036854775807KB": 0, "12 apples": 0,
	} {
		var b byteSize
		err := b.Set(text)
		if b != want || (err == nil) != (want > 0) {
			t.Errorf("Set(%q) = %d, %v, want %d", text, b, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "such as 30000000, 30MB or 64MiB") {
			t.Errorf("Set(%q) does not say what to write: %v", text, err)
		}
	}
}

// imageModel is a model in a folder with this model-config.yaml; "" is none.
func imageModel(t *testing.T, config string, inputs ...tensor.Spec) *engine.Model {
	t.Helper()
	dir := t.TempDir()
	if config != "" {
		if err := os.WriteFile(filepath.Join(dir, "model-config.yaml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &engine.Model{Name: "m", Source: dir, Inputs: inputs}
}

// Options come from the flag, then from the model's folder, then from the input, and a line
// says which.
func TestSetImages(t *testing.T) {
	photo := tensor.Spec{Name: "x", Type: tensor.Float32, Shape: []int64{3, 8, 8}}
	row := tensor.Spec{Name: "r", Type: tensor.Float32, Shape: []int64{4}}
	const file = "handler:\n  image:\n    normalize: none\n    order: bgr\n"
	for _, tt := range []struct {
		name, flag, config string
		inputs             []tensor.Spec
		becomes, from, err string
	}{
		{"default", "", "", []tensor.Spec{photo}, "RGB, NCHW, 8 x 8", "by default; --image sets it", ""},
		{"flag", "resize=pad", "", []tensor.Spec{row, photo}, "padded with black", "by --image", ""},
		{"file", "", file, []tensor.Spec{photo}, "x: BGR, NCHW, 8 x 8 (other sizes are resized and cropped at the center), FP32 from 0 to 255", "model-config.yaml", ""},
		{"both", "order=rgb", file, []tensor.Spec{photo}, "x: RGB, NCHW, 8 x 8 (other sizes are resized and cropped at the center), FP32 from 0 to 255", "by --image", ""},
		{"no image", "", "", []tensor.Spec{row}, "", "", ""},
		{"no image, flag", "resize=pad", "", []tensor.Spec{row}, "", "", "--image: no input is an image that it describes: r FP32 [4]"},
		{"no image, file", "", file, []tensor.Spec{row}, "", "", "model-config.yaml: handler: image: no input is an image of layout nchw or nhwc"},
		{"wrong flag", "resize=fit", "", []tensor.Spec{photo}, "", "", `--image: resize: "fit" is not one of crop, stretch, pad`},
		{"wrong value", "", "handler:\n  image:\n    order: gbr\n", []tensor.Spec{photo}, "", "", `model-config.yaml:3: handler: image: order: "gbr" is not one of rgb, bgr`},
		{"wrong for the input", "normalize=imagenet", "", []tensor.Spec{{Name: "u", Type: tensor.Uint8, Shape: []int64{3, 8, 8}}}, "", "", `--image: input "u": UINT8 cannot be normalized`},
	} {
		var said strings.Builder
		m := imageModel(t, tt.config, tt.inputs...)
		f := bodyFlags{image: tt.flag}
		err := f.setImages([]*engine.Model{m}, slog.New(slog.NewTextHandler(&said, nil)))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || !strings.Contains(said.String(), tt.becomes) || !strings.Contains(said.String(), tt.from) || strings.Count(said.String(), "\n") > 1 {
			t.Errorf("%s: %v, said %q, want %q and %q", tt.name, err, said.String(), tt.becomes, tt.from)
		}
		if h, ok := m.Handler.(*handler.Tensors); ok != (tt.flag+tt.config != "") || ok && h.Images.IsZero() {
			t.Errorf("%s: handler %v", tt.name, m.Handler)
		}
	}
}

// Of several models, one that takes images is enough for the flag.
func TestSetImagesOfSeveral(t *testing.T) {
	photo := imageModel(t, "", tensor.Spec{Name: "x", Type: tensor.Float32, Shape: []int64{3, 8, 8}})
	row := imageModel(t, "", tensor.Spec{Name: "r", Type: tensor.Float32, Shape: []int64{4}})
	f := bodyFlags{image: "order=bgr"}
	if err := f.setImages([]*engine.Model{row, photo}, slog.New(slog.DiscardHandler)); err != nil || photo.Handler == nil || row.Handler != nil {
		t.Errorf("%v, handlers %v and %v", err, photo.Handler, row.Handler)
	}
}

func TestSizeNote(t *testing.T) {
	if got := sizeNote(sweep.ModelInfo{LargestBody: 6553500}); got != "" {
		t.Errorf("within the default: %q", got)
	}
	if got, want := sizeNote(sweep.ModelInfo{LargestBody: 7000000}), "bodies of up to 7000000 bytes; TorchServe takes 6553500 by default, so exports set max_request_size"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
