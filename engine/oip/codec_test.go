package oip_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/oip"
	"sweetspot/engine/tensor"
)

func decode(head string, tail ...byte) (oip.Request, error) {
	var r oip.Request
	err := oip.DecodeRequest(&r, []byte(head), tail)
	return r, err
}

func binaryTensor(name string, t tensor.Tensor) oip.Tensor {
	return oip.Tensor{Name: name, Tensor: t, Binary: true}
}

func TestDecodeRequest(t *testing.T) {
	two := floats([]int64{1, 2}, 1.5, -2)
	for _, tt := range []struct {
		name, head string
		tail       []byte
		want       oip.Request
	}{
		{"flat", `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,-2]}]}`, nil, oip.Request{Inputs: []oip.Tensor{named("x", two)}}},
		{"nested", `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[[1.5,-2]]}]}`, nil, oip.Request{Inputs: []oip.Tensor{named("x", two)}}},
		{"data first", ` {"inputs" : [ { "data" : [ 1.5 , -2 ] , "name":"x","shape":[1,2],"datatype":"FP32"} ] } `, nil, oip.Request{Inputs: []oip.Tensor{named("x", two)}}},
		{"shape last", `{"inputs":[{"datatype":"FP32","data":[[1.5,-2]],"shape":[1,2],"name":"x"}]}`, nil, oip.Request{Inputs: []oip.Tensor{named("x", two)}}},
		{"scalar", `{"inputs":[{"name":"x","shape":[],"datatype":"INT64","data":[9007199254740993]}]}`, nil, oip.Request{Inputs: []oip.Tensor{named("x", ints(tensor.Int64, []int64{}, 9007199254740993))}}},
		{"bools", `{"inputs":[{"name":"x","shape":[3],"datatype":"BOOL","data":[true,0,1]}]}`, nil, oip.Request{Inputs: []oip.Tensor{named("x", ints(tensor.Bool, []int64{3}, 1, 0, 1))}}},
		{"texts", `{"inputs":[{"name":"x","shape":[2],"datatype":"BYTES","data":["","\u00e4\""]}]}`, nil, oip.Request{Inputs: []oip.Tensor{named("x", texts([]int64{2}, "", `ä"`))}}},
		{
			"null for what is left out",
			`{"id":null,"parameters":null,"outputs" : null ,"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":null,"data":[1.5,-2]}]}`,
			nil,
			oip.Request{Inputs: []oip.Tensor{named("x", two)}},
		},
		{
			"null for values of parameters",
			`{"parameters":{"binary_data_output":null},"outputs":[{"name":"y","parameters":null},{"name":"z","parameters":{"binary_data":null,"classification":null}}],` +
				`"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":null,"shared_memory_region":null},"data":[1.5,-2]}]}`,
			nil,
			oip.Request{Inputs: []oip.Tensor{named("x", two)}, Outputs: []oip.RequestedOutput{{Name: "y"}, {Name: "z"}}},
		},
		{"nothing", `{"inputs":[{"name":"x","shape":[0,2],"datatype":"FP32","data":[]}]}`, nil, oip.Request{Inputs: []oip.Tensor{named("x", floats([]int64{0, 2}))}}},
		{
			"everything",
			`{"id":"a1","model_name":"other","parameters":{"binary_data_output":true,"sequence_id":3},"inputs":[` +
				`{"name":"a","shape":[2],"datatype":"FP16","parameters":{"binary_data_size":4,"content_type":"np"}},` +
				`{"name":"b","shape":[1],"datatype":"INT8","data":[-1]},` +
				`{"name":"c","shape":[0],"datatype":"FP32","parameters":{"binary_data_size":0}},` +
				`{"name":"d","shape":[1],"datatype":"BF16","parameters":{"binary_data_size":2}}],` +
				`"outputs":[{"name":"y"},{"name":"z","parameters":{"binary_data":false}},{"name":"w","parameters":{"binary_data":true}}]}`,
			[]byte{1, 2, 3, 4, 5, 6},
			oip.Request{
				ID: "a1", Binary: true,
				Inputs: []oip.Tensor{
					binaryTensor("a", tensor.Tensor{Type: tensor.Float16, Shape: []int64{2}, Data: []byte{1, 2, 3, 4}}),
					named("b", ints(tensor.Int8, []int64{1}, -1)),
					binaryTensor("c", floats([]int64{0})),
					binaryTensor("d", tensor.Tensor{Type: tensor.BFloat16, Shape: []int64{1}, Data: []byte{5, 6}}),
				},
				Outputs: []oip.RequestedOutput{{Name: "y"}, {"z", oip.AsJSON}, {"w", oip.AsBinary}},
			},
		},
	} {
		got, err := decode(tt.head, tt.tail...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
	got, err := decode(`{"inputs":[{"name":"x","shape":[5],"datatype":"FP64","data":[NaN,"NaN",-Infinity,"Infinity",1e308]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if v := got.Inputs[0].Numbers(); !math.IsNaN(v[0]) || !math.IsNaN(v[1]) || !math.IsInf(v[2], -1) || !math.IsInf(v[3], 1) || v[4] != 1e308 {
		t.Errorf("numbers that JSON does not have: %v", v)
	}
}

func TestDecodeRequestErrors(t *testing.T) {
	in := func(members string) string { return `{"inputs":[{` + members + `}]}` }
	for _, tt := range []struct {
		name, head, tail, want string
	}{
		{"empty", ``, "", `JSON, byte 0: the end, expected an object`},
		{"no inputs", `{}`, "", `no "inputs"; send {"inputs": [{"name"`},
		{"inputs are no list", `{"inputs":{}}`, "", `JSON, byte 10: an object, expected an array`},
		{"torn", `{"inputs":[{"name":"x"`, "", `JSON, byte 22: the end`},
		{"text behind", `{"inputs":[]} x`, "", `JSON, byte 14: "x" after the value`},
		{"twice", `{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1]}],"inputs":[{}]}`, "", `inputs are given twice`},
		{"no name", in(`"shape":[1],"datatype":"INT8","data":[1]`), "", `input 0 has no name`},
		{"no datatype", in(`"name":"x","shape":[1],"data":[1]`), "", `input "x": no datatype`},
		{"no shape", in(`"name":"x","datatype":"INT8","data":[1]`), "", `input "x": no shape`},
		{"no data", in(`"name":"x","shape":[1],"datatype":"INT8"`), "", `input "x": no data: neither`},
		{"both", in(`"name":"x","shape":[1],"datatype":"INT8","data":[1],"parameters":{"binary_data_size":1}`), "", `input "x": it has data and binary_data_size`},
		{"unknown datatype", in(`"name":"x","shape":[1],"datatype":"FP8","data":[1]`), "", `input "x": unknown datatype "FP8"; the protocol has BOOL`},
		{"two datatypes", in(`"name":"x","datatype":"INT8","data":[1],"datatype":"UINT8","shape":[1]`), "", `input "x": "datatype" is given twice`},
		{"two shapes", in(`"name":"x","shape":[1],"shape":[1]`), "", `input "x": "shape" is given twice`},
		{"two data", in(`"name":"x","datatype":"INT8","data":[1],"data":[2]`), "", `input "x": "data" is given twice`},
		{"FP16", in(`"name":"x","shape":[1],"datatype":"FP16","data":[1]`), "", `input "x": FP16 has no form in JSON; send its bytes behind the JSON`},
		{"BF16", in(`"data":[1],"name":"x","shape":[1],"datatype":"BF16"`), "", `input "x": BF16 has no form in JSON`},
		{"too few", in(`"name":"x","shape":[2],"datatype":"INT8","data":[1]`), "", `input "x": 1 values, expected 2 for the shape [2]`},
		{"nested otherwise", in(`"name":"x","shape":[3,2],"datatype":"INT8","data":[[1,2,3],[4,5,6]]`), "", `input "x": arrays nested as [2 3] do not fit the shape [3 2]`},
		{"negative size", in(`"name":"x","shape":[-1],"datatype":"INT8","data":[1]`), "", `input "x": shape [-1], expected sizes of 0 or more`},
		{"huge", in(`"name":"x","shape":[4611686018427387904,4],"datatype":"INT8","data":[1]`), "", `input "x": shape [4611686018427387904 4], expected sizes`},
		{"out of range", in(`"name":"x","shape":[1],"datatype":"INT8","data":[128]`), "", `input "x": JSON, byte 64: 128 at [0] is not a value of type INT8`},
		{"fraction", in(`"name":"x","shape":[1],"datatype":"INT8","data":[1.5]`), "", `input "x": JSON, byte 64: 1.5 at [0] is not a value of type INT8`},
		{"text behind data", in(`"name":"x","data":[1] 2,"shape":[1],"datatype":"INT8"`), "", `JSON, byte 34: "2", expected , or }`},
		{"text behind a number", in(`"name":"x","data":1 2,"shape":[],"datatype":"INT8"`), "", `input "x": JSON, byte 32: "2" after the value`},
		{"fraction of a size", in(`"name":"x","shape":[1.5]`), "", `input "x": JSON, byte 32: "1.5", expected an integer`},
		{"shared memory", in(`"name":"x","shape":[1],"datatype":"INT8","parameters":{"shared_memory_region":"r"}`), "", `input "x": shared memory is not supported; send the data`},
		{"classification", `{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":3}}]}`, "", `output "y": classification is not supported`},
		{"unnamed output", `{"inputs":[],"outputs":[{}]}`, "", `a requested output has no name`},
		{"short", in(`"name":"x","shape":[2],"datatype":"INT8","parameters":{"binary_data_size":2}`), "a", `input "x": binary_data_size 2, but there are 1 bytes left behind the JSON`},
		{"long", in(`"name":"x","shape":[2],"datatype":"INT8","parameters":{"binary_data_size":2}`), "abc", `1 bytes are left behind the binary data of the last input`},
		{"negative binary", in(`"name":"x","parameters":{"binary_data_size":-1}`), "", `input "x": binary_data_size -1, expected 0 or more`},
		{"no null", `{"id":nil,"inputs":[]}`, "", `JSON: "nil" is no value`},
		{"null for data", in(`"name":"x","shape":[1],"datatype":"INT8","data":null`), "", `input "x": JSON, byte`},
		{"null for inputs", `{"inputs":null}`, "", `JSON, byte 10: "null", expected an array`},
		{"no UTF-8", in("\"name\":\"x\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"\xff\"]"), "", `input "x": JSON, byte 65: a string is not UTF-8`},
		{"half a character", in(`"name":"x","shape":[1],"datatype":"BYTES","data":["\ud800"]`), "", `input "x": JSON, byte 70: a string has \ud800`},
		{"name that is not UTF-8", in("\"name\":\"x\xff\""), "", `JSON, byte 23: a string is not UTF-8`},
		{"NUL", in(`"name":"x","shape":[1],"datatype":"BYTES","data":["a\u0000"]`), "", `input "x": JSON, byte`},
	} {
		_, err := decode(tt.head, []byte(tt.tail)...)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v\nwant %s", tt.name, err, tt.want)
		}
	}
	many := strings.Repeat(`{"name":"x","shape":[1],"datatype":"INT8","data":[1]},`, 5000)
	if _, err := decode(`{"inputs":[` + strings.TrimSuffix(many, ",") + `]}`); err == nil || err.Error() != "more than 4096 inputs" {
		t.Errorf("5000 inputs: %v", err)
	}
}

func TestAppendAnswer(t *testing.T) {
	a := oip.Answer{ID: `"1"`, ModelName: "m", ModelVersion: "1.0", Outputs: []oip.Tensor{
		named("y", floats([]int64{1, 4}, 1.5, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)))),
		binaryTensor("z", ints(tensor.Int16, []int64{2}, 1, -1)),
		named("t", texts([]int64{2}, "<ä>", "b")),
		named("e", floats([]int64{0})),
	}}
	body, head, err := oip.AppendAnswer([]byte("before"), &a)
	want := `before{"id":"\"1\"","model_name":"m","model_version":"1.0","outputs":[` +
		`{"name":"y","datatype":"FP32","shape":[1,4],"data":[1.5,"NaN","Infinity","-Infinity"]},` +
		`{"name":"z","datatype":"INT16","shape":[2],"parameters":{"binary_data_size":4}},` +
		`{"name":"t","datatype":"BYTES","shape":[2],"data":["\u003cä\u003e","b"]},` +
		`{"name":"e","datatype":"FP32","shape":[0],"data":[]}]}`
	if err != nil || string(body) != want+"\x01\x00\xff\xff" || head != len(want)-len("before") {
		t.Errorf("%q %d %v\nwant %q", body, head, err, want)
	}
	for _, tt := range []struct {
		t    tensor.Tensor
		want string
	}{
		{tensor.Tensor{Type: tensor.Float16, Shape: []int64{1}, Data: []byte{1, 2}}, `output "y": FP16 has no form in JSON; ask for it with "parameters": {"binary_data": true}`},
		{tensor.Tensor{Type: tensor.BFloat16, Shape: []int64{1}, Data: []byte{1, 2}}, `output "y": BF16 has no form in JSON`},
		{texts([]int64{1}, "\xff"), `output "y": text 0 is not UTF-8, which JSON cannot have; ask for binary data`},
	} {
		_, _, err := oip.AppendAnswer(nil, &oip.Answer{Outputs: []oip.Tensor{named("y", tt.t)}})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// A request that a client writes is the one that a server reads, and so is an answer.
func TestRoundTrip(t *testing.T) {
	all := []oip.Tensor{
		named("x", floats([]int64{2, 2}, 1, 2, 3, 4)), binaryTensor("s", texts([]int64{2}, "a", "\xff")),
		named("s2", texts([]int64{1}, "größe \\")), binaryTensor("h", tensor.Tensor{Type: tensor.Float16, Shape: []int64{1}, Data: []byte{0, 60}}),
		named("u", ints(tensor.Uint64, []int64{1}, -1)),
	}
	want := oip.Request{ID: "7", Inputs: all, Binary: true, Outputs: []oip.RequestedOutput{{Name: "y"}, {"z", oip.AsBinary}, {"w", oip.AsJSON}}}
	body, head, err := oip.AppendRequest(nil, &want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(string(body[:head]), body[head:]...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request: -want +got:\n%s", diff)
	}
	answer := oip.Answer{ID: "7", ModelName: "m", ModelVersion: "2", Outputs: all}
	if body, head, err = oip.AppendAnswer(nil, &answer); err != nil {
		t.Fatal(err)
	}
	var read oip.Answer
	if err := oip.DecodeAnswer(&read, body[:head], body[head:]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(answer, read); diff != "" {
		t.Errorf("answer: -want +got:\n%s", diff)
	}
}

// Answers of other servers have members beside the protocol, null, and FP16 as numbers.
func TestDecodeAnswerOfOthers(t *testing.T) {
	text := `{"model_name":"m","model_version":null,"id":null,"parameters":{"content_type":"np"},"outputs":[{"name":"y","shape":[1,2],"datatype":"FP16","parameters":{"content_type":"np"},"data":[1.5,2]}]}`
	var a oip.Answer
	if err := oip.DecodeAnswer(&a, []byte(text), nil); err != nil {
		t.Fatal(err)
	}
	if got := a.Outputs[0].Numbers(); a.ModelName != "m" || a.ID != "" || !slices.Equal(got, []float64{1.5, 2}) {
		t.Errorf("%+v", a)
	}
	if err := oip.DecodeAnswer(&a, []byte(`{"outputs":[{"name":"y","shape":[2],"datatype":"INT8","data":[1]}]}`), nil); err == nil || err.Error() != `output "y": 1 values, expected 2 for the shape [2]` {
		t.Errorf("a wrong shape: %v", err)
	}
}

func TestRaw(t *testing.T) {
	one := model()
	one.Inputs, one.Axes = one.Inputs[1:2], map[string]int{"t": 1}
	var r oip.Request
	data := ints(tensor.Int16, []int64{2, 1, 3}, 1, 2, 3, 4, 5, 6)
	if err := oip.NewSignature(one).Raw(&r, data.Data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(oip.Request{Inputs: []oip.Tensor{binaryTensor("t", data)}, Binary: true}, r); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, tt := range []struct {
		spec tensor.Spec
		body string
		want string
	}{
		{tensor.Spec{Name: "x", Type: tensor.Int16, Shape: []int64{2, -1}}, "123456789012", "[1 2 3]"},
		{tensor.Spec{Name: "x", Type: tensor.String, Shape: []int64{1}}, "a\xff", "[1 1]"},
		{tensor.Spec{Name: "x", Type: tensor.Int16, Shape: []int64{2, -1}}, "123", `input "x": 3 bytes are not one row of INT16 [2 -1]`},
		{tensor.Spec{Name: "x", Type: tensor.Int16, Shape: []int64{2}}, "12", `input "x": 2 bytes are not one row of INT16 [2]`},
		{tensor.Spec{Name: "x", Type: tensor.String, Shape: []int64{2}}, "12", `input "x": 2 bytes are not one row of BYTES [2]`},
		{tensor.Spec{Name: "x", Type: tensor.Int8, Shape: []int64{-1, -1}}, "12", `input "x": 2 bytes do not determine the sizes of INT8 [-1 -1]`},
	} {
		one.Inputs, one.Axes = []tensor.Spec{tt.spec}, nil
		got := ""
		if err := oip.NewSignature(one).Raw(&r, []byte(tt.body)); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(r.Inputs[0].Shape)
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%v of %q: %s, want %s", tt.spec, tt.body, got, tt.want)
		}
	}
	if err := oip.NewSignature(model()).Raw(&r, nil); err == nil || !strings.Contains(err.Error(), "the model has 5") {
		t.Errorf("of several inputs: %v", err)
	}
}

func TestDecodeIndexRequest(t *testing.T) {
	for text, want := range map[string]string{``: "false <nil>", `{}`: "false <nil>", `{"ready": true}`: "true <nil>", `{"ready": 1}`: "false JSON, byte 10: \"1\", expected true or false"} {
		ready, err := oip.DecodeIndexRequest([]byte(text))
		if got := fmt.Sprint(ready, " ", err); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
