package handler

import (
	"fmt"
	"math"
	"strings"

	"sweetspot/engine/tensor"
)

// maxRank bounds the nesting of arrays, and so the recursion.
const maxRank = 16

// arrayReader reads nested JSON arrays of numbers into little-endian bytes and determines
// their shape.
type arrayReader struct {
	scanner
	typ         tensor.Type
	data        []byte
	shape       []int64 // sizes by depth; -1 until the first array of that depth ends
	index       []int64 // indices of the current element, for error texts
	scalarDepth int     // depth of the numbers; -1 until the first number
}

// readValues reads one number or array into new memory; capacity is the expected number of
// bytes.
func readValues(s *scanner, typ tensor.Type, capacity int) (tensor.Tensor, error) {
	v := arrayReader{scanner: *s, typ: typ, scalarDepth: -1, data: make([]byte, 0, capacity)}
	err := v.read(0)
	s.i = v.i
	if err != nil {
		return tensor.Tensor{}, err
	}
	return tensor.Tensor{Type: typ, Shape: v.shape, Data: v.data}, nil
}

func (v *arrayReader) read(depth int) error {
	if v.peek() != '[' {
		return v.readScalar(depth)
	}
	if depth == maxRank {
		return v.errorf("arrays nested deeper than %d", maxRank)
	}
	if v.scalarDepth >= 0 && depth >= v.scalarDepth {
		return v.errorf("an array%s, expected a number as before it", v.indexText())
	}
	if depth == len(v.shape) {
		v.shape = append(v.shape, -1)
		v.index = append(v.index, 0)
	}
	v.i++
	n, err := v.elements(depth)
	if err != nil {
		return err
	}
	if size := v.shape[depth]; size >= 0 && size != n {
		return v.errorf("%d values in the array%s, expected %d as in the one before it", n, v.indexText(), size)
	}
	v.shape[depth] = n
	v.index[depth] = 0
	return nil
}

// elements reads up to and including the closing bracket.
func (v *arrayReader) elements(depth int) (int64, error) {
	if v.accept(']') {
		return 0, nil
	}
	for n := int64(1); ; n++ {
		v.index[depth] = n - 1
		if err := v.read(depth + 1); err != nil {
			return 0, err
		}
		if v.accept(',') {
			continue
		}
		if v.accept(']') {
			return n, nil
		}
		return 0, v.errorf("%s, expected , or ]", v.describeNext())
	}
}

func (v *arrayReader) readScalar(depth int) error {
	if v.scalarDepth < 0 && depth == len(v.shape) {
		v.scalarDepth = depth
	}
	if depth != v.scalarDepth {
		return v.errorf("%s%s, expected an array as before it", v.describeNext(), v.indexText())
	}
	switch {
	case v.typ == tensor.Bool && v.readBool():
		return nil
	case v.typ == tensor.String:
		return v.readText()
	}
	n, ok := v.number()
	if !ok && v.typ.IsFloat() {
		return v.readNonFinite()
	}
	if !ok {
		return v.errorf("%s%s, expected a number", v.describeNext(), v.indexText())
	}
	if !v.appendNumber(n) {
		return v.errorf("%s%s is not a value of type %s", n.text, v.indexText(), v.typ)
	}
	return nil
}

// nonFinite are the numbers that JSON has no syntax for: strings here, and without quotes
// what Python's json module writes.
var nonFinite = [...]struct {
	text  string
	value float64
}{
	{`"NaN"`, math.NaN()},
	{`"Infinity"`, math.Inf(1)},
	{`"-Infinity"`, math.Inf(-1)},
	{`NaN`, math.NaN()},
	{`Infinity`, math.Inf(1)},
	{`-Infinity`, math.Inf(-1)},
}

// readNonFinite reads a NaN or an infinity.
func (v *arrayReader) readNonFinite() error {
	for _, n := range nonFinite {
		if rest := v.b[v.i:]; len(rest) >= len(n.text) && string(rest[:len(n.text)]) == n.text {
			v.i += len(n.text)
			v.data = tensor.AppendFloat(v.data, v.typ, n.value)
			return nil
		}
	}
	return v.errorf(`%s%s, expected a number, "NaN", "Infinity" or "-Infinity"`, v.describeNext(), v.indexText())
}

// readText reads a string. ONNX Runtime ends texts at a NUL.
func (v *arrayReader) readText() error {
	text, err := v.readString()
	if err != nil {
		return err
	}
	if strings.ContainsRune(text, 0) {
		return v.errorf("a text%s has a NUL character, which a model cannot take", v.indexText())
	}
	v.data = tensor.AppendText(v.data, text)
	return nil
}

// readBool reads true or false.
func (v *arrayReader) readBool() bool {
	rest := v.b[v.i:]
	switch {
	case len(rest) >= 4 && string(rest[:4]) == "true":
		v.i += 4
		v.data = append(v.data, 1)
		return true
	case len(rest) >= 5 && string(rest[:5]) == "false":
		v.i += 5
		v.data = append(v.data, 0)
		return true
	}
	return false
}

// indexText formats the indices of the current element: " at [0 17]".
func (v *arrayReader) indexText() string {
	if len(v.index) == 0 {
		return ""
	}
	return fmt.Sprintf(" at %v", v.index)
}

// appendNumber appends n as a value of the type; false if it is out of range.
func (v *arrayReader) appendNumber(n number) (ok bool) {
	switch v.typ {
	case tensor.Float32:
		f, ok := n.asFloat32()
		v.data = tensor.AppendFloat32(v.data, f)
		return ok
	case tensor.Float64:
		f, ok := n.asFloat64()
		v.data = tensor.AppendFloat(v.data, v.typ, f)
		return ok
	case tensor.Float16, tensor.BFloat16:
		f, ok := n.forRounding()
		v.data = tensor.AppendFloat(v.data, v.typ, f)
		return ok && !math.IsInf(tensor.At(v.typ, v.data, v.lastIndex()), 0)
	case tensor.Uint64:
		u, ok := n.unsigned()
		v.data = tensor.AppendInt(v.data, v.typ, int64(u))
		return ok
	}
	i, ok := n.integer()
	v.data = tensor.AppendInt(v.data, v.typ, i)
	return ok && tensor.IntAt(v.typ, v.data, v.lastIndex()) == i // it reads back unchanged
}

// lastIndex is the index of the last appended number.
func (v *arrayReader) lastIndex() int { return len(v.data)/v.typ.Size() - 1 }
