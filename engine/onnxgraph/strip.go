package onnxgraph

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	maxGraphBytes = 256 << 20 // of a graph without weights; the largest that we know has 40 MB
	maxDepth      = 64        // of messages; each nested subgraph adds three
	keptBytes     = 4 << 10   // of a tensor: default values and constants that say how others are used
)

var errTruncated = errors.New("the file ends too early and was probably cut off; copy or download it again")

// messageKind is a kind of message that may contain tensors, so that the scan parses it. All
// other fields are copied unchanged.
type messageKind uint8

const (
	other messageKind = iota
	model
	graph
	node
	attribute
	denseTensor
	sparseTensor
	function
)

// childKind returns the kind of the message in field f of m.
func childKind(m messageKind, f protowire.Number) messageKind {
	switch {
	case m == model && f == 7, m == attribute && (f == 6 || f == 11):
		return graph
	case m == model && f == 25:
		return function
	case m == graph && f == 1, m == function && f == 7:
		return node
	case m == node && f == 5:
		return attribute
	case m == graph && f == 5, m == attribute && (f == 5 || f == 10), m == sparseTensor && (f == 1 || f == 2):
		return denseTensor
	case m == graph && f == 15:
		return sparseTensor
	}
	return other
}

// isTensorData reports whether field f of m has the numbers of a tensor.
func isTensorData(m messageKind, f protowire.Number) bool {
	return m == denseTensor && (f >= 4 && f <= 7 || f >= 9 && f <= 11)
}

// stripWeights copies the model in r without the numbers of its tensors, except of those with
// at most keptBytes. Its memory is bounded by the actual size of r, not by the lengths in its
// fields.
func stripWeights(r io.Reader) ([]byte, error) {
	s := scanner{r: bufio.NewReaderSize(r, 64<<10)}
	return s.message(model, math.MaxInt64, 0)
}

type scanner struct {
	r    *bufio.Reader
	kept int // bytes copied so far
}

// message copies a message of n bytes; MaxInt64 reads to the end of the input.
// It writes new lengths, because the contents become shorter.
func (s *scanner) message(m messageKind, n int64, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("messages are nested deeper than %d", maxDepth)
	}
	toEnd := n == math.MaxInt64
	var out []byte
	for n > 0 {
		tag, used, err := s.varint()
		if err == io.EOF && toEnd {
			return out, nil
		} else if err != nil {
			return nil, truncated(err)
		}
		n -= used
		field, typ := protowire.DecodeTag(tag)
		if field < 1 {
			return nil, errors.New("a field has no valid number")
		}
		if out, used, err = s.field(out, m, field, typ, n, depth); err != nil {
			return nil, err
		}
		n -= used
	}
	if n < 0 {
		return nil, errors.New("a field is longer than its message")
	}
	return out, nil
}

// field appends one field to out and returns the number of input bytes after its tag; left
// is the number of bytes left in its message.
func (s *scanner) field(out []byte, m messageKind, f protowire.Number, typ protowire.Type, left int64, depth int) ([]byte, int64, error) {
	start := len(out)
	out = protowire.AppendTag(out, f, typ)
	var used int64
	var err error
	switch typ {
	case protowire.VarintType:
		var v uint64
		v, used, err = s.varint()
		out = protowire.AppendVarint(out, v)
	case protowire.Fixed32Type:
		used = 4
		out, err = s.copy(out, used)
	case protowire.Fixed64Type:
		used = 8
		out, err = s.copy(out, used)
	case protowire.BytesType:
		var size uint64
		if size, used, err = s.varint(); err != nil {
			break
		}
		if size > uint64(max(left-used, 0)) {
			return nil, 0, errors.New("a field is longer than its message")
		}
		used += int64(size)
		if isTensorData(m, f) && size > keptBytes {
			out = out[:start]
			_, err = s.r.Discard(int(size))
			break
		}
		out, err = s.bytes(out, childKind(m, f), int64(size), depth)
	default:
		return nil, 0, fmt.Errorf("wire type %d is not used by ONNX", typ)
	}
	return out, used, truncated(err)
}

// bytes appends a field of size bytes. It parses the field if it is a message that may
// contain tensors.
func (s *scanner) bytes(out []byte, m messageKind, size int64, depth int) ([]byte, error) {
	if m != other {
		inner, err := s.message(m, size, depth+1)
		return protowire.AppendBytes(out, inner), err
	}
	out = protowire.AppendVarint(out, uint64(size))
	return s.copy(out, size)
}

// copy appends n bytes of input. The buffer grows in steps, because n may be wrong.
func (s *scanner) copy(out []byte, n int64) ([]byte, error) {
	if s.kept += int(min(n, maxGraphBytes+1)); s.kept > maxGraphBytes {
		return nil, fmt.Errorf("the graph without weights is larger than %d MB", maxGraphBytes>>20)
	}
	for n > 0 {
		step := int(min(n, 64<<10))
		out = slices.Grow(out, step)
		end := len(out) + step
		if _, err := io.ReadFull(s.r, out[len(out):end]); err != nil {
			return nil, err
		}
		out, n = out[:end], n-int64(step)
	}
	return out, nil
}

// varint reads a number and returns its number of bytes. io.EOF means that the input ended
// before its first byte.
func (s *scanner) varint() (v uint64, used int64, err error) {
	for used < 10 {
		b, err := s.r.ReadByte()
		if err != nil {
			if err == io.EOF && used > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, used, err
		}
		v |= uint64(b&0x7f) << (7 * used)
		used++
		if b < 0x80 {
			return v, used, nil
		}
	}
	return 0, used, errors.New("a number is longer than 64 bits")
}

func truncated(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errTruncated
	}
	return err
}
