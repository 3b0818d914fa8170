package profiles

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestSetField(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"t":"trial","n":31,"at":"x"}`, `{"t":"trial","n":7,"at":"x"}`},
		{`{ "n" : 31 , "why":{"n":2}, "big":18446744073709551615 }`, `{ "n" : 7 , "why":{"n":2}, "big":18446744073709551615 }`},
		{`{"n":{"deep":[1,2]}}`, `{"n":7}`},
		{`{"n":1,"x":"n","n":2}`, `{"n":1,"x":"n","n":7}`},
		{`{"t":"trial"}`, `{"t":"trial"}`},
		{`null`, `null`},
	} {
		got, err := setField([]byte(c.in), "n", 7)
		if err != nil || string(got) != c.want {
			t.Errorf("setField(%s) = %s, %v, want %s", c.in, got, err, c.want)
		}
	}
}

func FuzzSetField(f *testing.F) {
	f.Add([]byte(`{"t":"trial","n":31}`))
	f.Add([]byte(` { "n"  : "a\"b" , "x":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before map[string]json.RawMessage
		if json.Unmarshal(data, &before) != nil {
			return
		}
		got, err := setField(data, "n", 7)
		if err != nil {
			t.Fatal(err)
		}
		var after map[string]json.RawMessage
		if err := json.Unmarshal(got, &after); err != nil || len(after) != len(before) {
			t.Fatalf("%s became %s: %v", data, got, err)
		}
		for k, v := range after {
			if want := before[k]; k == "n" && string(v) != "7" || k != "n" && !bytes.Equal(v, want) {
				t.Fatalf("%s became %s", data, got)
			}
		}
	})
}
