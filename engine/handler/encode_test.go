package handler_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

func TestEncode(t *testing.T) {
	two := []tensor.Spec{spec("boxes", tensor.Float32, -1, 2), spec("labels", tensor.Int64, -1)}
	item := tensor.Item{
		value(tensor.Float32, floats(1, 2.5, 1e-7, 3e30), 2, 2),
		value(tensor.Int64, longs(-1, 7), 2),
	}
	none := tensor.Item{value(tensor.Float32, nil, 0, 2), value(tensor.Int64, nil, 0)}
	tests := []struct {
		name    string
		format  handler.Format
		outputs []tensor.Spec
		item    tensor.Item
		body    string
		media   string
	}{
		{"one", handler.JSON, two[1:], item[1:], "[-1,7]\n", "application/json"},
		{"nested", handler.JSON, two[:1], item[:1], "[[1,2.5],[1e-07,3e+30]]\n", "application/json"},
		{"several", handler.JSON, two, item, `{"boxes": [[1,2.5],[1e-07,3e+30]], "labels": [-1,7]}` + "\n", "application/json"},
		{"empty outputs", handler.JSON, two, none, `{"boxes": [], "labels": []}` + "\n", "application/json"},
		{"inner axis of 0", handler.JSON, one, tensor.Item{value(tensor.Float32, nil, 1<<40, 0)}, "[]\n", "application/json"},
		{"scalar", handler.JSON, one, tensor.Item{value(tensor.Float32, floats(0.1))}, "0.1\n", "application/json"},
		{"not finite", handler.JSON, one, tensor.Item{value(tensor.Float32, floats(float32(math.NaN()), float32(math.Inf(1))), 2)}, `["NaN","Infinity"]` + "\n", "application/json"},
		{"not finite, other types", handler.JSON, two[:1], tensor.Item{value(tensor.Float64, longs(math.MinInt64|0x7ff<<52), 1)}, `["-Infinity"]` + "\n", "application/json"},
		{"not finite, half", handler.JSON, two[:1], tensor.Item{value(tensor.Float16, []byte{0, 0x7c, 0, 0xfc, 1, 0x7e}, 3)}, `["Infinity","-Infinity","NaN"]` + "\n", "application/json"},
		{"bool", handler.JSON, one, tensor.Item{value(tensor.Bool, []byte{1, 0}, 2)}, "[true,false]\n", "application/json"},
		{"unsigned", handler.JSON, one, tensor.Item{value(tensor.Uint64, longs(-1), 1)}, "[18446744073709551615]\n", "application/json"},
		{"half", handler.JSON, one, tensor.Item{value(tensor.Float16, []byte{0, 0x3c}, 1)}, "[1]\n", "application/json"},
		{"binary", handler.Binary, two, item, `{"outputs": [{"name": "boxes", "datatype": "FP32", "shape": [2,2], "parameters": {"binary_data_size": 16}}, ` +
			`{"name": "labels", "datatype": "INT64", "shape": [2], "parameters": {"binary_data_size": 16}}]}` + string(item[0].Data) + string(item[1].Data), "application/octet-stream"},
		{"raw", handler.Raw, grid, item[:1], string(item[0].Data), "application/octet-stream"},
		{"raw open", handler.Raw, two[:1], item[:1], string(item[0].Data), "application/octet-stream; shape=2x2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := handler.Encode([]byte("before "), tt.format, tt.outputs, tt.item)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := string(body.Data), "before "+tt.body; got != want {
				t.Errorf("body = %q, want %q", got, want)
			}
			if body.Type != tt.media {
				t.Errorf("content type = %q, want %q", body.Type, tt.media)
			}
			length := len(tt.body)
			if tt.format == handler.Binary {
				length = strings.Index(tt.body, "]}") + len("]}")
				if want := []payload.Field{{Name: "Inference-Header-Content-Length", Value: strconv.Itoa(length)}}; !slices.Equal(body.Header, want) {
					t.Errorf("header = %v, want %v", body.Header, want)
				}
			}
			if tt.format != handler.Raw && !json.Valid([]byte(tt.body[:length])) {
				t.Errorf("body is not JSON: %s", tt.body)
			}
		})
	}
}

func TestEncodeErrors(t *testing.T) {
	for _, item := range []tensor.Item{
		{},
		{value(tensor.Float32, floats(1), 2)},
		{value(tensor.Float32, floats(1), -1)},
		{{Shape: []int64{1}}},
	} {
		if _, err := handler.Encode(nil, handler.JSON, one, item); err == nil {
			t.Errorf("Encode(%v) succeeded, want an error", item)
		}
	}
}

func TestNegotiate(t *testing.T) {
	two := text
	tests := []struct {
		accept  string
		outputs []tensor.Spec
		want    handler.Format
		text    string // of the error
	}{
		{"", one, handler.JSON, ""},
		{"*/*", one, handler.JSON, ""},
		{"application/json", one, handler.JSON, ""},
		{"application/octet-stream", one, handler.Raw, ""},
		{"Application/Octet-Stream;q=0.5", one, handler.Raw, ""},
		{"application/octet-stream, */*", one, handler.Raw, ""},
		{"*/*, application/octet-stream", one, handler.Raw, ""},
		{"application/octet-stream, application/json", one, handler.Raw, ""},
		{"application/json, application/octet-stream", one, handler.JSON, ""},
		{"application/json;q=0.2, application/octet-stream;q=0.9", one, handler.Raw, ""},
		{"application/octet-stream;q=0, application/json", one, handler.JSON, ""},
		{"text/html, application/xhtml+xml, */*;q=0.8", one, handler.JSON, ""},
		{"application/octet-stream, application/json", two, handler.Binary, ""},
		{"application/octet-stream", two, handler.Binary, ""},
		{"application/json, application/octet-stream", two, handler.JSON, ""},
		{"text/plain", one, 0, `"text/plain"; accept application/json or application/octet-stream`},
		{"application/json;q=x", one, 0, `"application/json;q=x"; accept application/json or application/octet-stream`},
	}
	for _, tt := range tests {
		got, err := handler.Negotiate(tt.accept, tt.outputs)
		if tt.text != "" {
			if !errors.Is(err, handler.ErrNotAcceptable) || !strings.HasSuffix(err.Error(), tt.text) {
				t.Errorf("Negotiate(%q, %d outputs) = %v, want %q", tt.accept, len(tt.outputs), err, tt.text)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("Negotiate(%q, %d outputs) = %d, %v, want %d", tt.accept, len(tt.outputs), got, err, tt.want)
		}
	}
}
