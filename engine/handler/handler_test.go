package handler_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

func spec(name string, typ tensor.Type, shape ...int64) tensor.Spec {
	return tensor.Spec{Name: name, Type: typ, Shape: shape}
}

func bounded(s tensor.Spec, low, high float64) tensor.Spec {
	s.Bounded, s.Min, s.Max = true, low, high
	return s
}

func floats(v ...float32) []byte {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

func longs(v ...int64) []byte {
	var b []byte
	for _, i := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(i))
	}
	return b
}

func value(typ tensor.Type, data []byte, shape ...int64) tensor.Tensor {
	return tensor.Tensor{Type: typ, Shape: shape, Data: data}
}

var (
	one   = []tensor.Spec{spec("x", tensor.Float32, 4)}
	grid  = []tensor.Spec{spec("x", tensor.Float32, 2, 2)}
	open1 = []tensor.Spec{spec("x", tensor.Float32, -1, 2)}
	open2 = []tensor.Spec{spec("x", tensor.Float32, -1, -1)}
	text  = []tensor.Spec{
		bounded(spec("ids", tensor.Int64, -1), 0, 999),
		bounded(spec("mask", tensor.Int64, -1), 0, 1),
	}
)

const form = "multipart/form-data; boundary=b"

// parts writes the body of a form: "ids=[1,2]" makes a part without a content type.
func parts(fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		name, content, _ := strings.Cut(f, "=")
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

// part writes the body of a form with one part called x, which has this header.
func part(header, content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n" + header + "\r\n\r\n" + content + "\r\n--b--\r\n"
}

func TestDecode(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	none := []tensor.Spec{spec("x", tensor.Float32, 2, 0, 3)}
	four := tensor.Item{value(tensor.Float32, floats(1, 2, 3, 4), 4)}
	square := tensor.Item{value(tensor.Float32, floats(1, 2, 3, 4), 2, 2)}
	both := tensor.Item{value(tensor.Int64, longs(5, 6), 2), value(tensor.Int64, longs(1, 0), 2)}
	tests := []struct {
		name, media, body string
		inputs            []tensor.Spec
		want              tensor.Item
	}{
		{"array", "application/json", "[1, 2,3 ,4]\n", one, four},
		{"charset", "application/json; charset=utf-8", "[1,2,3,4]", one, four},
		{"batch axis of one", "application/json", "[[1,2,3,4]]", one, four},
		{"nested", "application/json", "[[1,2],[3,4]]", grid, square},
		{"flat", "application/json", "[1,2,3,4]", grid, square},
		{"open nested", "application/json", "[[1,2],[3,4]]", open1, square},
		{"open flat", "application/json", "[1,2,3,4]", open1, square},
		{"scalar", "application/json", "-2.5e0", []tensor.Spec{spec("s", tensor.Float32)}, tensor.Item{value(tensor.Float32, floats(-2.5))}},
		{"input with an axis of one", "application/json", "[1,2,3,4]", []tensor.Spec{spec("x", tensor.Float32, 1, 4)}, tensor.Item{value(tensor.Float32, floats(1, 2, 3, 4), 1, 4)}},
		{"curl -d", "application/x-www-form-urlencoded", "[1,2,3,4]", one, four},
		{"curl -d, a number", "application/x-www-form-urlencoded", " 12 ", []tensor.Spec{spec("s", tensor.Float32)}, tensor.Item{value(tensor.Float32, floats(12))}},
		{"curl --data-binary", "application/x-www-form-urlencoded", "[12)", []tensor.Spec{spec("s", tensor.Float32)}, tensor.Item{value(tensor.Float32, []byte("[12)"))}},
		{"untyped array", "", " [1,2,3,4]", one, four},
		{"untyped object", "", `{"x":[1,2,3,4]}`, one, four},
		{"untyped object for two", "", `{"mask":[1,0],"ids":[[5,6]]}`, text, both},
		{"untyped bytes", "", string(floats(1, 2, 3, 4)), one, four},
		{"untyped bytes that are JSON too", "", "[12]", []tensor.Spec{spec("s", tensor.Float32, 1)}, tensor.Item{value(tensor.Float32, []byte("[12]"), 1)}},
		{"untyped bytes that begin as JSON", "", "[234\x00\x00\x80?", []tensor.Spec{spec("x", tensor.Float32, 1, -1)}, tensor.Item{value(tensor.Float32, []byte("[234\x00\x00\x80?"), 1, 2)}},
		{"object store", "binary/octet-stream", string(floats(1, 2, 3, 4)), one, four},
		{"object store, shape", "binary/octet-stream; shape=2x2", string(floats(1, 2, 3, 4)), open2, square},
		{"text/json", "text/json", "[1,2,3,4]", one, four},
		{"not finite", "application/json", `["NaN","Infinity", "-Infinity",-0]`, one, tensor.Item{value(tensor.Float32, floats(nan, inf, -inf, float32(math.Copysign(0, -1))), 4)}},
		{"not finite, as Python writes it", "application/json", `[NaN, Infinity, -Infinity, 4]`, one, tensor.Item{value(tensor.Float32, floats(nan, inf, -inf, 4), 4)}},
		{"not finite, half", "application/json", `["-Infinity", 1]`, []tensor.Spec{spec("h", tensor.Float16, 2)}, tensor.Item{value(tensor.Float16, []byte{0, 0xfc, 0, 0x3c}, 2)}},
		{"not finite, bytes", "application/octet-stream", string(floats(nan, inf, -inf, 4)), one, tensor.Item{value(tensor.Float32, floats(nan, inf, -inf, 4), 4)}},
		{"not finite, form", form, parts("x=" + string(floats(nan, inf, -inf, 4))), one, tensor.Item{value(tensor.Float32, floats(nan, inf, -inf, 4), 4)}},
		{"no elements", "application/json", "[[],[]]", none, tensor.Item{value(tensor.Float32, []byte{}, 2, 0, 3)}},
		{"no elements, flat", "application/json", "[]", none, tensor.Item{value(tensor.Float32, []byte{}, 2, 0, 3)}},
		{"no bytes", "application/octet-stream", "", none, tensor.Item{value(tensor.Float32, []byte{}, 2, 0, 3)}},
		{"no bytes, shape", "application/octet-stream; shape=2x0x3", "", none, tensor.Item{value(tensor.Float32, []byte{}, 2, 0, 3)}},
		{"no bytes of a part", form, parts("x="), none, tensor.Item{value(tensor.Float32, []byte{}, 2, 0, 3)}},
		{"nothing in an open dimension", "application/json", "[]", open1, tensor.Item{value(tensor.Float32, []byte{}, 0, 2)}},
		{"nothing in an open dimension, bytes", "application/octet-stream; shape=0x2", "", open1, tensor.Item{value(tensor.Float32, []byte{}, 0, 2)}},
		{"nothing in an open dimension, part", form, parts("ids=", "mask=[]"), text, tensor.Item{value(tensor.Int64, []byte{}, 0), value(tensor.Int64, []byte{}, 0)}},
		{"oip scalar", "application/json", `{"inputs":[{"name":"s","datatype":"FP32","shape":[],"data":[2]}]}`, []tensor.Spec{spec("s", tensor.Float32)}, tensor.Item{value(tensor.Float32, floats(2), []int64{}...)}},
		{"form field", form, parts("sr=16000000", "x=[1,2,3,4]"), []tensor.Spec{spec("sr", tensor.Int64), one[0]}, tensor.Item{value(tensor.Int64, longs(16000000)), four[0]}},
		{"torchserve's name", "application/json", `{"data":[1,2,3,4]}`, one, four},
		{"by name", "application/json", `{"mask":[1,0],"ids":[[5,6]]}`, text, both},
		{"integers as floats", "application/json", `{"mask":[1.0,0],"ids":[5,0.6e1]}`, text, both},
		{"oip", "application/json", `{"id":"7","inputs":[{"name":"ids","datatype":"INT64","shape":[1,2],"data":[5,6]},` +
			`{"data":[1,0],"shape":[2],"name":"mask","parameters":{"a":[1,{"b":"]"}]}}],"outputs":[{"name":"y"}]}`, text, both},
		{"bytes", "application/octet-stream", string(floats(1, 2, 3, 4)), grid, square},
		{"bytes open", "application/octet-stream", string(floats(1, 2, 3, 4)), open1, square},
		{"bytes shape", "application/octet-stream; shape=2x2", string(floats(1, 2, 3, 4)), open2, square},
		{"bytes shape with batch", "application/octet-stream; shape=1x2x2", string(floats(1, 2, 3, 4)), open2, square},
		{"form", form, parts("mask=[1,0]", "ids="+string(longs(5, 6))), text, both},
		{"form of one", form, parts("data=[1,2,3,4]"), one, four},
		{"form part as it is", form, part("Content-Transfer-Encoding: Binary\r\nContent-Encoding: identity", "[1,2,3,4]"), one, four},
		{"bools", "application/json", "[true,false,1]", []tensor.Spec{spec("b", tensor.Bool, 3)}, tensor.Item{value(tensor.Bool, []byte{1, 0, 1}, 3)}},
		{"small ints", "application/json", "[-128,127]", []tensor.Spec{spec("b", tensor.Int8, 2)}, tensor.Item{value(tensor.Int8, []byte{0x80, 0x7f}, 2)}},
		{"largest", "application/json", "[18446744073709551615]", []tensor.Spec{spec("b", tensor.Uint64, 1)}, tensor.Item{value(tensor.Uint64, longs(-1), 1)}},
		{"smallest", "application/json", "[-9223372036854775808]", []tensor.Spec{spec("b", tensor.Int64, 1)}, tensor.Item{value(tensor.Int64, longs(math.MinInt64), 1)}},
		{"integers of many digits", "application/json", "[9007199254740993.0, 9.223372036854775807e18, 0.00000000000000000000001e23, -9223372036854775808.000, 1e18, 0e99999]", []tensor.Spec{spec("b", tensor.Int64, 6)}, tensor.Item{value(tensor.Int64, longs(9007199254740993, math.MaxInt64, 1, math.MinInt64, 1e18, 0), 6)}},
		{"largest with a fraction", "application/json", "[18446744073709551615.0, 1844674407370955161.5e1, -0.0]", []tensor.Spec{spec("b", tensor.Uint64, 3)}, tensor.Item{value(tensor.Uint64, longs(-1, -1, 0), 3)}},
		{
			"half, rounded once", "application/json", "[65519.999, 1.00048828125001, 1.00048828125000000000000001, 1.00048828125, 1.00146484374999999999999999999, -65519.99999999999999999999999999, 1e-400, 1048828125e-9]",
			[]tensor.Spec{spec("h", tensor.Float16, 8)},
			tensor.Item{value(tensor.Float16, []byte{0xff, 0x7b, 1, 0x3c, 1, 0x3c, 0, 0x3c, 1, 0x3c, 0xff, 0xfb, 0, 0, 0x32, 0x3c}, 8)},
		},
		{
			"bfloat16, rounded once", "application/json", "[1.003906250001, 1.00390625, 1.0039062500000000000000000000001, -1.01171874999999999999999999]",
			[]tensor.Spec{spec("h", tensor.BFloat16, 4)},
			tensor.Item{value(tensor.BFloat16, []byte{0x81, 0x3f, 0x80, 0x3f, 0x81, 0x3f, 0x81, 0xbf}, 4)},
		},
		{"half", "application/json", "[1, -2]", []tensor.Spec{spec("h", tensor.Float16, 2)}, tensor.Item{value(tensor.Float16, []byte{0, 0x3c, 0, 0xc0}, 2)}},
		{"double", "application/json", "[0.1]", []tensor.Spec{spec("d", tensor.Float64, 1)}, tensor.Item{value(tensor.Float64, longs(0x3fb999999999999a), 1)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := handler.Decode(tt.media, []byte(tt.body), tt.inputs)
			if err != nil {
				t.Fatalf("Decode(%q, %q): %v", tt.media, tt.body, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Decode(%q, %q): -want +got\n%s", tt.media, tt.body, diff)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	const sendFour = "; send [0.1, 0.2, ...] (shape [4]) as application/json, or 16 bytes of little-endian FP32 as application/octet-stream"
	const sendGrid = "; send [0.1, 0.2, ...] (shape [2 2]) as application/json, or 16 bytes of little-endian FP32 as application/octet-stream"
	const sendText = `; send {"ids": [0, 999, ...] (shape [-1]), "mask": [0, 1, ...] (shape [-1])} as application/json, or multipart/form-data with one part per input`
	const sendIDs = "; send [0, 999, ...] (shape [-1]) as application/json, or little-endian INT64 as application/octet-stream; shape=128"
	nan := float32(math.NaN())
	tests := []struct {
		name, media, body string
		inputs            []tensor.Spec
		want              string
	}{
		{"empty", "", "", one, "empty body" + sendFour},
		{"media type", "application/xml", "<x/>", one, `content type "application/xml" is not supported` + sendFour},
		{"short array", "application/json", "[1,2]", one, `input "x": shape [2], expected [4]` + sendFour},
		{"many items", "application/json", "[[1,2,3,4],[1,2,3,4]]", one, `input "x": shape [2 4], expected [4]: one request is one item, send 2 requests and the server builds the batch` + sendFour},
		{"ragged", "application/json", "[[1,2],[3]]", grid, `input "x": JSON, byte 10: 1 values in the array at [1 0], expected 2 as in the one before it` + sendGrid},
		{"number among arrays", "application/json", "[[1,2],3]", grid, `input "x": JSON, byte 7: "3" at [1 0], expected an array as before it` + sendGrid},
		{"array among numbers", "application/json", "[1,[2]]", grid, `input "x": JSON, byte 3: an array at [1], expected a number as before it` + sendGrid},
		{"NaN of an integer", "application/json", `{"ids":["NaN"],"mask":[1]}`, text, `input "ids": JSON, byte 8: a string at [0], expected a number` + sendIDs},
		{"null", "application/json", "[1,null]", one, `input "x": JSON, byte 3: "null" at [1], expected a number, "NaN", "Infinity" or "-Infinity"` + sendFour},
		{"string", "application/json", `["a"]`, one, `input "x": JSON, byte 1: a string at [0], expected a number, "NaN", "Infinity" or "-Infinity"` + sendFour},
		{"almost NaN", "application/json", `[NaN1,1,1,1]`, one, `input "x": JSON, byte 4: "1", expected , or ]` + sendFour},
		{"inf", "application/json", `[-inf,1,1,1]`, one, `input "x": JSON, byte 1: "-inf" at [0], expected a number, "NaN", "Infinity" or "-Infinity"` + sendFour},
		{"overflow", "application/json", `[1e39,1,1,1]`, one, `input "x": JSON, byte 5: 1e39 at [0] is not a value of type FP32` + sendFour},
		{"fraction", "application/json", `{"ids":[1.5],"mask":[1]}`, text, `input "ids": JSON, byte 11: 1.5 at [0] is not a value of type INT64` + sendIDs},
		{"nearly whole", "application/json", `{"ids":[0.99999999999999999999],"mask":[1]}`, text, `input "ids": JSON, byte 30: 0.99999999999999999999 at [0] is not a value of type INT64` + sendIDs},
		{"beyond", "application/json", `{"ids":[9223372036854775808.0],"mask":[1]}`, text, `input "ids": JSON, byte 29: 9223372036854775808.0 at [0] is not a value of type INT64` + sendIDs},
		{"far beyond", "application/json", `{"ids":[1e99999999999],"mask":[1]}`, text, `input "ids": JSON, byte 21: 1e99999999999 at [0] is not a value of type INT64` + sendIDs},
		{"below 0", "application/json", "[-1.0]", []tensor.Spec{spec("u", tensor.Uint64, 1)}, `input "u": JSON, byte 5: -1.0 at [0] is not a value of type UINT64; send [1, 2, ...] (shape [1]) as application/json, or 8 bytes of little-endian UINT64 as application/octet-stream`},
		{"half too large", "application/json", "[65520]", []tensor.Spec{spec("h", tensor.Float16, 1)}, `input "h": JSON, byte 6: 65520 at [0] is not a value of type FP16; send [0.1, 0.2, ...] (shape [1]) as application/json, or 2 bytes of little-endian FP16 as application/octet-stream`},
		{"unterminated", "application/json", `[1,2`, one, `input "x": JSON, byte 4: the end, expected , or ]` + sendFour},
		{"no numbers", "application/json", `[[],[]]`, one, `input "x": shape [2 0], expected [4]` + sendFour},
		{"no bytes in a part", form, parts("x="), one, `input "x": 0 bytes, expected 16 for FP32 [4]` + sendFour},
		{"empty, open", "application/octet-stream", "", open1, `empty body; send [0.1, 0.2, ...] (shape [-1 2]) as application/json, or little-endian FP32 as application/octet-stream; shape=128x2`},
		{"more", "application/json", `[1,2,3,4] 5`, one, `JSON, byte 10: "5" after the value`},
		{"deep", "application/json", strings.Repeat("[", 20), one, `input "x": JSON, byte 16: arrays nested deeper than 16` + sendFour},
		{"unknown", "application/json", `{"y":[1]}`, one, `unknown input "y", the model takes x` + sendFour},
		{"twice", "application/json", `{"x":[1,2,3,4],"x":[1,2,3,4]}`, one, `input "x" is given twice`},
		{"missing", "application/json", `{"ids":[1]}`, text, "missing input mask" + sendText},
		{"array for two", "application/json", `[1]`, text, "an array, the model takes 2 inputs" + sendText},
		{"bytes for two", "application/octet-stream", "12345678", text, "the body has one value, the model takes 2 inputs" + sendText},
		{"out of range", "application/json", `{"ids":[1,1000],"mask":[1,1]}`, text, `input "ids": value 1000 at [1] is outside 0 to 999` + sendIDs},
		{"raw length", "application/octet-stream", "1234567", one, `input "x": 7 bytes, expected a multiple of 4 for FP32` + sendFour},
		{"raw size", "application/octet-stream", "12345678", one, `input "x": 8 bytes, expected 16 for FP32 [4]` + sendFour},
		{"NaN out of range", "application/octet-stream", string(floats(1, 2, 3, nan)), []tensor.Spec{bounded(grid[0], 0, 9)}, `input "x": value NaN at [1 1] is outside 0 to 9; send [0, 9, ...] (shape [2 2]) as application/json, or 16 bytes of little-endian FP32 as application/octet-stream`},
		{"no raw bytes", "", "[1,2,3", open1, `input "x": JSON, byte 6: the end, expected , or ]; send [0.1, 0.2, ...] (shape [-1 2]) as application/json, or little-endian FP32 as application/octet-stream; shape=128x2`},
		{"neither raw nor JSON", "text/plain", "1,2,3,4", one, `input "x": shape [], expected [4]` + sendFour},
		{"text that is nothing", "text/plain", "hello", one, `input "x": 5 bytes, expected a multiple of 4 for FP32` + sendFour},
		{"open raw", "application/octet-stream", "12345678", open2, `input "x": 8 bytes do not determine the shape, expected [-1 -1]; add it to the content type; send [0.1, 0.2, ...] (shape [-1 -1]) as application/json, or little-endian FP32 as application/octet-stream; shape=128x128`},
		{"shape parameter", "application/octet-stream; shape=2,2", string(floats(1, 2, 3, 4)), grid, `content type "application/octet-stream; shape=2,2": mime: invalid media parameter` + sendGrid},
		{"shape value", "application/octet-stream; shape=2x-1", string(floats(1, 2, 3, 4)), grid, `input "x": shape "2x-1": "-1" is not a size; write sizes joined by x, such as 1x128` + sendGrid},
		{"shape that overflows", "application/octet-stream; shape=2305843009213693953x4", string(floats(1)), open2, `input "x": 4 bytes do not fit FP32 of shape [2305843009213693953 4]; send [0.1, 0.2, ...] (shape [-1 -1]) as application/json, or little-endian FP32 as application/octet-stream; shape=128x128`},
		{"bool", "application/octet-stream", "\x01\x02", []tensor.Spec{spec("b", tensor.Bool, 2)}, `input "b": value 2 at [1] is not a bool, expected 0 or 1; send [true, false, ...] (shape [2]) as application/json, or 2 bytes of little-endian BOOL as application/octet-stream`},
		{"oip datatype", "application/json", `{"inputs":[{"name":"x","datatype":"FP64","data":[1,2,3,4]}]}`, one, `input "x": datatype FP64, expected FP32` + sendFour},
		{"oip shape", "application/json", `{"inputs":[{"name":"x","shape":[2,2],"data":[1,2,3]}]}`, grid, `input "x": 3 values do not fit shape [2 2]` + sendGrid},
		{"oip without data", "application/json", `{"inputs":[{"name":"x"}]}`, grid, `input "x": no "data"` + sendGrid},
		{"oip no list", "application/json", `{"inputs":7}`, one, `JSON, byte 10: "7", expected "inputs" to be a list of {"name", "datatype", "shape", "data"}`},
		{"no boundary", "multipart/form-data", "x", one, "content type multipart/form-data has no boundary; let the client library write it"},
		{"form part", form, parts("ids=[1]", "nope=[1]"), text, `unknown input "nope", the model takes ids, mask` + sendText},
		{"form cut off", form, "--b\r\nContent-Disposition: form-data; name=\"ids\"\r\n\r\n[1]", text, `input "ids": unexpected EOF`},
		{"form part in base64", form, part("Content-Transfer-Encoding: base64", "AACAPwAAAEAAAEBAAACAQA=="), one, `input "x": its Content-Transfer-Encoding "base64" is not supported; send the part as it is`},
		{"form part in quoted-printable", form, part("Content-Transfer-Encoding: Quoted-Printable", "[1,2,3,4]"), one, `input "x": its Content-Transfer-Encoding "quoted-printable" is not supported; send the part as it is`},
		{"compressed form part", form, part("Content-Encoding: gzip", string(floats(1, 2, 3, 4))), one, `input "x": its Content-Encoding "gzip" is not supported; send the part as it is`},
		{"image", "image/jpeg", "\xff\xd8\xff", one, `input "x" is not an image: x FP32 [4]` + sendFour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := handler.Decode(tt.media, []byte(tt.body), tt.inputs)
			if err == nil {
				t.Fatalf("Decode(%q, %q) succeeded, want an error", tt.media, tt.body)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("Decode(%q, %q): -want +got\n%s", tt.media, tt.body, diff)
			}
		})
	}
}

func TestCheckSizes(t *testing.T) {
	a, b := spec("a", tensor.Float32, -1, 4), spec("b", tensor.Float32, 2, -1)
	a.Dims, b.Dims = []string{"L", ""}, []string{"", "L"}
	other := spec("c", tensor.Float32, -1)
	inputs := []tensor.Spec{a, b, other}
	item := func(a, b int64) tensor.Item {
		return tensor.Item{{Type: tensor.Float32, Shape: []int64{a, 4}}, {Type: tensor.Float32, Shape: []int64{2, b}}, {Type: tensor.Float32, Shape: []int64{9}}}
	}
	all := func(int) bool { return true }
	if err := handler.CheckSizes(inputs, item(3, 3), all); err != nil {
		t.Error(err)
	}
	const want = `the dimension "L" has the size 3 in the input "a" and 2 in the input "b"`
	if err := handler.CheckSizes(inputs, item(3, 2), all); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := handler.CheckSizes(inputs, item(3, 2), func(i int) bool { return i != 1 }); err != nil {
		t.Errorf("without b: %v", err)
	}
	without := item(3, 2)
	without[0] = tensor.Tensor{}
	if err := handler.CheckSizes(inputs, without, all); err != nil {
		t.Errorf("without a: %v", err)
	}
}
