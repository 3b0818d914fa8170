package torchserve_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"mime/multipart"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/handler"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// opened returns an initialized engine handler.
func opened(t testing.TB, name string, o torchserve.Options, e torchserve.Envelope, in, out []tensor.Spec) *torchserve.Handler {
	t.Helper()
	s, err := torchserve.Named(name, o)
	if err != nil {
		t.Fatal(err)
	}
	h := torchserve.New(s, torchserve.Config{Envelope: e, Model: "m", Version: "1.0"})
	if err := h.Initialize(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	return h
}

func form(t testing.TB, name string, data []byte) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(name, name)
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

var scores = []tensor.Spec{spec("y", tensor.Float32, 3)}

// A picture arrives as a body, in a form, in base64 and in instances, and always becomes the same row.
func TestWaysOfAPicture(t *testing.T) {
	file := readPicture(t, "small.png")
	text := base64.StdEncoding.EncodeToString(file)
	formType, formBody := form(t, "data", file)
	want, _, err := stepsFor(t, true, "").Preprocess(torchserve.Input{Data: file})
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := handler.Encode(nil, handler.JSON, photo, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		envelope torchserve.Envelope
		media    string
		body     []byte
	}{
		{"body", torchserve.None, "image/png", file},
		{"body without a type", torchserve.None, "", file},
		{"form", torchserve.None, formType, formBody},
		{"form behind the envelope body", torchserve.Body, formType, formBody},
		{"base64", torchserve.None, "text/plain", []byte(text)},
		{"JSON string", torchserve.None, "application/json", []byte(`"` + text + `"`)},
		{"numbers", torchserve.None, "application/json", numbers.Data},
		{"the bytes of numbers", torchserve.None, "application/octet-stream", want[0].Data},
		{"instance with b64", torchserve.JSON, "application/json", []byte(`{"instances":[{"b64":"` + text + `"}]}`)},
		{"instance with data", torchserve.KServe, "application/json", []byte(`{"instances":[{"data":"` + text + `"}]}`)},
		{"instance with data with b64", torchserve.KServe, "application/json", []byte(`{"instances":[{"data":{"b64":"` + text + `"}}]}`)},
		{"input of OIP", torchserve.KServeV2, "application/json", []byte(`{"inputs":[{"name":"x","shape":[-1],"datatype":"BYTES","data":["` + text + `"]}]}`)},
	} {
		h := opened(t, "image_classifier", torchserve.Options{}, tt.envelope, photo, scores)
		var r payload.Request
		b := payload.Body{Type: tt.media, Data: tt.body}
		if err := h.Decode(&r, b); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if len(r.Items) != 1 || !bytes.Equal(r.Items[0][0].Data, want[0].Data) {
			t.Errorf("%s: another row", tt.name)
		}
		if least := int64(len(want[0].Data)); h.DecodedSize(b) < least && tt.name != "the bytes of numbers" {
			t.Errorf("%s: estimated %d bytes, and the row has %d", tt.name, h.DecodedSize(b), least)
		}
	}
}

func TestErrorsOfRequests(t *testing.T) {
	formType, formBody := form(t, "picture", []byte("x"))
	for _, tt := range []struct {
		name, handler string
		envelope      torchserve.Envelope
		media, body   string
		want          string
	}{
		{"no picture", "image_classifier", torchserve.None, "", "GIF89a", "neither a JPEG or PNG file nor base64"},
		{"cut off", "image_classifier", torchserve.None, "image/png", "\x89PNG\r\n\x1a\n....", "image: "},
		{"nothing", "image_classifier", torchserve.None, "", "", "empty body"},
		{"another part", "image_classifier", torchserve.None, formType, string(formBody), `only "picture"`},
		{"too few numbers", "image_classifier", torchserve.None, "application/json", "[[1]]", "shape"},
		{"bad base64", "image_classifier", torchserve.None, "application/json", `"%%"`, "base64"},
		{"bad base64 of a picture", "image_classifier", torchserve.None, "", "/9j/%%", "base64"},
		{"no instances", "image_classifier", torchserve.JSON, "application/json", "{}", "0 instances"},
		{"instances are no list", "image_classifier", torchserve.KServe, "application/json", `{"instances": 1}`, "JSON"},
		{"second instance", "image_classifier", torchserve.KServe, "application/json", `{"instances": [{"b64": "` + base64.StdEncoding.EncodeToString(readPicture(t, "small.png")) + `"}, {"data": "AAAA"}]}`, "instance 1: "},
		{"instance without data", "image_classifier", torchserve.KServe, "application/json", `{"instances": [{"x": 1}]}`, "instance 0: the object has none of the members"},
		{"no inputs", "image_classifier", torchserve.KServeV2, "application/json", `{"inputs": []}`, "0 inputs"},
		{"no string", "image_classifier", torchserve.KServeV2, "application/json", `{"inputs": [{"name": "x", "datatype": "BYTES", "data": [], "shape": [0]}]}`, "not a list with a string"},
		{"numbers for a text", "text_classifier", torchserve.None, "application/json", "[1]", "the input is not a text"},
		{"no UTF-8", "text_classifier", torchserve.None, "", "\xff", "not UTF-8"},
		{"no UTF-8 in JSON", "text_classifier", torchserve.None, "application/json", "\"cat\xff\"", "not UTF-8"},
		{"half a character in JSON", "text_classifier", torchserve.KServe, "application/json", `{"instances": ["cat", "\ud800"]}`, `instance 1: JSON, byte 8: a string has \ud800`},
		{"an envelope that is not UTF-8", "text_classifier", torchserve.KServe, "application/json", "{\"instances\": [\"cat\xff\"]}", "JSON: it is not UTF-8"},
		{"another charset", "text_classifier", torchserve.None, "text/plain; charset=iso-8859-1", "cat \xc3\xa4", `charset "iso-8859-1" is not supported`},
		{"no words", "text_classifier", torchserve.None, "", "<b>!</b>", "no words"},
		{"unknown word", "text_classifier", torchserve.None, "", "cat fish", `"fish" is not in the vocabulary`},
		{"numbers for base_handler", "base_handler", torchserve.JSON, "application/json", `{"instances": [["a"]]}`, "input"},
	} {
		v, err := torchserve.ParseVocabulary([]byte(`{"cat": 0, "dog": 1, "cat dog": 2}`))
		if err != nil {
			t.Fatal(err)
		}
		in := photo
		if tt.handler == "text_classifier" {
			in = []tensor.Spec{spec("text", tensor.Int64, -1)}
		}
		h := opened(t, tt.handler, torchserve.Options{Vocabulary: v}, tt.envelope, in, scores)
		var r payload.Request
		if err := h.Decode(&r, payload.Body{Type: tt.media, Data: []byte(tt.body)}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// The row of a text has the ids of its words and of its pairs of words; a second input gets the offsets.
func TestRowOfText(t *testing.T) {
	v, err := torchserve.ParseVocabulary([]byte(`["<unk>", "cat", "cat dog", "dog"]`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		in   []tensor.Spec
		want [][]float64
	}{
		{[]tensor.Spec{spec("text", tensor.Int64, -1)}, [][]float64{{1, 3, 0, 2, 0}}},
		{[]tensor.Spec{spec("text", tensor.Int32, -1), spec("offsets", tensor.Int64, 1)}, [][]float64{{1, 3, 0, 2, 0}, {0}}},
		{[]tensor.Spec{spec("text", tensor.Int64, 5), spec("offsets", tensor.Int64)}, [][]float64{{1, 3, 0, 2, 0}, {0}}},
	} {
		s := named(t, "text_classifier", torchserve.Options{Vocabulary: v}, tt.in, scores)
		row, state, err := s.Preprocess(torchserve.Input{Data: []byte("Cat, DOG fish!")})
		if err != nil {
			t.Error(err)
			continue
		}
		for i, want := range tt.want {
			if err := tt.in[i].Check(row[i]); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, row[i].Numbers()); diff != "" {
				t.Errorf("%v: %s", tt.in, diff)
			}
		}
		if diff := cmp.Diff([]string{"cat", "dog", "fish"}, torchserve.Words(state)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestVocabularies(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a vocabulary of PyTorch", "PK\x03\x04...", "vocab.json"},
		{"an old one of PyTorch", "\x80\x02}q", "export it once"},
		{"empty", "{}", "no tokens"},
		{"no JSON", "the", "write"},
		{"no number", `{"a": "b"}`, "write"},
		{"a negative id", `{"a": -1}`, "ids are 0 or more"},
	} {
		if _, err := torchserve.ParseVocabulary([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, tt := range []struct {
		text string
		name string // of class 1
		err  string
	}{
		{`{"0": "cat", "1": "dog"}`, "dog", ""},
		{`{"1": ["n02", "dog"], "x": "y"}`, "dog", ""},
		{`{"object_type_names": ["cat", "dog"]}`, "dog", ""},
		{`{"0": "cat"}`, "1", ""},
		{`{"01": "cat", "0": "x"}`, "1", ""},
		{`["cat"]`, "", "write an object"},
		{`{"0": 1}`, "", `class "0": 1 is neither`},
		{`{"0": []}`, "", `class "0"`},
		{`{"a": "b"}`, "", "no class has a number"},
	} {
		l, err := torchserve.ParseLabels([]byte(tt.text))
		switch {
		case tt.err == "" && (err != nil || l.Name(1) != tt.name):
			t.Errorf("%s: %q, %v, want %q", tt.text, l.Name(1), err, tt.name)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v, want %q", tt.text, err, tt.err)
		}
	}
}

func TestParse(t *testing.T) {
	var o torchserve.Options
	var e torchserve.Envelope
	name, err := torchserve.Parse("detection_list,threshold=0.25,top_k=3,ngrams=1,envelope=kserve", &o, &e)
	if err != nil || name != "detection_list" || *o.Threshold != 0.25 || o.TopK != 3 || o.NGrams != 1 || e != torchserve.KServe {
		t.Errorf("Parse = %s, %v, %+v, %v", name, err, o, e)
	}
	for text, want := range map[string]string{
		"":                             "there is no handler",
		"image-classifier":             "there is image_classifier",
		"image_classifier,k=5":         `"k=5" is not an option`,
		"image_classifier,top_k=0":     "top_k: ",
		"object_detector,threshold=a":  "threshold: ",
		"base_handler,envelope=kubef":  "envelope: ",
		"image_classifier,threshold=,": "threshold: ",
	} {
		if _, err := torchserve.Parse(text, &o, &e); err == nil || !strings.Contains(fmt.Sprint("there is ", err), want) && !strings.Contains(err.Error(), strings.TrimPrefix(want, "there is ")) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A handler that does not fit a model says what it reads.
func TestHandlersThatDoNotFit(t *testing.T) {
	numbers, ids := []tensor.Spec{spec("x", tensor.Float32, 5)}, []tensor.Spec{spec("ids", tensor.Int64, -1)}
	for _, tt := range []struct {
		name    string
		in, out []tensor.Spec
		want    string
	}{
		{"image_classifier", numbers, scores, "is no picture"},
		{"image_classifier", append(photo[:1:1], numbers...), scores, "takes 2 inputs"},
		{"image_classifier", photo, []tensor.Spec{spec("y", tensor.Float32, 3, 4)}, "one number for each class"},
		{"image_segmenter", photo, scores, "classes, rows and columns"},
		{"object_detector", photo, scores, "no output has boxes"},
		{"object_detector", photo, []tensor.Spec{spec("dets", tensor.Float32, -1, 5)}, "labels of the boxes"},
		{"detection_list", photo, []tensor.Spec{spec("boxes", tensor.Float32, -1, 4)}, "scores of the boxes"},
		{"keypoint_list", photo, scores, "heat map"},
		{"text_classifier", ids, scores, "vocabulary"},
	} {
		s, err := torchserve.Named(tt.name, torchserve.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Initialize(tt.in, tt.out); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Boxes and points are in pixels of the picture, however it was resized.
func TestPositions(t *testing.T) {
	in := []tensor.Spec{spec("x", tensor.Float32, 3, 100, 200)}
	file := readPicture(t, "wide.png") // 400 x 300
	boxes := []tensor.Spec{spec("dets", tensor.Float32, -1, 5)}
	found := tensor.Item{float32s([]int64{3, 5}, 50, 25, 100, 50, .6, 0, 0, 1, 1, .4, -10, 50, 250, 100, .9)}
	// keypoint_list makes 133 x 100 of the picture, with 33 black columns before it and 34 behind it.
	heat := make([]float32, 2*25*50)
	heat[10*50+20] = 2
	heat[10*50+21], heat[9*50+20] = 1, .5
	heat[25*50] = 3 // at the corner: not moved
	const scaleX = 133. / 400
	for _, tt := range []struct {
		handler string
		out     []tensor.Spec
		item    tensor.Item
		want    string
	}{
		{
			"detection_list", boxes, found,
			`[{"bbox": [0, 150, 400, 300], "score": 0.9}, {"bbox": [100, 75, 200, 150], "score": 0.6}]`,
		},
		{
			"keypoint_list",
			[]tensor.Spec{spec("heatmaps", tensor.Float32, 2, 25, 50)},
			tensor.Item{float32s([]int64{2, 25, 50}, heat...)},
			fmt.Sprintf(`[{"keypoints": [[%v, %v, 2], [%v, 0, 3]]}]`, (20.25*4-33)/scaleX, 9.75*4*3, -33/scaleX),
		},
		{
			"keypoint_list",
			[]tensor.Spec{spec("kpts", tensor.Float32, 1, 2)},
			tensor.Item{float32s([]int64{1, 2}, 166, 50)},
			`[{"keypoints": [[400, 150]]}]`,
		},
	} {
		s := named(t, tt.handler, torchserve.Options{}, in, tt.out)
		_, state, err := s.Preprocess(torchserve.Input{Data: file})
		if err != nil {
			t.Error(err)
			continue
		}
		text, err := s.Postprocess(nil, tt.item, state)
		if err != nil {
			t.Error(err)
			continue
		}
		sameJSON(t, text, json.RawMessage(tt.want))
	}
}

// Outputs that are no JSON numbers, and those of a model that breaks its word, are no panic.
func TestOddOutputs(t *testing.T) {
	s := named(t, "image_classifier", torchserve.Options{}, photo, scores)
	nan := float32(math.NaN())
	if text := string(postprocess(t, s, tensor.Item{float32s([]int64{3}, nan, 1, 2)})); !json.Valid([]byte(text)) || !strings.Contains(text, `"NaN"`) {
		t.Errorf("the answer is %s", text)
	}
	for _, out := range []tensor.Item{{float32s([]int64{2, 2}, 1, 2, 3, 4)}, {{Type: tensor.Float32, Shape: []int64{5}}}, {{}}} {
		if _, err := s.Postprocess(nil, out, nil); err == nil {
			t.Errorf("%v is accepted", out)
		}
	}
	h := opened(t, "image_classifier", torchserve.Options{}, torchserve.None, photo, scores)
	if _, err := h.Encode(nil, payload.Format(handler.JSON), payload.Answer{Items: []tensor.Item{{float32s([]int64{3}, 1, 2, 3)}}}); err == nil {
		t.Error("an answer without its request is encoded")
	}
	raw, err := h.Encode(nil, payload.Format(handler.Raw), payload.Answer{Items: []tensor.Item{{float32s([]int64{3}, 1, 2, 3)}}})
	if err != nil || len(raw.Data) != 12 {
		t.Errorf("as bytes: %v, %v", raw, err)
	}
}

// An input of any size becomes 224 x 224, as in TorchServe. Inputs that may be left out are, and gray ones have the usual resizing of
// the handler too.
func TestOtherInputs(t *testing.T) {
	file := torchserve.Input{Data: readPicture(t, "small.png")}
	want, _, err := stepsFor(t, true, "").Preprocess(file)
	if err != nil {
		t.Fatal(err)
	}
	optional := spec("scale", tensor.Float32, 1)
	optional.Optional = true
	open := named(t, "image_classifier", torchserve.Options{}, []tensor.Spec{spec("x", tensor.Float32, 3, -1, -1), optional}, scores)
	got, _, err := open.Preprocess(file)
	if err != nil || len(got) != 2 || !got[1].IsZero() {
		t.Fatalf("%d inputs, %v", len(got), err)
	}
	if !reflect.DeepEqual(want[0], got[0]) {
		t.Error("an input of any size gets other pixels")
	}
	gray := named(t, "keypoint_list", torchserve.Options{}, []tensor.Spec{spec("x", tensor.Uint8, 1, 10, 100)}, []tensor.Spec{spec("heat", tensor.Float32, 1, 5, 5)})
	row, _, err := gray.Preprocess(file)
	if err != nil || row[0].Data[0] != 0 || row[0].Data[50] == 0 {
		t.Errorf("a gray picture is not padded: %v", err)
	}
	h := opened(t, "image_classifier", torchserve.Options{}, torchserve.KServe, photo, scores)
	inputs, err := h.Inputs(payload.Body{Type: "application/json", Data: []byte(`{"instances": ["a", {"data": [1]}]}`)})
	if diff := cmp.Diff([]torchserve.Input{{Data: []byte(`"a"`), JSON: true}, {Data: []byte("[1]"), JSON: true}}, inputs); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
