package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"sweetspot/engine/tensor"
)

// unquote returns the value of a JSON string with its quotes. encoding/json would replace what
// is no character, so that the model would get another text than was sent.
func unquote(token []byte) (string, error) {
	inside := token[1 : len(token)-1]
	if isPlain(inside) {
		return string(inside), nil
	}
	if !utf8.Valid(inside) {
		return "", errors.New("a string is not UTF-8")
	}
	if half := loneSurrogate(inside); half != "" {
		return "", fmt.Errorf("a string has %s, which is half of a pair and no character", half)
	}
	var out string
	if err := json.Unmarshal(token, &out); err != nil {
		return "", fmt.Errorf("string: %v", err)
	}
	return out, nil
}

// isPlain reports whether the inside of a JSON string is its value: ASCII without escapes.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c >= utf8.RuneSelf || c == '\\' || c == '"' {
			return false
		}
	}
	return true
}

// loneSurrogate returns the first escape in the inside of a JSON string that is a surrogate
// without its other half; "" if there is none.
func loneSurrogate(b []byte) string {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(b[i:])
		switch {
		case !ok:
			i++ // a short escape such as \\, whose second character begins none
		case isHigh(unit):
			if low, ok := escapedUnit(b[i+escapeLength:]); !ok || !isLow(low) {
				return string(b[i : i+escapeLength])
			}
			i += 2*escapeLength - 1
		case isLow(unit):
			return string(b[i : i+escapeLength])
		}
	}
	return ""
}

// escapeLength is the length of \u0041.
const escapeLength = 6

// escapedUnit returns the UTF-16 that b begins with as an escape such as \u0041.
func escapedUnit(b []byte) (unit uint64, ok bool) {
	if len(b) < escapeLength || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(b[2:escapeLength]), 16, 16)
	return unit, err == nil
}

func isHigh(unit uint64) bool { return 0xd800 <= unit && unit < 0xdc00 }

func isLow(unit uint64) bool { return 0xdc00 <= unit && unit < 0xe000 }

// CheckCharset reports that the content type of a text names a charset in which the characters of
// body have other bytes than in UTF-8. It has no error for a type that is no text.
func CheckCharset(contentType string, body []byte) error {
	if !strings.Contains(contentType, ";") {
		return nil
	}
	e, params, err := encodingOf(contentType)
	if err != nil {
		return nil // other code judges the type
	}
	return checkCharset(e, params, body)
}

// checkCharset is CheckCharset for a body of an encoding, whose content type has the parameters.
// Clients in Java write charset=ISO-8859-1 behind most types: a body of ASCII is the same in it.
func checkCharset(e encoding, params map[string]string, body []byte) error {
	if e != jsonEncoding && e != textEncoding {
		return nil
	}
	name := strings.ToLower(params["charset"])
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return nil
	}
	for _, family := range []string{"iso-8859-", "iso8859", "latin", "windows-125", "cp125"} {
		if strings.HasPrefix(name, family) && isASCII(body) && !(e == textEncoding && bytes.IndexByte(body, '%') >= 0) {
			return nil // and no escape of a form stands for other characters
		}
	}
	return fmt.Errorf("charset %q is not supported; send UTF-8", params["charset"])
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isOneText reports whether the value of an input is exactly one text, which needs no length
// before it and no quotes.
func isOneText(s tensor.Spec) bool { return s.Type == tensor.String && tensor.Elements(s.Shape) == 1 }

// isQuoted reports whether data of an encoding are JSON with texts, and not the text itself.
func isQuoted(e encoding, data []byte) bool {
	switch (&scanner{b: data}).peek() {
	case '[', '{':
		return json.Valid(data)
	case '"':
		return e == textEncoding && json.Valid(data)
	}
	return false
}

// decodeText decodes data that are not marked as raw and not JSON for an input of one text: that
// text, or a raw one with its length before it. The length has a NUL, which no text has.
func (d decoder) decodeText(data []byte, s tensor.Spec) (tensor.Tensor, error) {
	if t, err := d.decodeRaw("", data, s); err == nil {
		return t, nil
	}
	if !utf8.Valid(data) {
		return tensor.Tensor{}, fmt.Errorf("input %q: the text is not UTF-8; %s", s.Name, d.hintOne(s))
	}
	return tensor.Tensor{Type: tensor.String, Shape: s.Shape, Data: tensor.AppendText(nil, string(data))}, nil
}

// checkBareText refuses a body of the type of fields that may be one text or something else: a
// field whose name is no input, or a text with the escapes of fields, which only some clients
// write. Clients such as curl give this type to every body.
func (d decoder) checkBareText(contentType string, body []byte) error {
	if !d.alone() || !isOneText(d.inputs[0]) || !isFieldsType(contentType) || isQuoted(textEncoding, body) {
		return nil
	}
	plain, err := url.QueryUnescape(string(body))
	name, _, isField := strings.Cut(plain, "=")
	if err == nil && (plain != string(body) || isField && isFieldName(name)) {
		return fmt.Errorf("the body may be a text or the fields of a form; send it as text/plain, or as %s=TEXT", d.inputs[0].Name)
	}
	return nil
}

// checkTextOutputs reports the first text that JSON cannot have. encoding/json would replace its
// bytes, so that the caller would get another text than the model returned. The error wraps
// ErrNotAcceptable.
func checkTextOutputs(outputs []tensor.Spec, item tensor.Item) error {
	for i, t := range item {
		if t.Type != tensor.String {
			continue
		}
		texts, _ := tensor.Texts(t.Data)
		for k, text := range texts {
			if !utf8.ValidString(text) {
				return fmt.Errorf("%w: text %d of the output %q is not UTF-8, which JSON cannot have; ask for bytes, with Accept: %s", ErrNotAcceptable, k, outputs[i].Name, TypeRaw)
			}
		}
	}
	return nil
}
