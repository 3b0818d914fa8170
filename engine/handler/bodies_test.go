package handler_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

var models = map[string][]tensor.Spec{
	"mlp":   {spec("x", tensor.Float32, 2048)},
	"image": photo,
	"open":  {spec("x", tensor.Float32, -1, 16)},
	"encoder": {
		bounded(spec("input_ids", tensor.Int64, 128), 0, 30521),
		bounded(spec("attention_mask", tensor.Int64, 128), 0, 1),
		spec("token_type_ids", tensor.Int64, 128),
	},
	"open encoder": text,
}

func TestBodiesDecodeToSamples(t *testing.T) {
	for name, inputs := range models {
		rng := rand.New(rand.NewPCG(7, 0))
		for i, b := range handler.Bodies(inputs, 3, 7) {
			got, err := handler.Decode(b.Type, b.Data, inputs)
			if err != nil {
				t.Fatalf("%s: body %d: %v", name, i, err)
			}
			if diff := cmp.Diff(tensor.SampleItem(inputs, rng), got, cmp.Comparer(bytes.Equal)); diff != "" {
				t.Errorf("%s: body %d: -want +got\n%s", name, i, diff)
			}
		}
	}
}

func TestDescribe(t *testing.T) {
	check := func(inputs []tensor.Spec, want string) {
		t.Helper()
		if got := handler.Describe(inputs); got != want {
			t.Errorf("Describe = %q\nwant       %q", got, want)
		}
	}
	check(models["mlp"], "x FP32 [2048]: normal(0,1), sent as application/octet-stream, 8192 bytes")
	check(photo, "pixels FP32 [3 224 224]: uniform 0 to 1, sent as application/octet-stream, 602112 bytes")
	check(models["open"], "x FP32 [-1 16]: normal(0,1), sent as application/octet-stream")
	check([]tensor.Spec{spec("n", tensor.Int32, 8)}, "n INT32 [8]: 0 or 1, sent as application/octet-stream, 32 bytes")
	check([]tensor.Spec{spec("n", tensor.Uint8, 64, 64, 3)}, "n UINT8 [64 64 3]: uniform 0 to 255, sent as application/octet-stream, 12288 bytes")
	check(models["encoder"], "input_ids INT64 [128]: uniform 0 to 30521; attention_mask INT64 [128]: all 1; "+
		"token_type_ids INT64 [128]: all 0, sent as multipart/form-data, 3514 bytes")
}
