package oip

import (
	"bytes"

	"sweetspot/engine/tensor"
)

// RequestSize estimates, without decoding it, the memory in bytes that a request takes during
// and after decoding, beside head and tail themselves. It estimates too much rather than too
// little.
func (s *Signature) RequestSize(head, tail []byte) int64 {
	const widest = 8 // bytes of the largest type of fixed size, because a client chooses it
	elements := int64(bytes.Count(head, []byte{','})) + 1
	n := widest * elements
	rows := max(elements, int64(len(tail)))
	texts, gathered := false, false
	for i := range s.Inputs {
		p := &s.Inputs[i]
		texts = texts || p.Type == tensor.String
		gathered = gathered || p.Axis > 0
		if p.Axis >= 0 && p.Fixed() && p.Type != tensor.String {
			size := max(tensor.Elements(p.Shape), 1)
			rows = min(rows, max(elements/size, int64(len(tail))/(size*int64(p.Type.Size())))+1)
		}
	}
	if texts {
		n += 2 * int64(len(head)) // as the memory grows
	}
	if gathered {
		n = 2*n + int64(len(tail))
	}
	return n + min(rows, MaxRows)*int64(len(s.Inputs)+1)*rowBytes
}
