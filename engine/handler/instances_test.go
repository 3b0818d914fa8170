package handler_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// instances returns the handler of KServe v1 for inputs.
func instances(inputs ...tensor.Spec) handler.Instances {
	t := handler.NewTensors(inputs, inputs)
	return handler.NewInstances(&t)
}

func TestInstances(t *testing.T) {
	raw := base64.StdEncoding.EncodeToString(floats(5, 6))
	one := instances(spec("x", tensor.Float32, 2))
	for _, tt := range []struct {
		name, body string
		want       string // the predictions, which are the instances again
		err        string
	}{
		{"arrays", `{"instances":[[1,2],[3,4]]}`, `[[1,2],[3,4]]`, ""},
		{"objects and others", `{"signature_name":"x", "instances" : [ {"x":[1,2]} , [3,4] ] , "more":{"instances":[1]}}`, `[[1,2],[3,4]]`, ""},
		{"base64", `{"instances":[{"b64":"` + raw + `"},{"data":{"b64":"` + raw + `"}},{"data":"` + raw + `"},{"data":[1,2]}]}`, `[[5,6],[5,6],[5,6],[1,2]]`, ""},
		{"given twice", `{"instances":[[1,2]],"instances":[[3,4]]}`, `[[1,2]]`, ""},
		{"none", `{}`, "", `no member "instances"`},
		{"empty", `{"instances":[]}`, "", "no instances"},
		{"no list", `{"instances":3}`, "", `expected "instances" to be a list`},
		{"no object", `[[1,2]]`, "", "expected an object"},
		{"second is wrong", `{"instances":[[1,2],[1,2,3]]}`, "", "instance 1: "},
		{"not base64", `{"instances":[{"b64":"*"}]}`, "", "instance 0: base64: "},
		{"ends early", `{"instances":[[1,2]`, "", "expected"},
		{"more behind", `{"instances":[[1,2]]}x`, "", "after the value"},
		{"too many", `{"instances":[` + strings.Repeat("[1,2],", 10000) + `[1,2]]}`, "", "more than 10000 instances"},
	} {
		b := payload.Body{Type: "text/plain", Data: []byte(tt.body)}
		var r payload.Request
		err := one.Decode(&r, b)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if size := one.DecodedSize(b); size < 8*int64(len(r.Items)) {
			t.Errorf("%s: estimated %d bytes for %d items", tt.name, size, len(r.Items))
		}
		a, err := one.Encode(nil, 0, payload.Answer{Items: r.Items})
		if want := `{"predictions":` + tt.want + "}\n"; err != nil || string(a.Data) != want || a.Type != handler.TypeJSON {
			t.Errorf("%s: %s %v, want %s", tt.name, a.Data, err, want)
		}
	}
}

// A model of texts takes a string under data as a text.
func TestInstancesOfTexts(t *testing.T) {
	var r payload.Request
	if err := instances(spec("data", tensor.String)).Decode(&r, payload.Body{Data: []byte(`{"instances":[{"data":"hello"}]}`)}); err != nil || len(r.Items) != 1 {
		t.Errorf("%v, %v", r.Items, err)
	}
}

// Decode never panics; what it accepts is what each instance says alone.
func FuzzInstances(f *testing.F) {
	for _, s := range []string{`{"instances":[[1,2],{"x":[3,4]}]}`, `{"instances":[{"b64":"AACAPwAAAEA="}],"a":"b"}`, `{"instances":[{"data":{"b64":"?"}}]}`, `{"instances":[[[]]`} {
		f.Add([]byte(s))
	}
	h := instances(spec("x", tensor.Float32, 2))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r payload.Request
		b := payload.Body{Data: body}
		size := h.DecodedSize(b)
		if h.Decode(&r, b) != nil {
			return
		}
		if got := r.Bytes(); len(r.Items) == 0 || got != 8*int64(len(r.Items)) || size < 0 {
			t.Fatalf("%d items of %d bytes, estimated %d", len(r.Items), got, size)
		}
		var plain struct{ Instances []json.RawMessage }
		if json.Unmarshal(body, &plain) != nil || len(plain.Instances) != len(r.Items) {
			return // given twice, or not JSON in a part that is skipped
		}
		for i, one := range plain.Instances {
			if item, err := handler.Decode("application/json", one, []tensor.Spec{spec("x", tensor.Float32, 2)}); err == nil && !bytes.Equal(item[0].Data, r.Items[i][0].Data) {
				t.Errorf("instance %d is %v, alone %v", i, r.Items[i], item)
			}
		}
	})
}

