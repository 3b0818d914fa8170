package torchserve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// checkBody decodes a body with a handler. A row that is accepted fits the model, and the answer of it is JSON.
func checkBody(t *testing.T, name string, o torchserve.Options, in, out []tensor.Spec, outputs tensor.Item, media string, body []byte) {
	t.Helper()
	for e := torchserve.None; e <= torchserve.KServeV2; e++ {
		h := opened(t, name, o, e, in, out)
		b := payload.Body{Type: media, Data: body}
		if n := h.DecodedSize(b); n < 0 {
			t.Fatalf("%s behind %v: %d bytes are estimated", name, e, n)
		}
		var r payload.Request
		if h.Decode(&r, b) != nil {
			continue
		}
		answer := payload.Answer{State: r.State}
		for _, item := range r.Items {
			for i, s := range in {
				if err := s.Check(item[i]); err != nil {
					t.Fatalf("%s behind %v: %v", name, e, err)
				}
			}
			answer.Items = append(answer.Items, outputs)
		}
		text, err := h.Encode(nil, payload.Format(handler.JSON), answer)
		if err != nil {
			t.Fatalf("%s behind %v: %v", name, e, err)
		}
		if !json.Valid(text.Data) {
			t.Fatalf("%s behind %v: %s", name, e, text.Data)
		}
	}
}

func FuzzPictureHandlers(f *testing.F) {
	var asPNG, asJPEG bytes.Buffer
	img := image.NewRGBA(image.Rect(0, 0, 5, 3))
	if err := errors.Join(png.Encode(&asPNG, img), jpeg.Encode(&asJPEG, img, nil)); err != nil {
		f.Fatal(err)
	}
	f.Add("", asPNG.Bytes())
	f.Add("image/jpeg", asJPEG.Bytes())
	for _, text := range []string{`[[[1]]]`, `"iVBORw0KGgo="`, `{"instances":[{"b64":"/9j/"}]}`, `{"instances":[[[[1,2],[3,4]],[[1,2],[3,4]],[[1,2],[3,4]]]]}`, `{"inputs":[{"name":"x","datatype":"BYTES","data":["AA=="]}]}`} {
		f.Add("application/json", []byte(text))
	}
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nx\r\n--b--\r\n"))
	in := []tensor.Spec{spec("x", tensor.Float32, 3, 2, 2)}
	boxes := []tensor.Spec{spec("boxes", tensor.Float32, -1, 5), spec("labels", tensor.Int64, -1)}
	heat := []tensor.Spec{spec("heat", tensor.Float32, 1, 3, 3)}
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		checkBody(t, "image_classifier", torchserve.Options{}, in, scores, tensor.Item{float32s([]int64{3}, 1, 2, 3)}, media, body)
		checkBody(t, "detection_list", torchserve.Options{}, in, boxes, tensor.Item{float32s([]int64{1, 5}, 0, 1, 2, 2, 1), int64s(1)}, media, body)
		checkBody(t, "keypoint_list", torchserve.Options{}, in, heat, tensor.Item{float32s([]int64{1, 3, 3}, 1, 2, 3, 4, 5, 6, 7, 8, 9)}, media, body)
	})
}

func FuzzTextHandler(f *testing.F) {
	for _, c := range readReferences(f).Tokens[:12] {
		f.Add("text/plain", []byte(c.Text))
	}
	f.Add("application/json", []byte(`{"instances":["a b",{"data":"c"}]}`))
	v, err := torchserve.ParseVocabulary([]byte(`{"<unk>": 7}`))
	if err != nil {
		f.Fatal(err)
	}
	in := []tensor.Spec{spec("text", tensor.Int64, -1), spec("offsets", tensor.Int64, 1)}
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		checkBody(t, "text_classifier", torchserve.Options{Vocabulary: v}, in, scores, tensor.Item{float32s([]int64{3}, 1, 2, 3)}, media, body)
	})
}

func FuzzBaseHandler(f *testing.F) {
	f.Add("application/json", []byte(`{"instances":[[1,2]]}`))
	f.Add("", []byte("[1,2]"))
	in := []tensor.Spec{spec("x", tensor.Float32, 2)}
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		checkBody(t, "base_handler", torchserve.Options{}, in, in, tensor.Item{float32s([]int64{2}, 1, 2)}, media, body)
	})
}

func FuzzFiles(f *testing.F) {
	for _, text := range []string{`{"0": "cat", "1": ["n1", "dog"]}`, `{"object_type_names": ["a"]}`, `["<unk>", "the"]`, `{"the": 3}`, "PK\x03\x04"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, err := torchserve.ParseLabels(data); err == nil && l.Name(-1) == "" && l.Len() == 0 {
			t.Error("labels without names are accepted")
		}
		if v, err := torchserve.ParseVocabulary(data); err == nil {
			if id, ok := v.ID("the"); ok && id < 0 || v.Len() == 0 {
				t.Errorf("the id %d of %d", id, v.Len())
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("detection_list,threshold=0.25,envelope=kserve")
	f.Add("image_classifier,top_k=5")
	f.Fuzz(func(t *testing.T, text string) {
		var o torchserve.Options
		var e torchserve.Envelope
		if name, err := torchserve.Parse(text, &o, &e); err == nil && !torchserve.IsNamed(name) {
			t.Errorf("%q is a handler", name)
		}
	})
}
