package inference

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"sweetspot/engine/api/predict"
	"sweetspot/engine/api/wire"
)

// send answers with r. To save allocations, the variable header values are parts of one
// string, and their slices are parts of one array; net/http has copied them when
// WriteHeader returns.
func (b *buffers) send(w http.ResponseWriter, r predict.Reply) {
	if b.text = append(b.text[:0], b.id...); b.id == "" {
		b.text = wire.AppendID(b.text)
	}
	id := len(b.text)
	b.text = AppendTiming(b.text, r.Timing)
	times := len(b.text)
	b.text = strconv.AppendInt(b.text, int64(len(r.Body)), 10)
	text := string(b.text)
	b.values = [...]string{text[:id], text[id:times], text[times:], r.Type}
	h := w.Header()
	wire.SetNoCache(h)
	for _, f := range r.Header {
		h.Set(f.Name, f.Value)
	}
	h[wire.RequestID] = b.values[0:1:1]
	h["Server-Timing"] = b.values[1:2:2]
	h["Content-Length"] = b.values[2:3:3]
	h["Content-Type"] = b.values[3:4:4]
	if r.Type == "" {
		h["Content-Type"] = nil // none, and none that is guessed
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // an error means that the client has left
}

// stream sends the pieces of a streamed answer to the request id. After an error it aborts the connection
// without the final chunk, so that the client sees that the answer is incomplete.
func stream(ctx context.Context, w http.ResponseWriter, r predict.Reply, id string, l Limits) {
	defer r.Stream.Close()
	h := w.Header()
	if id == "" {
		id = string(wire.AppendID(nil))
	}
	wire.SetHeaders(h, id)
	for _, f := range r.Header {
		h.Set(f.Name, f.Value)
	}
	if r.Type != "" {
		h.Set("Content-Type", r.Type)
	} else if h.Get("Content-Type") == "" {
		h["Content-Type"] = nil // none that is guessed
	}
	flush := http.NewResponseController(w)
	w.WriteHeader(r.Status)
	for {
		piece, err := r.Stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = l.CheckAnswer(len(piece))
		}
		if err == nil {
			_, err = w.Write(piece)
		}
		if err == nil {
			err = flush.Flush()
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// AppendTiming appends t as a Server-Timing header:
//
//	decode;dur=0.021, queue;dur=1.234, formation;dur=0.012, execution;dur=9.100, encode;dur=0.030, batch;desc=8
func AppendTiming(dst []byte, t predict.Timing) []byte {
	dst = appendMS(append(dst, "decode;dur="...), t.Decode)
	dst = appendMS(append(dst, ", queue;dur="...), t.Queue)
	dst = appendMS(append(dst, ", formation;dur="...), t.Formation)
	dst = appendMS(append(dst, ", execution;dur="...), t.Execution)
	dst = appendMS(append(dst, ", encode;dur="...), t.Encode)
	return strconv.AppendInt(append(dst, ", batch;desc="...), int64(t.Batch), 10)
}

// appendMS appends d, which is not negative, in milliseconds with 3 decimals.
func appendMS(dst []byte, d time.Duration) []byte {
	us := int64(d.Round(time.Microsecond) / time.Microsecond)
	dst = append(strconv.AppendInt(dst, us/1000, 10), '.')
	us %= 1000
	return append(dst, byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}