const fieldsType = "application/x-www-form-urlencoded; charset=utf-8"

func TestFields(t *testing.T) {
	one := []tensor.Spec{spec("x", tensor.Float32, 2)}
	two := []tensor.Spec{spec("a", tensor.Float32, 2), spec("n", tensor.Int64)}
	for _, tt := range []struct {
		name, body string
		inputs     []tensor.Spec
		want       string // decoded, or the error
	}{
		{"one", "x=[1,2]", one, "[1 2]"},
		{"escaped", "x=%5B1%2C+2%5D", one, "[1 2]"},
		{"data", "data=[1,2]", one, "[1 2]"},
		{"two", "n=3&a=[1,2]", two, "[1 2] [3]"},
		{"JSON", "[1,2]", one, "[1 2]"},
		{"JSON with a sign", `{"x":[1,2],"id":"a=b"}`, one, "[1 2]"},
		{"missing", "n=3", two, "missing input a"},
		{"twice", "x=[1,2]&x=[1,2]", one, `input "x" is given twice`},
		{"unknown", "x=[1,2]&y=1", one, `unknown input "y"`},
		{"wrong", "x=[1]", one, `field "x": input "x": shape [1], expected [2]`},
	} {
		item, err := handler.Decode(fieldsType, []byte(tt.body), tt.inputs)
		var got []string
		for _, v := range item {
			var numbers []string
			for i := range tensor.Count(v.Type, v.Data) {
				if v.Type == tensor.Float32 {
					numbers = append(numbers, fmt.Sprint(math.Float32frombits(binary.LittleEndian.Uint32(v.Data[4*i:]))))
				} else {
					numbers = append(numbers, fmt.Sprint(tensor.IntAt(v.Type, v.Data, int(i))))
				}
			}
			got = append(got, fmt.Sprint(numbers))
		}
		if text := strings.Join(got, " "); err == nil && text != tt.want || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s, %v, want %s", tt.name, text, err, tt.want)
		}
	}
	// Bytes that have no name at their start are no fields, though curl says so.
	if item, err := handler.Decode(fieldsType, floats(1, 2), one); err != nil || !bytes.Equal(item[0].Data, floats(1, 2)) {
		t.Errorf("raw bytes: %v, %v", item, err)
	}
}

// A file of a form whose type says nothing may be JSON.
func TestFileOfAForm(t *testing.T) {
	one := []tensor.Spec{spec("x", tensor.Float32, 2)}
	form := func(data string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"data\"; filename=\"x.json\"\r\nContent-Type: application/octet-stream\r\n\r\n" + data + "\r\n--b--\r\n"
	}
	for _, data := range []string{"[1,2]", string(floats(1, 2))} {
		if item, err := handler.Decode("multipart/form-data; boundary=b", []byte(form(data)), one); err != nil || !bytes.Equal(item[0].Data, floats(1, 2)) {
			t.Errorf("%q: %v, %v", data, item, err)
		}
	}
}

// A model of bytes gets fields as parts; they are those that net/url reads.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"data=hello+you", "a=1&b=%20&a=2", "[1,2]", "a=%zz", "=1", "a&b", "a=1&&b=2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r payload.Request
		b := payload.Body{Type: fieldsType, Data: body}
		h := new(handler.Parts)
		size := h.DecodedSize(b)
		if err := h.Decode(&r, b); err != nil {
			t.Fatal(err)
		}
		if len(r.Parts) == 1 && r.Parts[0].Name == handler.WholeBody && bytes.Equal(r.Parts[0].Data, body) {
			return
		}
		if got := r.Bytes(); got > size {
			t.Errorf("%d bytes of parts, estimated %d", got, size)
		}
		want, err := url.ParseQuery(string(body))
		if err != nil {
			return // net/url refuses semicolons
		}
		for _, p := range r.Parts {
			if values := want[p.Name]; len(values) == 0 {
				t.Errorf("part %q is not in %v", p.Name, want)
			}
		}
		_, _ = handler.Decode(fieldsType, body, []tensor.Spec{spec("data", tensor.Float32, -1)})
	})
}
