package handler_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

func TestParts(t *testing.T) {
	twoParts := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=\"b\"; filename=\"f\"\r\nContent-Type: image/png\r\n\r\n2\r\n--x--\r\n"
	query := []payload.Part{{Name: "q", Data: []byte("0")}}
	for _, tt := range []struct {
		name string
		body payload.Body
		want []payload.Part
	}{
		{"a whole body", payload.Body{Type: "text/plain", Data: []byte("hi")}, []payload.Part{{Name: "body", Type: "text/plain", Data: []byte("hi")}}},
		{"no body", payload.Body{}, []payload.Part{{Name: "body"}}},
		{"a query", payload.Body{Data: []byte("hi"), Query: query}, []payload.Part{query[0], {Name: "body", Data: []byte("hi")}}},
		{"a form", payload.Body{Type: "multipart/form-data; boundary=x", Data: []byte(twoParts)}, []payload.Part{
			{Name: "a", Data: []byte("1")}, {Name: "b", Type: "image/png", Data: []byte("2")},
		}},
		{"an invalid type", payload.Body{Type: "what/ever;;", Data: []byte("hi")}, []payload.Part{{Name: "body", Type: "what/ever;;", Data: []byte("hi")}}},
	} {
		var r payload.Request
		if err := new(handler.Parts).Decode(&r, tt.body); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, r.Parts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if r.Rows() != 1 {
			t.Errorf("%s: %d rows", tt.name, r.Rows())
		}
	}
	encoded := payload.Body{Type: form, Data: []byte(part("Content-Transfer-Encoding: base64", "aGk="))}
	if err := new(handler.Parts).Decode(new(payload.Request), encoded); err == nil || !strings.Contains(err.Error(), `"base64" is not supported`) {
		t.Errorf("a part in base64: %v", err)
	}
	if err := new(handler.Parts).Initialize(t.Context(), []tensor.Spec{{Name: "x"}}, nil); err == nil {
		t.Error("a model with inputs accepts parts")
	}
}

// Several rows are answered as one array.
func TestTensorsOfSeveralRows(t *testing.T) {
	x := []tensor.Spec{{Name: "x", Type: tensor.Uint8, Shape: []int64{2}}}
	h := handler.NewTensors(x, x)
	item := func(a, b byte) tensor.Item {
		return tensor.Item{{Type: tensor.Uint8, Shape: []int64{2}, Data: []byte{a, b}}}
	}
	f, err := h.Negotiate("")
	if err != nil {
		t.Fatal(err)
	}
	body, err := h.Encode(nil, f, payload.Answer{Items: []tensor.Item{item(1, 2), item(3, 4)}})
	if err != nil || body.Type != handler.TypeJSON || string(body.Data) != "[[1,2],[3,4]]\n" {
		t.Errorf("%s %s, %v", body.Type, body.Data, err)
	}
}

func FuzzParts(f *testing.F) {
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n"))
	f.Add("text/plain", []byte("hi"))
	f.Add("multipart/form-data", []byte("--"))
	f.Fuzz(func(t *testing.T, media string, data []byte) {
		var r payload.Request
		if err := new(handler.Parts).Decode(&r, payload.Body{Type: media, Data: data}); err == nil && (r.Rows() != 1 || len(r.Parts) == 0) {
			t.Errorf("%q: %d rows, %d parts", media, r.Rows(), len(r.Parts))
		}
	})
}
