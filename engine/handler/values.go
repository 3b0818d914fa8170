package handler

import (
	"fmt"
	"math"
	"strconv"

	"sweetspot/engine/tensor"
)

// maxRank bounds the nesting of arrays, and with it the recursion.
const maxRank = 16

// values reads nested JSON arrays of numbers into little-endian bytes and finds
// their shape.
type values struct {
	scanner
	typ   tensor.Type
	data  []byte
	shape []int64 // sizes by depth; -1 until the first array of that depth ends
	index []int64 // where the reader is, for error texts
	leaf  int     // the depth of the numbers, -1 until the first
}

// readValues reads one number or array. The bytes are fresh; room is how many
// are expected.
func readValues(s *scanner, typ tensor.Type, room int) (tensor.Tensor, error) {
	v := values{scanner: *s, typ: typ, leaf: -1, data: make([]byte, 0, room)}
	err := v.read(0)
	s.i = v.i
	if err != nil {
		return tensor.Tensor{}, err
	}
	if v.leaf < 0 {
		return tensor.Tensor{}, s.fail("an empty array, expected numbers")
	}
	return tensor.Tensor{Type: typ, Shape: v.shape, Data: v.data}, nil
}

func (v *values) read(depth int) error {
	if v.peek() != '[' {
		return v.readOne(depth)
	}
	if depth == maxRank {
		return v.fail("arrays nested deeper than %d", maxRank)
	}
	if v.leaf >= 0 && depth >= v.leaf {
		return v.fail("an array%s, expected a number as before it", v.where())
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
	if known := v.shape[depth]; known >= 0 && known != n {
		return v.fail("%d values in the array%s, expected %d as in the one before it", n, v.where(), known)
	}
	v.shape[depth] = n
	v.index[depth] = 0
	return nil
}

// elements reads up to and including the closing bracket.
func (v *values) elements(depth int) (int64, error) {
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
		return 0, v.fail("%s, expected , or ]", v.found())
	}
}

func (v *values) readOne(depth int) error {
	if v.leaf < 0 && depth == len(v.shape) {
		v.leaf = depth
	}
	if depth != v.leaf {
		return v.fail("%s%s, expected an array as before it", v.found(), v.where())
	}
	if v.typ == tensor.Bool && v.word() {
		return nil
	}
	n, ok := v.number()
	if !ok {
		return v.fail("%s%s, expected a finite number", v.found(), v.where())
	}
	if !v.set(n) {
		return v.fail("%s%s is no value of type %s", n.text, v.where(), v.typ)
	}
	return nil
}

// word reads true or false.
func (v *values) word() bool {
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

// where names the element being read: " at [0 17]".
func (v *values) where() string {
	if len(v.index) == 0 {
		return ""
	}
	return fmt.Sprintf(" at %v", v.index)
}

// set appends n in the type's bytes; false if the type cannot hold it.
func (v *values) set(n number) (ok bool) {
	switch v.typ {
	case tensor.Float32:
		f, ok := n.asFloat32()
		v.data = tensor.AppendFloat32(v.data, f)
		return ok
	case tensor.Float64:
		f, ok := n.asFloat64()
		v.data = tensor.AppendFloat(v.data, v.typ, f)
		return ok
	case tensor.Float16:
		f, ok := n.asFloat32()
		v.data = tensor.AppendFloat16(v.data, f)
		return ok && !math.IsInf(tensor.At(v.typ, v.data, v.last()), 0)
	case tensor.Uint64:
		u, ok := n.unsigned()
		v.data = tensor.AppendInt(v.data, v.typ, int64(u))
		return ok
	}
	i, ok := n.integer()
	v.data = tensor.AppendInt(v.data, v.typ, i)
	return ok && tensor.IntAt(v.typ, v.data, v.last()) == i // it came through whole
}

// last is the index of the number that was put last.
func (v *values) last() int { return len(v.data)/v.typ.Size() - 1 }

// integer is the number as int64; ok is false if it is none. 1.0 and 1e3 are
// integers: JSON writers do not tell them apart.
func (n number) integer() (i int64, ok bool) {
	if n.whole && n.digits && n.mantissa <= math.MaxInt64 {
		i = int64(n.mantissa)
		if n.negative {
			i = -i
		}
		return i, true
	}
	if n.whole {
		i, err := strconv.ParseInt(string(n.text), 10, 64)
		return i, err == nil
	}
	f, ok := n.asFloat64()
	const exact = 1 << 53
	if !ok || f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, false
	}
	return int64(f), true
}

func (n number) unsigned() (u uint64, ok bool) {
	if n.whole && !n.negative {
		u, err := strconv.ParseUint(string(n.text), 10, 64)
		return u, err == nil
	}
	i, ok := n.integer()
	return uint64(i), ok && i >= 0
}
