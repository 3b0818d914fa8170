package handler

import (
	"fmt"
	"math"
	"unicode/utf8"

	"sweetspot/engine/tensor"
)

// Reader reads JSON for the codecs of other protocols, with the scanner of this package: it
// copies nothing but texts and numbers. Its errors name the byte. The zero Reader is at the
// end; NewReader starts at the beginning of a text.
type Reader struct{ s scanner }

// NewReader returns a reader of b, which must not change while the reader is in use.
func NewReader(b []byte) Reader { return Reader{scanner{b: b}} }

// Next skips white space and returns the next byte, or 0 at the end.
func (r *Reader) Next() byte { return r.s.peek() }

// Object calls member for every key of an object; member must read the value of the key.
func (r *Reader) Object(member func(key string) error) error {
	if !r.s.accept('{') {
		return r.s.errorf("%s, expected an object", r.s.describeNext())
	}
	if r.s.accept('}') {
		return nil
	}
	for {
		key, err := r.Text()
		if err != nil {
			return err
		}
		if !r.s.accept(':') {
			return r.s.errorf("%s, expected : after %q", r.s.describeNext(), key)
		}
		if err := member(key); err != nil {
			return err
		}
		if r.s.accept('}') {
			return nil
		}
		if !r.s.accept(',') {
			return r.s.errorf("%s, expected , or }", r.s.describeNext())
		}
	}
}

// List calls element for each element of an array; element must read it.
func (r *Reader) List(element func() error) error {
	if !r.s.accept('[') {
		return r.s.errorf("%s, expected an array", r.s.describeNext())
	}
	if r.s.accept(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if r.s.accept(']') {
			return nil
		}
		if !r.s.accept(',') {
			return r.s.errorf("%s, expected , or ]", r.s.describeNext())
		}
	}
}

// Text reads a string. One without escapes needs no parser.
func (r *Reader) Text() (string, error) {
	token, err := r.s.stringToken()
	if err != nil {
		return "", err
	}
	if plain := token[1 : len(token)-1]; isPlain(plain) {
		return known(plain), nil
	}
	text, err := unquote(token)
	if err != nil {
		return "", r.s.errorf("%v", err)
	}
	return text, nil
}

// known returns b as a string, which is not allocated for the frequent ones of the Open Inference
// Protocol.
func known(b []byte) string {
	if len(b) <= longestWord {
		if w, ok := words[string(b)]; ok {
			return w
		}
	}
	return string(b)
}

// words are the frequent texts.
var words = func() map[string]string {
	out := map[string]string{}
	for _, w := range []string{
		"id", "inputs", "outputs", "parameters", "name", "shape", "datatype", "data", "binary_data_size", "binary_data", "binary_data_output",
		"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BF16", "BYTES",
	} {
		out[w] = w
	}
	return out
}()

// longestWord is the length of the longest of them.
const longestWord = len("binary_data_output")

// Int reads an integer.
func (r *Reader) Int() (int64, error) {
	r.s.peek()
	at := r.s
	n, ok := r.s.number()
	if ok {
		var i int64
		if i, ok = n.integer(); ok {
			return i, nil
		}
	}
	r.s = at
	return 0, r.s.errorf("%s, expected an integer", r.s.describeNext())
}

// Ints appends the integers of an array to dst.
func (r *Reader) Ints(dst []int64) ([]int64, error) {
	err := r.List(func() error {
		i, err := r.Int()
		dst = append(dst, i)
		return err
	})
	return dst, err
}

// Bool reads true or false.
func (r *Reader) Bool() (bool, error) {
	r.s.peek()
	v := arrayReader{scanner: r.s}
	if !v.readBool() {
		return false, r.s.errorf("%s, expected true or false", r.s.describeNext())
	}
	r.s.i = v.i
	return v.data[0] == 1, nil
}

// Values reads a value of type t, or an array of them, nested to any shape of equal sizes.
// elements is their expected number, for the memory; it may be wrong. NaN and infinities are
// legal for floating point, as texts and as Python writes them.
func (r *Reader) Values(t tensor.Type, elements int64) (tensor.Tensor, error) {
	const textGuess = 16
	size := max(int64(t.Size()), 1)
	if t == tensor.String {
		size = textGuess
	}
	rest := int64(len(r.s.b) - r.s.i)
	// A JSON value and its comma have at least two bytes.
	capacity := min(max(elements, 0), rest/2+1, math.MaxInt32) * size
	return readValues(&r.s, t, int(capacity))
}

// Skip reads a value of any kind and returns its bytes. It checks only brackets and strings.
func (r *Reader) Skip() ([]byte, error) { return r.s.skip() }

// SkipLater skips a value of any kind and returns a reader of it alone, whose errors name the
// same bytes.
func (r *Reader) SkipLater() (Reader, error) {
	r.s.peek()
	start := r.s.i
	_, err := r.s.skip()
	return Reader{scanner{b: r.s.b[:r.s.i], i: start}}, err
}

// End returns an error if there is more than white space.
func (r *Reader) End() error { return r.s.expectEnd() }

// AppendText appends s as a JSON string.
func AppendText(dst []byte, s string) []byte {
	if !isASCIIText(s) {
		return AppendString(dst, s)
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// isASCIIText reports whether s is its own JSON without escapes, also inside HTML.
func isASCIIText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '\\' || c == '"' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// AppendFlat appends the values of t as one JSON array, whatever its shape is. NaN and
// infinities are the texts "NaN", "Infinity" and "-Infinity". It returns an error for a text
// that JSON cannot have, because it is not UTF-8.
func AppendFlat(dst []byte, t tensor.Tensor) ([]byte, error) {
	dst = append(dst, '[')
	if t.Type == tensor.String {
		texts, ok := tensor.Texts(t.Data)
		if !ok {
			return dst, fmt.Errorf("%d bytes are no texts", len(t.Data))
		}
		for i, text := range texts {
			if !utf8.ValidString(text) {
				return dst, fmt.Errorf("text %d is not UTF-8", i)
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendText(dst, text)
		}
		return append(dst, ']'), nil
	}
	size := t.Type.Size()
	for i := 0; i < len(t.Data); i += size {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, t.Type, t.Data[i:])
	}
	return append(dst, ']'), nil
}
