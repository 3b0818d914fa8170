package oip_test

import (
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/oip"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// wide is a row of 2048 FP32, with the numbers of a normal distribution as JSON has them.
func wide() tensor.Tensor {
	t := tensor.Tensor{Type: tensor.Float32, Shape: []int64{1, 2048}}
	for i := range 2048 {
		t.Data = tensor.AppendFloat32(t.Data, float32(i*7919%2048)/703-1.45)
	}
	return t
}

func wideSpec() []tensor.Spec {
	return []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{2048}}}
}

// BenchmarkDecode decodes a row: JSON and binary, and for comparison the JSON of /predictions.
func BenchmarkDecode(b *testing.B) {
	for name, binary := range map[string]bool{"oip-json": false, "oip-binary": true} {
		b.Run(name, func(b *testing.B) {
			body, head, err := oip.AppendRequest(nil, &oip.Request{Inputs: []oip.Tensor{{Name: "x", Tensor: wide(), Binary: binary}}})
			if err != nil {
				b.Fatal(err)
			}
			call := oip.Call{Signature: oip.NewSignature(&engine.Model{BatchAxis: true, Inputs: wideSpec(), Outputs: wideSpec()})}
			items := make([]tensor.Item, 0, 1)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				p := payload.Request{Items: items}
				err := oip.DecodeRequest(&call.Request, body[:head], body[head:])
				if err == nil {
					err = call.Decode(&p, payload.Body{})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("predictions-json", func(b *testing.B) {
		body, err := handler.AppendFlat(nil, wide())
		if err != nil {
			b.Fatal(err)
		}
		h := handler.NewTensors(wideSpec(), wideSpec())
		items := make([]tensor.Item, 0, 1)
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			p := payload.Request{Items: items}
			if err := h.Decode(&p, payload.Body{Type: handler.TypeJSON, Data: body}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEncode encodes a row: JSON and binary, and for comparison the JSON of /predictions.
func BenchmarkEncode(b *testing.B) {
	row := wide()
	row.Shape = row.Shape[1:]
	answer := payload.Answer{Items: []tensor.Item{{row}}}
	for name, binary := range map[string]bool{"oip-json": false, "oip-binary": true} {
		b.Run(name, func(b *testing.B) {
			call := oip.Call{Signature: oip.NewSignature(&engine.Model{BatchAxis: true, Inputs: wideSpec(), Outputs: wideSpec()})}
			call.Request = oip.Request{Inputs: []oip.Tensor{{Name: "x", Tensor: wide()}}, Binary: binary}
			if err := call.Decode(&payload.Request{}, payload.Body{}); err != nil {
				b.Fatal(err)
			}
			var dst []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(row.Data)))
			for b.Loop() {
				_, err := call.Encode(nil, 0, answer)
				if err == nil {
					dst, _, err = oip.AppendAnswer(dst[:0], &oip.Answer{ModelName: "m", Outputs: call.Outputs})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("predictions-json", func(b *testing.B) {
		h := handler.NewTensors(wideSpec(), wideSpec())
		var dst []byte
		b.ReportAllocs()
		b.SetBytes(int64(len(row.Data)))
		for b.Loop() {
			out, err := h.Encode(dst[:0], payload.Format(handler.JSON), answer)
			if err != nil {
				b.Fatal(err)
			}
			dst = out.Data
		}
	})
}
