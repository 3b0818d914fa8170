package handler_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// Decode accepts the same flat arrays of floats as encoding/json and returns the same bits,
// except that it does not accept null.
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
		if bytes.ContainsAny(body, "n{") || bytes.Count(body, []byte("[")) != 1 {
			return
		}
		var want []float32
		wantErr := json.Unmarshal(body, &want)
		got, err := handler.Decode("application/json", body, inputs)
		if (err == nil) != (wantErr == nil && len(want) > 0) {
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
	for _, f := range []handler.Format{handler.JSON, handler.OIP} {
		text, media, err := handler.Encode(nil, f, inputs, item)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte(`{"outputs"`), []byte(`{"inputs"`), 1)
		again, err := handler.Decode(media, text, inputs)
		if err != nil {
			t.Fatalf("Decode of own %s: %v", text, err)
		}
		if diff := cmp.Diff(item, again); diff != "" {
			t.Errorf("%s: -first +second\n%s", text, diff)
		}
	}
}

// Every finite float32 round-trips through JSON with the same bits.
func FuzzFloatRoundTrip(f *testing.F) {
	f.Add(uint32(0x3dcccccd), uint32(0x00000001))
	f.Add(uint32(0x7f7fffff), uint32(0x80000000))
	inputs := []tensor.Spec{spec("x", tensor.Float32, 2)}
	f.Fuzz(func(t *testing.T, a, b uint32) {
		data := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, a), b)
		item, err := handler.Decode("application/octet-stream", data, inputs)
		finite := func(bits uint32) bool {
			return !math.IsNaN(float64(math.Float32frombits(bits))) && bits&0x7fffffff < 0x7f800000
		}
		if (err == nil) != (finite(a) && finite(b)) {
			t.Fatalf("Decode(% x) = %v", data, err)
		}
		if err == nil {
			checkDecode(t, "application/octet-stream", item[0].Data, inputs)
		}
	})
}
