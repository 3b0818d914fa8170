package jpeg

import (
	"encoding/binary"
	"errors"
)

// quickBits is the length of codes that are looked up at once.
const quickBits = 9

// table is a Huffman table. Codes of one length are consecutive numbers, and those of each length follow those of the
// length before (T.81, annex C).
type table struct {
	quick   [1 << quickBits]uint16 // symbol << 8 | length of the code that these bits begin with; 0: a longer one
	limit   [17]uint32             // for each length: the first 16 bits above its codes and all shorter ones
	offset  [17]int32              // for each length: index of a symbol minus its code
	symbols [256]byte
}

// huffmanTables reads tables.
func (d *decoder) huffmanTables(segment []byte) error {
	errInvalid := errors.New("the JPEG file has an invalid Huffman table")
	for len(segment) > 0 {
		if len(segment) < 17 {
			return errInvalid
		}
		class, to, n := segment[0]>>4, segment[0]&15, 0
		for _, count := range segment[1:17] {
			n += int(count)
		}
		if class > 1 || to > 3 || n > 256 || len(segment) < 17+n {
			return errInvalid
		}
		t, ok := newTable(segment[1:17], segment[17:17+n])
		if !ok {
			return errInvalid
		}
		d.huffman[class][to] = t
		segment = segment[17+n:]
	}
	return nil
}

// newTable makes a table of the numbers of codes of each length, and their symbols. It is false if
// there are more codes than their lengths allow.
func newTable(counts, symbols []byte) (*table, bool) {
	t := new(table)
	copy(t.symbols[:], symbols)
	code, index := 0, 0
	for i, count := range counts {
		length, n := i+1, int(count)
		if code+n > 1<<length {
			return nil, false
		}
		t.offset[length] = int32(index - code)
		for k := range n {
			if length > quickBits {
				break
			}
			free := quickBits - length
			for j := range 1 << free {
				t.quick[(code+k)<<free|j] = uint16(t.symbols[index+k])<<8 | uint16(length)
			}
		}
		code, index = code+n, index+n
		t.limit[length] = uint32(code) << (16 - length)
		code <<= 1
	}
	return t, true
}

// reader reads the bits of a scan. Behind the last byte before a marker, and behind the end of the file, it returns
// zeros; check tells whether they were used.
type reader struct {
	data []byte
	at   int    // of the next byte
	bits uint64 // the next bits, from the highest on
	n    int    // number of bits that are there
	pad  int    // how many of them are such zeros
	bad  bool   // an impossible code was read
}

// fill makes at least 32 bits available, the most that a code and its value have.
func (r *reader) fill() {
	if r.n >= 32 {
		return
	}
	if r.at+8 <= len(r.data) {
		next := binary.BigEndian.Uint64(r.data[r.at:])
		if !hasMarkerByte(next) {
			// The bytes that do not fit are in the lowest bits too, and come again later.
			r.bits |= next >> r.n
			r.at += (63 - r.n) >> 3
			r.n |= 56
			return
		}
	}
	r.fillSlowly()
}

// hasMarkerByte reports whether one of eight bytes is 0xff.
func hasMarkerByte(v uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	v = ^v // looks for a zero
	return (v-ones)&^v&highs != 0
}

// fillSlowly reads byte by byte. 0xff 0x00 is a byte 0xff, and 0xff with anything else a marker, before which it stops.
func (r *reader) fillSlowly() {
	for r.n <= 56 {
		b, size := byte(0), 1
		if r.at < len(r.data) {
			b = r.data[r.at]
			if b == 0xff {
				size = r.escape()
			}
		} else {
			size = 0
		}
		if size == 0 {
			r.pad += 8
			b = 0
		}
		r.at += size
		r.bits |= uint64(b) << (56 - r.n)
		r.n += 8
	}
}

// escape returns the number of bytes of the byte 0xff at the position of r: 0xff, which may be repeated, and 0. It is
// 0 if a marker is there.
func (r *reader) escape() int {
	for i := r.at + 1; i < len(r.data); i++ {
		switch r.data[i] {
		case 0:
			return i + 1 - r.at
		case 0xff:
		default:
			return 0
		}
	}
	return 0
}

// check returns an error if what was read is not in the file.
func (r *reader) check() error {
	switch {
	case r.n < r.pad && r.at+1 < len(r.data):
		return errShortData
	case r.n < r.pad:
		return errTruncated
	case r.bad:
		return errBadCode
	}
	return nil
}

// symbol reads a code. There must be at least 16 bits.
func (r *reader) symbol(t *table) byte {
	if e := t.quick[r.bits>>(64-quickBits)]; e != 0 {
		length := e & 0xff
		r.bits <<= length
		r.n -= int(length)
		return byte(e >> 8)
	}
	return r.longSymbol(t)
}

func (r *reader) longSymbol(t *table) byte {
	code := uint32(r.bits >> 48)
	for length := quickBits + 1; length <= 16; length++ {
		if code < t.limit[length] {
			r.bits <<= length
			r.n -= length
			return t.symbols[int32(code>>(16-length))+t.offset[length]]
		}
	}
	r.bad = true
	return 0
}

// value reads a number of s bits, at most 16; those that begin with 0 are negative (T.81, table F.1).
func (r *reader) value(s byte) int32 {
	v := int32(r.number(s))
	if s > 0 && v < 1<<(s-1) {
		v -= 1<<s - 1
	}
	return v
}

// number reads a number of s bits, at most 16. There must be as many.
func (r *reader) number(s byte) uint32 {
	v := uint32(r.bits >> (64 - s))
	r.bits <<= s
	r.n -= int(s)
	return v
}

// bit reads one bit, and fills r before.
func (r *reader) bit() bool {
	if r.n == 0 {
		r.fill()
	}
	return r.number(1) == 1
}
