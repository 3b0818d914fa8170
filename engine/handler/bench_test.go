package handler_test

import (
	"encoding/json"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

func benchDecode(b *testing.B, media string, body []byte, inputs []tensor.Spec) {
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := handler.Decode(media, body, inputs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRaw(b *testing.B) {
	body := handler.Bodies(models["mlp"], 1, 1)[0]
	benchDecode(b, body.Type, body.Data, models["mlp"])
}

func BenchmarkDecodeForm(b *testing.B) {
	body := handler.Bodies(models["encoder"], 1, 1)[0]
	benchDecode(b, body.Type, body.Data, models["encoder"])
}

func BenchmarkDecodeImage(b *testing.B) {
	benchDecode(b, "image/jpeg", encoded(b, halves(640, 480), true), photo)
}

// jsonBody encodes the 2048 floats of one request as JSON.
func jsonBody(b *testing.B) []byte {
	body := handler.Bodies(models["mlp"], 1, 1)[0]
	item, err := handler.Decode(body.Type, body.Data, models["mlp"])
	if err != nil {
		b.Fatal(err)
	}
	text, err := handler.Encode(nil, handler.JSON, models["mlp"], item)
	if err != nil {
		b.Fatal(err)
	}
	return text.Data
}

func BenchmarkDecodeJSON(b *testing.B) {
	benchDecode(b, "application/json", jsonBody(b), models["mlp"])
}

// encoding/json, to compare with Decode.
func BenchmarkStandardJSON(b *testing.B) {
	body := jsonBody(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		out := make([]float32, 0, 2048)
		if err := json.Unmarshal(body, &out); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeJSON(b *testing.B) {
	item := tensor.Item{value(tensor.Float32, handler.Bodies(models["mlp"], 1, 1)[0].Data, 2048)}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		text, _ := handler.Encode(dst[:0], handler.JSON, models["mlp"], item)
		dst = text.Data
	}
}
