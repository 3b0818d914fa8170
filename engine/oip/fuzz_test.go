package oip_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/oip"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// A request that is decoded is decoded to the same one again after it is encoded, and its rows
// can be joined or are refused. The estimate of its memory is not below what its numbers take.
func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,-2]}]}`,
		`{"id":"a","inputs":[{"data":[[1],[NaN]],"name":"x","shape":[2,1],"datatype":"FP64"}],"outputs":[{"name":"y","parameters":{"binary_data":true}}],"parameters":{"binary_data_output":true}}`,
		`{"inputs":[{"name":"t","shape":[2,1,3],"datatype":"INT16","parameters":{"binary_data_size":12}},{"name":"s","shape":[2,1],"datatype":"BYTES","data":["a","\u00e4"]},{"name":"side","shape":[0],"datatype":"UINT8","data":[]}]}`,
		`{"id":null,"parameters":null,"inputs":[{"name":"s","shape":[1,1],"datatype":"BYTES","parameters":null,"data":["\ud83d\ude00"]}],"outputs":null}`,
		`{"inputs":[{"name":"maybe","shape":[1],"datatype":"BOOL","data":[true]}]}`,
	} {
		f.Add([]byte(seed), []byte("123456789012"))
	}
	s := oip.NewSignature(model())
	f.Fuzz(func(t *testing.T, head, tail []byte) {
		var r oip.Request
		size := s.RequestSize(head, tail)
		if oip.DecodeRequest(&r, head, tail) != nil {
			return
		}
		decoded := int64(0)
		for _, in := range r.Inputs {
			if !in.Binary && in.Type != tensor.String {
				decoded += int64(len(in.Data))
			}
		}
		if decoded > size {
			t.Fatalf("%d bytes of numbers, estimated %d", decoded, size)
		}
		again(t, r)
		call := oip.Call{Signature: s, Request: r, TypedAnswer: true}
		var p payload.Request
		if call.Decode(&p, payload.Body{}) != nil {
			return
		}
		for _, row := range p.Items {
			for i, in := range s.Inputs {
				if err := in.Check(row[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// again encodes and decodes r.
func again(t *testing.T, r oip.Request) {
	body, head, err := oip.AppendRequest(nil, &r)
	if err != nil {
		return // a text that is not UTF-8
	}
	var back oip.Request
	if err := oip.DecodeRequest(&back, body[:head], body[head:]); err != nil {
		t.Fatalf("%v: %q", err, body)
	}
	for i := range r.Inputs { // a number is not a NaN of other bits
		if r.Inputs[i].Type.IsFloat() && !r.Inputs[i].Binary {
			a, b := r.Inputs[i].Numbers(), back.Inputs[i].Numbers()
			for k := range a {
				if a[k] != b[k] && (a[k] == a[k] || b[k] == b[k]) {
					t.Fatalf("input %d: %v, want %v", i, b[k], a[k])
				}
			}
			back.Inputs[i].Data = r.Inputs[i].Data
		}
		if len(r.Inputs[i].Data) == 0 {
			r.Inputs[i].Data, back.Inputs[i].Data = nil, nil
		}
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
}

// The answer of a server is decoded or refused, and what is decoded is encoded to it again.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(`{"model_name":"m","model_version":null,"outputs":[{"name":"y","shape":[1,2],"datatype":"FP16","data":[1.5,2]},{"name":"z","shape":[2],"datatype":"INT8","parameters":{"binary_data_size":2}}]}`), []byte("ab"))
	f.Add([]byte(`{"error":"no"}`), []byte{})
	f.Fuzz(func(t *testing.T, head, tail []byte) {
		var a, back oip.Answer
		if oip.DecodeAnswer(&a, head, tail) != nil {
			return
		}
		for i := range a.Outputs {
			a.Outputs[i].Binary = true
		}
		body, n, err := oip.AppendAnswer(nil, &a)
		if err != nil {
			t.Fatal(err)
		}
		if err := oip.DecodeAnswer(&back, body[:n], body[n:]); err != nil {
			t.Fatalf("%v: %q", err, body)
		}
		for i := range a.Outputs {
			if !bytes.Equal(a.Outputs[i].Data, back.Outputs[i].Data) {
				t.Fatalf("output %d differs", i)
			}
		}
	})
}

// A body without JSON is one row or is refused.
func FuzzRaw(f *testing.F) {
	f.Add([]byte("123456789012"))
	one := model()
	one.Inputs = one.Inputs[:1]
	s := oip.NewSignature(one)
	f.Fuzz(func(t *testing.T, body []byte) {
		var r oip.Request
		if s.Raw(&r, body) != nil {
			return
		}
		if rows, err := s.Rows(nil, r.Inputs); err != nil || len(rows) != 1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
	})
}
