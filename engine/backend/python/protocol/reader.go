package protocol

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"sweetspot/engine/payload"
)

// Limits bound one message. The zero value of each is its default.
type Limits struct {
	Bytes int // of all texts together: 1 GiB
	Items int // requests or answers of a batch, headers or parameters of one: 100,000
}

const (
	defaultBytes = 1 << 30
	defaultItems = 100_000
)

// chunk is the memory that a length alone can claim: longer texts get memory as they arrive.
const chunk = 1 << 20

// Reader reads messages from a connection. Only one goroutine may use it.
type Reader struct {
	r      *bufio.Reader
	limits Limits
	left   int // bytes that the texts of this message may still have
}

// NewReader returns a reader. It reads ahead, so that nothing else may read from r.
func NewReader(r io.Reader, l Limits) *Reader {
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Items == 0 {
		l.Items = defaultItems
	}
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), limits: l}
}

// Command reads the first byte of a message to a worker: CommandLoad or CommandPredict. At the
// end of the connection the error is io.EOF.
func (r *Reader) Command() (byte, error) {
	c, err := r.r.ReadByte()
	if err != nil {
		return 0, err
	}
	if c != CommandLoad && c != CommandPredict {
		return 0, fmt.Errorf("worker protocol: the command %q; want %q or %q", c, CommandLoad, CommandPredict)
	}
	return c, nil
}

// Load reads the rest of a request to load a model.
func (r *Reader) Load() (l Load, err error) {
	m := r.begin()
	l.Name, l.Dir = m.text("model name"), m.text("model path")
	l.BatchSize = m.int("batch size")
	l.Handler = m.text("handler")
	l.GPU = m.int("GPU")
	l.Envelope = m.text("envelope")
	l.LimitPixels = m.bool("limit of pixels")
	return l, m.err
}

// Predict reads the rest of a batch of requests.
func (r *Reader) Predict() ([]*payload.Message, error) {
	m := r.begin()
	var batch []*payload.Message
	for m.more("request", len(batch)) {
		one := &payload.Message{ID: m.body("request ID")}
		for m.more("header", len(one.Header)) {
			one.Header = append(one.Header, payload.Field{Name: m.body("header name"), Value: m.text("header value")})
		}
		for m.more("parameter", len(one.Parts)) {
			one.Parts = append(one.Parts, payload.Part{Name: m.body("parameter name"), Type: m.text("content type"), Data: m.bytes("parameter")})
		}
		batch = append(batch, one)
	}
	return batch, m.err
}

// LoadReply reads the answer to a Load. If the connection ends before its first byte, the error
// is io.EOF.
func (r *Reader) LoadReply() (l LoadReply, err error) {
	m := r.begin()
	l.Code = m.first("code of the load")
	l.Message = m.text("message of the load")
	if m.err == nil && m.more("end", 0) {
		return l, errors.New("worker protocol: the answer to a load has items")
	}
	return l, m.err
}

// Reply reads the answer to a batch, or a piece of one. If the connection ends before its first
// byte, the error is io.EOF.
func (r *Reader) Reply() (*Reply, error) {
	m := r.begin()
	out := &Reply{Code: m.first("code")}
	out.Message = m.text("message")
	for m.more("answer", len(out.Items)) {
		it := Item{ID: m.body("request ID"), Type: m.text("content type")}
		it.Status = m.int("status")
		it.Reason = m.text("reason")
		n := m.int("number of headers")
		if m.err == nil && (n < 0 || n > r.limits.Items) {
			m.err = fmt.Errorf("worker protocol: %d headers of an answer; want 0 to %d", n, r.limits.Items)
		}
		for range n {
			if m.err != nil {
				break
			}
			it.Header = append(it.Header, payload.Field{Name: m.text("header name"), Value: m.text("header value")})
		}
		it.Body = m.bytes("body")
		out.Items = append(out.Items, it)
	}
	if m.err != nil {
		return nil, m.err
	}
	return out, nil
}

// message reads the parts of one message. The first error stays, and later parts are empty.
type message struct {
	r      *Reader
	length int // of the text that follows, after more
	err    error
}

func (r *Reader) begin() *message {
	r.left = r.limits.Bytes
	return &message{r: r}
}

// fail sets the error. Within a message, the end of the connection is unexpected.
func (m *message) fail(what string, err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	m.err = fmt.Errorf("worker protocol: %s: %w", what, err)
}

// first reads the first number of a message. A connection that ends there is at its end.
func (m *message) first(what string) int {
	if _, err := m.r.r.Peek(1); err != nil {
		m.err = err
		return 0
	}
	return m.int(what)
}

func (m *message) int(what string) int {
	if m.err != nil {
		return 0
	}
	var b [4]byte
	if _, err := io.ReadFull(m.r.r, b[:]); err != nil {
		m.fail(what, err)
		return 0
	}
	return int(int32(binary.BigEndian.Uint32(b[:]))) //nolint:gosec // it is signed
}

func (m *message) bool(what string) bool {
	if m.err != nil {
		return false
	}
	b, err := m.r.r.ReadByte()
	switch {
	case err != nil:
		m.fail(what, err)
	case b > 1:
		m.err = fmt.Errorf("worker protocol: %s: the byte %d; want 0 or 1", what, b)
	}
	return b == 1
}

// more reads the length that begins the next element of a list with n elements so far. It is
// false at the end of the list and after an error. The element then begins with body.
func (m *message) more(what string, n int) bool {
	m.length = m.int(what)
	if m.err != nil || m.length == endOfList {
		return false
	}
	if n >= m.r.limits.Items {
		m.err = fmt.Errorf("worker protocol: %s: more than %d in a list", what, m.r.limits.Items)
	}
	return m.err == nil
}

// body reads the text whose length more has read.
func (m *message) body(what string) string { return m.checked(what, m.read(what, m.length)) }

func (m *message) text(what string) string {
	n := m.int(what)
	return m.checked(what, m.read(what, n))
}

// checked converts a text, which must be UTF-8.
func (m *message) checked(what string, b []byte) string {
	if m.err == nil && !utf8.Valid(b) {
		m.err = fmt.Errorf("worker protocol: %s: %.40q is not UTF-8", what, b)
	}
	return string(b)
}

// bytes reads bytes, which belong to the receiver.
func (m *message) bytes(what string) []byte { return m.read(what, m.int(what)) }

func (m *message) read(what string, n int) []byte {
	switch {
	case m.err != nil || n == 0:
		return nil
	case n < 0:
		m.err = fmt.Errorf("worker protocol: %s: the length %d", what, n)
		return nil
	case n > m.r.left:
		m.err = fmt.Errorf("worker protocol: %s: %d bytes; all texts of the message may have %d more", what, n, m.r.left)
		return nil
	}
	m.r.left -= n
	b := make([]byte, 0, min(n, chunk))
	for len(b) < n {
		b = slices.Grow(b, min(n-len(b), max(chunk, len(b))))
		end := min(n, cap(b))
		k, err := io.ReadFull(m.r.r, b[len(b):end])
		b = b[:len(b)+k]
		if err != nil {
			m.fail(what, err)
			return nil
		}
	}
	return b
}
