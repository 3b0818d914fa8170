package handler_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

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

// An input of one text takes that text as a body, a field or a part; what may be something else
// is refused.
func TestOneText(t *testing.T) {
	const fields = "application/x-www-form-urlencoded"
	k := spec("k", tensor.Int64)
	k.Optional = true
	raw := string(tensor.JoinTexts([]string{"hello"}))
	for _, tt := range []struct {
		name, media, body string
		want, err         string
	}{
		{"text", "text/plain", "hello", "hello", ""},
		{"text with a charset", "text/plain; charset=utf-8", "größe", "größe", ""},
		{"text of a number", "text/plain", "123", "123", ""},
		{"text that begins as JSON", "text/plain", `[sic] "a"`, `[sic] "a"`, ""},
		{"quoted text", "text/plain", `"hello"`, "hello", ""},
		{"JSON as text", "text/plain", `{"s":["hello"]}`, "hello", ""},
		{"two texts as text", "text/plain", `["a","b"]`, "", `shape [2], expected [1]`},
		{"another input as text", "text/plain", `{"x":["a"]}`, "", `unknown input "x"`},
		{"no type", "", "hello\n", "hello\n", ""},
		{"no type, JSON", "", `["hello"]`, "hello", ""},
		{"no type, two texts", "", `["a","b"]`, "", `shape [2], expected [1]`},
		{"no type, quotes", "", `"hello"`, `"hello"`, ""},
		{"no type, raw", "", raw, "hello", ""},
		{"curl --data-binary of raw", fields, raw, "hello", ""},
		{"raw", "application/octet-stream", raw, "hello", ""},
		{"text as raw", "application/octet-stream", "hello", "", "not texts with their lengths before them"},
		{"field", fields, "s=hello+w%C3%B6rld", "hello wörld", ""},
		{"field of a number", fields, "s=123", "123", ""},
		{"field of JSON", fields, "s=%5B%22a%22%5D", "a", ""},
		{"field that begins as JSON", fields, "data=[sic", "[sic", ""},
		{"empty field", fields, "s=", "", ""},
		{"field that is not UTF-8", fields, "s=%FF", "", "the text is not UTF-8"},
		{"curl -d", fields, "hello world, 100% = all", "hello world, 100% = all", ""},
		{"field of another name", fields, "x=hello", "", "send it as text/plain, or as s=TEXT"},
		{"escapes", fields, "hello%20world", "", "send it as text/plain, or as s=TEXT"},
		{"plus", fields, "a+b", "", "send it as text/plain, or as s=TEXT"},
		{"part", form, parts("s=hello"), "hello", ""},
		{"part of JSON", form, parts(`s=["hello"]`), "hello", ""},
		{"part of two texts", form, parts(`s=["a","b"]`), "", `shape [2], expected [1]`},
		{"part that begins as JSON", form, parts(`s={"`), `{"`, ""},
		{"file", form, strings.Replace(part("Content-Type: application/octet-stream", "hello"), `"x"`, `"s"; filename="a"`, 1), "hello", ""},
		{"file of raw", form, strings.Replace(part("Content-Type: application/octet-stream", raw), `"x"`, `"s"; filename="a"`, 1), "hello", ""},
		{"raw part", form, strings.Replace(part("Content-Type: application/octet-stream", "hello"), `"x"`, `"s"`, 1), "", "not texts with their lengths before them"},
		{"not UTF-8", "text/plain", "\xff", "", "the text is not UTF-8; send"},
		{"another charset", "text/plain; charset=iso-8859-1", "ä", "", `charset "iso-8859-1" is not supported`},
		{"NUL", "text/plain", "a\x00b", "", "input \"s\": text 0 has a NUL character, which a model cannot take"},
		{"raw NUL", "application/octet-stream", "\x03\x00\x00\x00a\x00b", "", "input \"s\": text 0 has a NUL character, which a model cannot take"},
		{"field with NUL", fields, "s=a%00b", "", "input \"s\": text 0 has a NUL character, which a model cannot take"},
	} {
		for _, inputs := range [][]tensor.Spec{textsOf(1), {textsOf(1)[0], k}} {
			item, err := handler.Decode(tt.media, []byte(tt.body), inputs)
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%s: %v, %v, want %s", tt.name, item, err, tt.err)
				}
			case err != nil:
				t.Errorf("%s: %v", tt.name, err)
			default:
				if got, _ := tensor.Texts(item[0].Data); len(got) != 1 || got[0] != tt.want {
					t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
				}
				if err := inputs[0].Check(item[0]); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
		}
	}
	if item, err := handler.Decode("text/plain", []byte("hello"), textsOf(2)); err == nil {
		t.Errorf("one text for two is %v", item)
	}
}

// A body without a mark is the text itself, JSON of texts, or raw: nothing in between.
func FuzzOneText(f *testing.F) {
	for _, s := range []string{"hello", `["a"]`, `"a"`, "s=a+b", "a%20b", "\x01\x00\x00\x00a", "\xff", "[", "{}", "s=%ff"} {
		f.Add([]byte(s), "text/plain")
		f.Add([]byte(s), "application/x-www-form-urlencoded")
		f.Add([]byte(s), "")
	}
	f.Fuzz(func(t *testing.T, body []byte, media string) {
		if media != "" && media != "text/plain" && media != "application/x-www-form-urlencoded" {
			return
		}
		item, err := handler.Decode(media, body, textsOf(1))
		if err != nil {
			return
		}
		texts, _ := tensor.Texts(item[0].Data)
		if !utf8.ValidString(texts[0]) { // raw, and without a form in JSON
			return
		}
		checkDecode(t, media, body, textsOf(1))
		if !json.Valid(body) && texts[0] != string(body) && string(item[0].Data) != string(body) && !strings.Contains(media, "form") {
			t.Errorf("Decode(%q, %q) = %q", media, body, texts)
		}
	})
}

// A text of the model that JSON cannot have is an error, and its bytes are for who asks for them.
func TestTextsInAnswers(t *testing.T) {
	h := handler.NewTensors(textsOf(1), textsOf(1))
	bad := tensor.Item{{Type: tensor.String, Shape: []int64{1}, Data: tensor.JoinTexts([]string{"a\xff"})}}
	for _, items := range [][]tensor.Item{{bad}, {bad, bad}} {
		if b, err := h.Encode(nil, payload.Format(handler.JSON), payload.Answer{Items: items}); !errors.Is(err, handler.ErrNotAcceptable) || !strings.Contains(err.Error(), "Accept: application/octet-stream") {
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
