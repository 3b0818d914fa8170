package inference

import (
	"net/http"
	"strconv"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
)

// timing is where one request's time went, from its body to its answer.
type timing struct {
	engine.Timing
	decode, encode time.Duration
}

// send answers with b.answer. The header values that differ from answer to
// answer are parts of one string, and their slices parts of one array: what
// net/http still needs of them it has copied when WriteHeader returns.
func (b *buffers) send(w http.ResponseWriter, media string, t timing) {
	b.text = wire.AppendID(b.text[:0])
	id := len(b.text)
	b.text = t.append(b.text)
	times := len(b.text)
	b.text = strconv.AppendInt(b.text, int64(len(b.answer)), 10)
	text := string(b.text)
	b.values = [...]string{text[:id], text[id:times], text[times:], media}
	h := w.Header()
	wire.NoCache(h)
	h[wire.RequestID] = b.values[0:1:1]
	h["Server-Timing"] = b.values[1:2:2]
	h["Content-Length"] = b.values[2:3:3]
	h["Content-Type"] = b.values[3:4:4]
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b.answer) // a client that left needs no answer
}

// append appends t as a Server-Timing header:
//
//	decode;dur=0.021, queue;dur=1.234, formation;dur=0.012, execution;dur=9.100, encode;dur=0.030, batch;desc=8
func (t timing) append(dst []byte) []byte {
	dst = appendMS(append(dst, "decode;dur="...), t.decode)
	dst = appendMS(append(dst, ", queue;dur="...), t.Queue)
	dst = appendMS(append(dst, ", formation;dur="...), t.Formation)
	dst = appendMS(append(dst, ", execution;dur="...), t.Execution)
	dst = appendMS(append(dst, ", encode;dur="...), t.encode)
	return strconv.AppendInt(append(dst, ", batch;desc="...), int64(t.Batch), 10)
}

// appendMS appends d, which is not negative, in milliseconds with 3 decimals.
func appendMS(dst []byte, d time.Duration) []byte {
	us := int64(d.Round(time.Microsecond) / time.Microsecond)
	dst = append(strconv.AppendInt(dst, us/1000, 10), '.')
	us %= 1000
	return append(dst, byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}
