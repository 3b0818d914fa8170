package handler_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// textsOf is one input of n texts.
func textsOf(n int64) []tensor.Spec { return []tensor.Spec{spec("s", tensor.String, n)} }

// A text arrives as it was sent or not at all: what is no character is not replaced.
func TestTextsOfJSON(t *testing.T) {
	for _, tt := range []struct{ media, body, want, err string }{
		{"application/json", `["größe"]`, "größe", ""},
		{"application/json", `["\ud83d\ude00 \uD83D\uDE00 \\ud800 \"\u00e4\n"]`, "😀 😀 \\ud800 \"ä\n", ""},
		{"application/json", `["\ufffd�"]`, "\ufffd\ufffd", ""},
		{"application/json; charset=UTF-8", `["ä"]`, "ä", ""},
		{"application/json; charset=us-ascii", `["a"]`, "a", ""},
		{"application/json; charset=ISO-8859-1", `["a\u00e4"]`, "aä", ""},
		{"application/json", "[\"\xff\"]", "", "JSON, byte 4: a string is not UTF-8"},
		{"application/json", "[\"\xe4\"]", "", "a string is not UTF-8"},
		{"application/json", "[\"\xed\xa0\x80\"]", "", "a string is not UTF-8"},
		{"application/json", "{\"s\xff\": [\"a\"]}", "", "a string is not UTF-8"},
		{"application/json", `["\ud800"]`, "", `a string has \ud800, which is half of a pair`},
		{"application/json", `["a\uDC00"]`, "", `a string has \uDC00`},
		{"application/json", `["\ud800\u0041"]`, "", `a string has \ud800`},
		{"application/json", `["\ud83d\ude00\ud800\ud800"]`, "", `a string has \ud800`},
		{"application/json", `["\\\ud800"]`, "", `a string has \ud800`},
		{"application/json", `["\ud83d\nude00"]`, "", `a string has \ud83d`},
		{"application/json; charset=iso-8859-1", `["ä"]`, "", `charset "iso-8859-1" is not supported; send UTF-8`},
		{"application/json; Charset=utf-16", `["a"]`, "", `charset "utf-16" is not supported`},
		{"application/x-www-form-urlencoded; charset=windows-1252", `["%C3%A4"]`, "", `charset "windows-1252" is not supported`},
		{form, part("Content-Type: application/json; charset=latin1", "[\"\xc3\xa4\"]"), "", `input "x": charset "latin1" is not supported`},
	} {
		inputs := textsOf(1)
		if tt.media == form {
			inputs[0].Name = "x"
		}
		item, err := handler.Decode(tt.media, []byte(tt.body), inputs)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Decode(%q, %q) = %v, %v, want %s", tt.media, tt.body, item, err, tt.err)
			}
		case err != nil:
			t.Errorf("Decode(%q, %q): %v", tt.media, tt.body, err)
		default:
			if got, _ := tensor.Texts(item[0].Data); len(got) != 1 || got[0] != tt.want {
				t.Errorf("Decode(%q, %q) = %q, want %q", tt.media, tt.body, got, tt.want)
			}
		}
	}
	latin := payload.Body{Type: "application/json; charset=iso-8859-1", Data: []byte(`{"instances":["ä"]}`)}
	if err := instances(spec("s", tensor.String)).Decode(new(payload.Request), latin); err == nil {
		t.Error("instances in another charset are accepted")
	}
}

// A text of the model that JSON cannot have is an error, and its bytes are for who asks for them.
func TestTextsInAnswers(t *testing.T) {
	h := handler.NewTensors(textsOf(1), textsOf(1))
	bad := tensor.Item{{Type: tensor.String, Shape: []int64{1}, Data: tensor.JoinTexts([]string{"a\xff"})}}
	for _, items := range [][]tensor.Item{{bad}, {bad, bad}} {
		if b, err := h.Encode(nil, payload.Format(handler.JSON), payload.Answer{Items: items}); err == nil || !strings.Contains(err.Error(), "Accept: application/octet-stream") {
			t.Errorf("Encode(%d items) = %q, %v", len(items), b.Data, err)
		}
	}
	two := append(textsOf(1), textsOf(1)...)
	if b, err := handler.Encode(nil, handler.JSON, two, append(bad, bad...)); err == nil {
		t.Errorf("Encode of two outputs = %q", b.Data)
	}
	if b, err := h.Encode(nil, payload.Format(handler.Raw), payload.Answer{Items: []tensor.Item{bad}}); err != nil || !bytes.Equal(b.Data, bad[0].Data) {
		t.Errorf("Encode as bytes = %q, %v", b.Data, err)
	}
}

// An accepted string has the text that encoding/json reads, and no character that replaces
// others.
func FuzzText(f *testing.F) {
	for _, s := range []string{`"a\u00e4\n"`, `"\ud83d\ude00"`, `"\ud800"`, `"\\ud800"`, "\"\xff\"", `"\ud800\udbff\udc00"`, `"�"`, `"\q"`, `"\u12"`} {
		f.Add([]byte(s))
	}
	inputs := []tensor.Spec{spec("s", tensor.String)}
	f.Fuzz(func(t *testing.T, body []byte) {
		item, err := handler.Decode("application/json", body, inputs)
		if err != nil || bytes.IndexByte(body, '"') > 0 && bytes.ContainsAny(body, "{[") {
			return
		}
		got, _ := tensor.Texts(item[0].Data)
		var want string
		if err := json.Unmarshal(body, &want); err != nil || len(got) != 1 || got[0] != want {
			t.Fatalf("Decode(%q) = %q, encoding/json says %q, %v", body, got, want, err)
		}
		same := strings.Count(want, "\ufffd")
		if own := bytes.Count(body, []byte("\ufffd")) + bytes.Count(bytes.ToLower(body), []byte(`\ufffd`)); same > own {
			t.Errorf("Decode(%q) = %q", body, want)
		}
	})
}
