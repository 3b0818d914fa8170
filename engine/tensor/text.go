package tensor

import "fmt"

// A STRING element is its length in bytes as a little-endian uint32 and then its bytes, as in
// the binary data of the Open Inference Protocol. Size is 0, because it varies.

// textHead is the number of bytes before the text.
const textHead = 4

// AppendText appends s to dst as a STRING.
func AppendText(dst []byte, s string) []byte {
	return append(little.AppendUint32(dst, uint32(len(s))), s...)
}

// Texts returns the elements of data, which are STRINGs. It returns false if data is not a
// number of whole elements.
func Texts(data []byte) ([]string, bool) {
	out := []string{}
	for len(data) > 0 {
		n, ok := textSize(data)
		if !ok {
			return nil, false
		}
		out = append(out, string(data[textHead:n]))
		data = data[n:]
	}
	return out, true
}

// textSize is the size of the first element of data.
func textSize(data []byte) (int, bool) {
	if len(data) < textHead {
		return 0, false
	}
	n := int64(little.Uint32(data)) + textHead
	return int(n), n <= int64(len(data))
}

// Count returns the number of elements of type t in data; -1 if they are not whole.
func Count(t Type, data []byte) int64 {
	if t == String {
		n := int64(0)
		for len(data) > 0 {
			size, ok := textSize(data)
			if !ok {
				return -1
			}
			data = data[size:]
			n++
		}
		return n
	}
	if len(data)%t.Size() != 0 {
		return -1
	}
	return int64(len(data) / t.Size())
}

// JoinTexts is the inverse of Texts.
func JoinTexts(texts []string) []byte {
	out := []byte{}
	for _, s := range texts {
		out = AppendText(out, s)
	}
	return out
}

// madeUpText is the text with the number n.
func madeUpText(n int64) string { return fmt.Sprintf("text %d", n) }
