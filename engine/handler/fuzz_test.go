package handler_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// Decode accepts the same flat arrays of floats as encoding/json and returns the same bits,
// except that it does not accept null, and accepts NaN and infinities.
func FuzzJSONArray(f *testing.F) {
	for _, s := range []string{
		"[1,2,3]", "[1e-45,3.4028235e38,1e39]", "[0.1,-0,-0.0,1E5]", "[01]", "[1.]", "[.5]", "[+1]", "[1e]", "[]", "[1,]",
		"[16777217,33554435.5,8388608.50000001]", "[1.17549435e-38,1.1754943e-38]", "[123456789012345678901234567890]", "[1] x",
		"[7.038531e-26,9007199791611905]",
	} {
		f.Add([]byte(s))
	}
	inputs := []tensor.Spec{spec("x", tensor.Float32, -1)}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.ContainsAny(body, "nNI{") || bytes.Count(body, []byte("[")) != 1 {
			return
		}
		var want []float32
		wantErr := json.Unmarshal(body, &want)
		got, err := handler.Decode("application/json", body, inputs)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("Decode(%q) = %v, encoding/json says %v", body, err, wantErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(got[0].Data, floats(want...)) {
			t.Errorf("Decode(%q) = % x, want %v", body, got[0].Data, want)
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`[1,2]`, `{"ids":[1,2],"mask":[[1,0]]}`, `{"ids":1e2}`, `{"a":{"b":[]}}`, `{"ids":[`,
		`{"inputs":[{"name":"ids","datatype":"INT64","shape":[2],"data":[5,6]},{"data":[1],"name":"mask"}],"id":"x\"y"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkDecode(t, "application/json", body, text) })
}

func FuzzRaw(f *testing.F) {
	f.Add("2x2", floats(1, 2, 3, 4))
	f.Add("", floats(1))
	f.Add("1x0", []byte("\xff\xd8\xff\x00"))
	f.Fuzz(func(t *testing.T, shape string, body []byte) {
		media := "application/octet-stream"
		if shape != "" {
			media += "; shape=" + shape
		}
		checkDecode(t, media, body, open2)
	})
}

func FuzzForm(f *testing.F) {
	f.Add([]byte(parts("ids=[1,2]", "mask=[1,0]")))
	f.Add([]byte(parts("ids="+string(longs(3)), "mask="+string(longs(1)))))
	f.Add([]byte("--b\r\nContent-Type: image/png\r\n\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) { checkDecode(t, form, body, text) })
}

func FuzzImage(f *testing.F) {
	f.Add(encoded(f, halves(8, 8), false))
	f.Add(encoded(f, halves(8, 8), true))
	inputs := []tensor.Spec{spec("x", tensor.Float32, 3, 8, 8)}
	f.Fuzz(func(t *testing.T, body []byte) {
		// A few bytes may declare millions of pixels, and decoding them would only take time.
		if c, _, err := image.DecodeConfig(bytes.NewReader(body)); err == nil && c.Width*c.Height <= 1<<12 {
			checkDecode(t, "image/png", body, inputs)
		}
	})
}

// checkDecode checks an accepted item against the inputs, and decodes it again from each
// format that Encode writes.
func checkDecode(t *testing.T, media string, body []byte, inputs []tensor.Spec) {
	t.Helper()
	item, err := handler.Decode(media, body, inputs)
	if err != nil {
		return
	}
	for i, s := range inputs {
		if err := s.Check(item[i]); err != nil {
			t.Fatalf("Decode(%q, %q): %v", media, body, err)
		}
	}
	byName, err := handler.Encode(nil, handler.JSON, inputs, item)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{byName.Data, oipText(t, inputs, item)} {
		again, err := handler.Decode("application/json", text, inputs)
		if err != nil {
			t.Fatalf("Decode of own %s: %v", text, err)
		}
		if diff := cmp.Diff(withOneNaN(item), withOneNaN(again)); diff != "" {
			t.Errorf("%s: -first +second\n%s", text, diff)
		}
	}
}

// oipText encodes an item as a request of the Open Inference Protocol.
func oipText(t *testing.T, inputs []tensor.Spec, item tensor.Item) []byte {
	t.Helper()
	type input struct {
		Name, Datatype string
		Shape          []int64
		Data           json.RawMessage
	}
	var in []input
	for i, s := range inputs {
		flat := item[i]
		flat.Shape = []int64{tensor.Elements(flat.Shape)}
		data, err := handler.Encode(nil, handler.JSON, inputs[i:i+1], tensor.Item{flat})
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, input{s.Name, s.Type.String(), append([]int64{}, item[i].Shape...), data.Data})
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"name", "datatype", "shape", "data"} {
		text = bytes.ReplaceAll(text, []byte(`"`+strings.ToUpper(key[:1])+key[1:]+`":`), []byte(`"`+key+`":`))
	}
	return append(append([]byte(`{"inputs":`), text...), '}')
}

// withOneNaN returns item with the same bits for every NaN, because JSON has no others.
func withOneNaN(item tensor.Item) tensor.Item {
	out := tensor.Item{}
	for _, t := range item {
		if t.Type.IsFloat() {
			var data []byte
			for i := range len(t.Data) / t.Type.Size() {
				v := tensor.At(t.Type, t.Data, i)
				if math.IsNaN(v) {
					v = math.NaN()
				}
				data = tensor.AppendFloat(data, t.Type, v)
			}
			t.Data = data
		}
		out = append(out, t)
	}
	return out
}

// Every float32 round-trips through JSON with the same bits, except those of a NaN.
func FuzzFloatRoundTrip(f *testing.F) {
	f.Add(uint32(0x3dcccccd), uint32(0x00000001))
	f.Add(uint32(0x7f7fffff), uint32(0x80000000))
	f.Add(uint32(0x7f800000), uint32(0xffc12345))
	inputs := []tensor.Spec{spec("x", tensor.Float32, 2)}
	f.Fuzz(func(t *testing.T, a, b uint32) {
		data := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, a), b)
		item, err := handler.Decode("application/octet-stream", data, inputs)
		if err != nil {
			t.Fatalf("Decode(% x) = %v", data, err)
		}
		checkDecode(t, "application/octet-stream", item[0].Data, inputs)
	})
}

// Without a content type, and with those that clients send without being asked, a body of
// exactly the size of the input is never refused. It is raw, unless the type is one of text
// and the whole body is JSON.
func FuzzUntyped(f *testing.F) {
	for _, s := range []string{"[1,2,34]", "[12]", "{\"x\":1}", "\x5b\x00\x00\x00", "\xff\xd8\xff\xe0", "\x89PNG\r\n\x1a\n", "1234", " 12 "} {
		f.Add([]byte(s), "")
		f.Add([]byte(s), "text/plain")
		f.Add([]byte(s), "application/x-www-form-urlencoded")
	}
	f.Fuzz(func(t *testing.T, body []byte, media string) {
		if media != "" && media != "text/plain" && media != "application/x-www-form-urlencoded" || len(body) == 0 {
			return
		}
		for _, typ := range []tensor.Type{tensor.Uint8, tensor.Float16, tensor.Float32, tensor.Int64} {
			n := len(body) / typ.Size()
			data := body[:n*typ.Size()]
			if n == 0 {
				continue
			}
			inputs := []tensor.Spec{spec("x", typ, int64(n))}
			got, err := handler.Decode(media, data, inputs)
			if err != nil {
				t.Fatalf("Decode(%q, %q) for %s: %v", media, data, inputs[0], err)
			}
			if bytes.Equal(got[0].Data, data) {
				continue
			}
			asJSON, err := handler.Decode("application/json", data, inputs)
			if media == "" || err != nil || !cmp.Equal(asJSON, got) {
				t.Errorf("Decode(%q, %q) for %s = %v, which is neither raw nor JSON (%v)", media, data, inputs[0], got, err)
			}
		}
	})
}
