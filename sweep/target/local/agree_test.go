package local

import (
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// floatsOf is a tensor of FP32.
func floatsOf(v ...float64) tensor.Tensor {
	t := tensor.Tensor{Type: tensor.Float32, Shape: []int64{int64(len(v))}}
	for _, x := range v {
		t.Data = tensor.AppendFloat(t.Data, tensor.Float32, x)
	}
	return t
}

// answerOf is the answer with these outputs as the engine sends it to the load generator.
func answerOf(t testing.TB, outputs []tensor.Spec, item ...tensor.Tensor) []byte {
	t.Helper()
	f, err := handler.Negotiate("application/octet-stream, application/json", outputs)
	if err != nil {
		t.Fatal(err)
	}
	body, err := handler.Encode(nil, f, outputs, item)
	if err != nil {
		t.Fatal(err)
	}
	return body.Data
}

// TestAnswersAgree: floats may differ by the tolerance, whatever the number of outputs is.
func TestAnswersAgree(t *testing.T) {
	y, label, text := tensor.Spec{Name: "y", Type: tensor.Float32, Shape: []int64{-1}}, tensor.Spec{Name: "label", Type: tensor.Int64, Shape: []int64{1}}, tensor.Spec{Name: "text", Type: tensor.String, Shape: []int64{1}}
	one, several := []tensor.Spec{y}, []tensor.Spec{y, label, text}
	number := func(n int64) tensor.Tensor {
		return tensor.Tensor{Type: tensor.Int64, Shape: []int64{1}, Data: tensor.AppendInt(nil, tensor.Int64, n)}
	}
	word := func(s string) tensor.Tensor {
		return tensor.Tensor{Type: tensor.String, Shape: []int64{1}, Data: tensor.AppendText(nil, s)}
	}
	for _, tc := range []struct {
		name    string
		outputs []tensor.Spec
		a, b    []tensor.Tensor
		agree   bool
	}{
		{"equal", one, []tensor.Tensor{floatsOf(1, 2)}, []tensor.Tensor{floatsOf(1, 2)}, true},
		{"within the tolerance", one, []tensor.Tensor{floatsOf(1, 100)}, []tensor.Tensor{floatsOf(1.05, 100)}, true},
		{"above it", one, []tensor.Tensor{floatsOf(1, 100)}, []tensor.Tensor{floatsOf(1.2, 100)}, false},
		{"other sizes", one, []tensor.Tensor{floatsOf(1)}, []tensor.Tensor{floatsOf(1, 1)}, false},
		{"several within", several, []tensor.Tensor{floatsOf(1, 100), number(7), word("cat")}, []tensor.Tensor{floatsOf(1.05, 100), number(7), word("cat")}, true},
		{"several above", several, []tensor.Tensor{floatsOf(1, 100), number(7), word("cat")}, []tensor.Tensor{floatsOf(1.2, 100), number(7), word("cat")}, false},
		{"another integer", several, []tensor.Tensor{floatsOf(1, 100), number(7000), word("cat")}, []tensor.Tensor{floatsOf(1.05, 100), number(7001), word("cat")}, false},
		{"another text", several, []tensor.Tensor{floatsOf(1, 100), number(7), word("cat")}, []tensor.Tensor{floatsOf(1.05, 100), number(7), word("cut")}, false},
		{"several of other sizes", several, []tensor.Tensor{floatsOf(1), number(7), word("cat")}, []tensor.Tensor{floatsOf(1, 1), number(7), word("cat")}, false},
	} {
		a, b := answerOf(t, tc.outputs, tc.a...), answerOf(t, tc.outputs, tc.b...)
		if got := answersAgree(a, b, tc.outputs, .001); got != tc.agree {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
	if answersAgree([]byte("a"), []byte("b"), nil, 1) || !answersAgree([]byte("a"), []byte("a"), nil, 0) {
		t.Error("bytes of a model without outputs")
	}
}

// FuzzReadBinary: what is read has the bytes of the answer.
func FuzzReadBinary(f *testing.F) {
	specs := []tensor.Spec{{Name: "y", Type: tensor.Float32, Shape: []int64{-1}}, {Name: "z", Type: tensor.Float32, Shape: []int64{2}}}
	f.Add(answerOf(f, specs, floatsOf(1, 2, 3), floatsOf(4, 5)))
	f.Add([]byte(`{"outputs": [{"datatype": "FP32", "parameters": {"binary_data_size": 3}}]}abc`))
	f.Add([]byte(`{"outputs": [{"parameters": {"binary_data_size": -1}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, ok := readBinary(b)
		size := 0
		for _, o := range out {
			size += len(o.Data)
		}
		if ok && size > len(b) || !ok && out != nil {
			t.Errorf("%d bytes of %d, %t", size, len(b), ok)
		}
		_ = answersAgree(b, append([]byte(" "), b...), specs, .1) // does not panic
	})
}
