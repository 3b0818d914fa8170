package torchserve_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/handler"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// references are what testdata/reference.py has written with the code of TorchServe, torchvision and PIL.
type references struct {
	Pictures []struct {
		File   string
		Crop   bool
		Every  int
		Values []float64
	}
	Classifier []struct {
		Logits []float32
		Labels *string
		TopK   int `json:"top_k"`
		Want   json.RawMessage
	}
	Segmenter []struct {
		Maps [][][]float32
		Want json.RawMessage
	}
	Detector []struct {
		Labels  string
		Boxes   [][]float32
		Classes []int64
		Scores  []float32
		Want    json.RawMessage
	}
	Text []struct {
		Logits []float32
		Labels string
		Want   json.RawMessage
	}
	Tokens []struct {
		Text         string
		Want, NGrams []string
	}
	Envelopes []struct {
		Envelope torchserve.Envelope
		Body     string
		Results  []json.RawMessage
		Want     json.RawMessage
	}
}

func readReferences(t testing.TB) references {
	t.Helper()
	data, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var r references
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func spec(name string, typ tensor.Type, shape ...int64) tensor.Spec {
	return tensor.Spec{Name: name, Type: typ, Shape: shape}
}

func float32s(shape []int64, v ...float32) tensor.Tensor {
	t := tensor.Tensor{Type: tensor.Float32, Shape: shape}
	for _, x := range v {
		t.Data = tensor.AppendFloat32(t.Data, x)
	}
	return t
}

func int64s(v ...int64) tensor.Tensor {
	t := tensor.Tensor{Type: tensor.Int64, Shape: []int64{int64(len(v))}}
	for _, x := range v {
		t.Data = tensor.AppendInt(t.Data, tensor.Int64, x)
	}
	return t
}

// named returns an initialized handler.
func named(t testing.TB, name string, o torchserve.Options, in, out []tensor.Spec) torchserve.Steps {
	t.Helper()
	s, err := torchserve.Named(name, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Initialize(in, out); err != nil {
		t.Fatal(err)
	}
	return s
}

func imageOptions(t testing.TB, text string) handler.ImageOptions {
	t.Helper()
	o, err := handler.ParseImageOptions(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// stepsFor returns the handler that makes the tensor of a picture.
func stepsFor(t testing.TB, crop bool, options string) torchserve.Steps {
	o := torchserve.Options{Images: imageOptions(t, options)}
	if crop {
		return named(t, "image_classifier", o, []tensor.Spec{spec("x", tensor.Float32, 3, 224, 224)}, []tensor.Spec{spec("y", tensor.Float32, 1000)})
	}
	return named(t, "object_detector", o, []tensor.Spec{spec("x", tensor.Float32, 3, -1, -1)},
		[]tensor.Spec{spec("boxes", tensor.Float32, -1, 4), spec("labels", tensor.Int64, -1), spec("scores", tensor.Float32, -1)})
}

func readPicture(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/pictures", file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Pixels are those of PIL and torchvision before the normalization, all of them.
func TestPixels(t *testing.T) {
	for _, c := range readReferences(t).Pictures {
		t.Run(c.File, func(t *testing.T) {
			item, _, err := stepsFor(t, c.Crop, "normalize=none").Preprocess(torchserve.Input{Data: readPicture(t, c.File)})
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(c.File, filepath.Ext(c.File))
			img, err := png.Decode(bytes.NewReader(readPicture(t, name+".want.png")))
			if err != nil {
				t.Fatal(err)
			}
			w, h := img.Bounds().Dx(), img.Bounds().Dy()
			if diff := cmp.Diff([]int64{3, int64(h), int64(w)}, item[0].Shape); diff != "" {
				t.Fatal(diff)
			}
			different, largest := 0, 0.0
			for y := range h {
				for x := range w {
					r, g, b, _ := img.At(x, y).RGBA()
					for channel, want := range []uint32{r >> 8, g >> 8, b >> 8} {
						if d := math.Abs(float64(tensor.Float32At(item[0].Data, (channel*h+y)*w+x)) - float64(want)); d > 0 {
							different, largest = different+1, max(largest, d)
						}
					}
				}
			}
			if different > 0 {
				t.Errorf("%d of %d numbers differ, by at most %v of 255", different, 3*w*h, largest)
			}
		})
	}
}

// The normalized tensors are those of the handlers in Python.
func TestNormalizedPixels(t *testing.T) {
	for _, c := range readReferences(t).Pictures {
		item, _, err := stepsFor(t, c.Crop, "").Preprocess(torchserve.Input{Data: readPicture(t, c.File)})
		if err != nil {
			t.Fatal(err)
		}
		const allowed = 1e-6
		for i, want := range c.Values {
			if got := float64(tensor.Float32At(item[0].Data, i*c.Every)); math.Abs(got-want) > allowed {
				t.Fatalf("%s: number %d is %v, want %v", c.File, i*c.Every, got, want)
			}
		}
	}
}

// sameJSON compares JSON, numbers within a millionth, members of objects also by their order.
func sameJSON(t *testing.T, got []byte, want json.RawMessage) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g, cmpopts.EquateApprox(1e-6, 1e-7)); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
	if diff := cmp.Diff(keys(t, want), keys(t, got)); diff != "" {
		t.Errorf("order: -want +got: %s", diff)
	}
}

// keys returns all strings of a JSON text in their order.
func keys(t *testing.T, text []byte) []string {
	t.Helper()
	var out []string
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.Token()
		if err != nil {
			return out
		}
		if s, ok := token.(string); ok {
			out = append(out, s)
		}
	}
}

func labels(t testing.TB, text string) torchserve.Labels {
	t.Helper()
	l, err := torchserve.ParseLabels([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var photo = []tensor.Spec{spec("x", tensor.Float32, 3, 224, 224)}

func postprocess(t *testing.T, s torchserve.Steps, out tensor.Item) []byte {
	t.Helper()
	text, err := s.Postprocess(nil, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestClassifierAnswers(t *testing.T) {
	for _, c := range readReferences(t).Classifier {
		o := torchserve.Options{TopK: c.TopK}
		if c.Labels != nil {
			o.Labels = labels(t, *c.Labels)
		}
		shape := []int64{int64(len(c.Logits))}
		s := named(t, "image_classifier", o, photo, []tensor.Spec{spec("y", tensor.Float32, shape...)})
		sameJSON(t, postprocess(t, s, tensor.Item{float32s(shape, c.Logits...)}), c.Want)
	}
}

func TestSegmenterAnswers(t *testing.T) {
	for _, c := range readReferences(t).Segmenter {
		shape := []int64{int64(len(c.Maps)), int64(len(c.Maps[0])), int64(len(c.Maps[0][0]))}
		var v []float32
		for _, rows := range c.Maps {
			for _, row := range rows {
				v = append(v, row...)
			}
		}
		s := named(t, "image_segmenter", torchserve.Options{}, photo, []tensor.Spec{spec("aux", tensor.Float32, shape...), spec("out", tensor.Float32, shape...)})
		sameJSON(t, postprocess(t, s, tensor.Item{float32s(shape, make([]float32, len(v))...), float32s(shape, v...)}), c.Want)
	}
}

func TestDetectorAnswers(t *testing.T) {
	for _, c := range readReferences(t).Detector {
		s := named(t, "object_detector", torchserve.Options{Labels: labels(t, c.Labels)}, photo,
			[]tensor.Spec{spec("boxes", tensor.Float32, -1, 4), spec("labels", tensor.Int64, -1), spec("scores", tensor.Float32, -1)})
		var boxes []float32
		for _, b := range c.Boxes {
			boxes = append(boxes, b...)
		}
		n := int64(len(c.Boxes))
		sameJSON(t, postprocess(t, s, tensor.Item{float32s([]int64{n, 4}, boxes...), int64s(c.Classes...), float32s([]int64{n}, c.Scores...)}), c.Want)
	}
}

func TestTextAnswers(t *testing.T) {
	v, err := torchserve.ParseVocabulary([]byte(`["<unk>"]`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range readReferences(t).Text {
		for _, shape := range [][]int64{{4}, {1, 4}} {
			s := named(t, "text_classifier", torchserve.Options{Labels: labels(t, c.Labels), Vocabulary: v},
				[]tensor.Spec{spec("text", tensor.Int64, -1)}, []tensor.Spec{spec("y", tensor.Float32, shape...)})
			sameJSON(t, postprocess(t, s, tensor.Item{float32s(shape, c.Logits...)}), c.Want)
		}
	}
}

func TestTokens(t *testing.T) {
	for _, c := range readReferences(t).Tokens {
		if diff := cmp.Diff(c.Want, torchserve.Tokens(c.Text), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q: -want +got: %s", c.Text, diff)
		}
	}
}

// echo answers with what the test says.
type echo struct {
	torchserve.Base
	results []json.RawMessage
	rows    int
}

func (e *echo) Preprocess(in torchserve.Input) (tensor.Item, any, error) {
	item, _, err := e.Base.Preprocess(in)
	e.rows++
	return item, e.rows - 1, err
}

func (e *echo) Postprocess(dst []byte, _ tensor.Item, state any) ([]byte, error) {
	return append(dst, e.results[state.(int)]...), nil
}

func TestEnvelopeAnswers(t *testing.T) {
	for _, c := range readReferences(t).Envelopes {
		h := torchserve.New(&echo{results: c.Results}, torchserve.Config{Envelope: c.Envelope, Model: "net", Version: "1.0"})
		if err := h.Initialize(t.Context(), []tensor.Spec{spec("x", tensor.Float32, 2)}, []tensor.Spec{spec("y", tensor.Float32, 2)}); err != nil {
			t.Fatal(err)
		}
		var r payload.Request
		if err := h.Decode(&r, payload.Body{Type: handler.TypeJSON, Data: []byte(c.Body)}); err != nil {
			t.Errorf("%v %s: %v", c.Envelope, c.Body, err)
			continue
		}
		if len(r.Items) != len(c.Results) {
			t.Errorf("%v %s: %d rows, want %d", c.Envelope, c.Body, len(r.Items), len(c.Results))
			continue
		}
		body, err := h.Encode(nil, payload.Format(handler.JSON), payload.Answer{Items: r.Items, State: r.State})
		if err != nil {
			t.Errorf("%v %s: %v", c.Envelope, c.Body, err)
			continue
		}
		sameJSON(t, body.Data, withoutMadeID(t, c.Want))
	}
}

// withoutMadeID removes the id that TorchServe makes for a request without one.
func withoutMadeID(t *testing.T, want json.RawMessage) json.RawMessage {
	t.Helper()
	return json.RawMessage(strings.Replace(string(want), `"id": "made", `, "", 1))
}
