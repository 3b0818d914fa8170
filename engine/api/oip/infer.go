package oip

import (
	"net/http"
	"strconv"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/handler"
	protocol "sweetspot/engine/oip"
	"sweetspot/engine/payload"
)

// buffers are the memory of one request. They return to the pool only if the request was not
// abandoned, because a worker may still read its body.
type buffers struct {
	predict.Prediction
	exchange
	memory wire.Reservation
	body   []byte
	text   []byte
	model  *engine.Model // whose signature the exchange has
}

// infer answers a prediction.
func (h *Handler) infer(w http.ResponseWriter, r *http.Request, t target) error {
	b := h.pool.Get().(*buffers)
	b.memory = h.limits.Budget.NewReservation()
	reusable, err := h.inferWith(b, w, r, t)
	b.memory.Release()
	if reusable {
		h.pool.Put(b)
	}
	return inference.HTTPError(err)
}

// inferWith is infer with the memory b, which must not be used again unless it is reusable.
func (h *Handler) inferWith(b *buffers, w http.ResponseWriter, r *http.Request, t target) (reusable bool, err error) {
	if err := h.predictor.Begin(&b.Prediction, t.model, t.version, ""); err != nil {
		return true, err
	}
	if b.TakesBytes() {
		return true, h.bytes.Predict(w, r, t.model, t.version)
	}
	if m := b.Model(); b.model != m {
		b.model, b.Signature = m, protocol.NewSignature(m)
		b.answer.ModelName, b.answer.ModelVersion = m.Name, m.Version
	}
	if b.head, err = headLength(r); err != nil {
		return true, err
	}
	if b.body, err = wire.ReadBody(w, r, b.body[:0], h.limits.Of(&b.Prediction), &b.memory); err != nil {
		return true, err
	}
	if err := handler.CheckCharset(r.Header.Get("Content-Type"), b.body); err != nil {
		return true, wire.Errorf(http.StatusBadRequest, wire.BadRequest, "%v", err)
	}
	b.Use(&b.exchange)
	reply, reusable, err := b.Run(r.Context(), payload.Body{Data: b.body}, predict.Options{Memory: &b.memory})
	if err == nil {
		if err = h.limits.CheckAnswer(len(reply.Body)); err == nil {
			b.send(w, reply)
		}
	}
	return reusable, err
}

// wholeBody is the length of the JSON of a body that is nothing else.
const wholeBody = -1

// headLength reads the header with the length of the JSON; wholeBody if there is none.
func headLength(r *http.Request) (int, error) {
	text := r.Header.Get(protocol.HeaderLength)
	if text == "" {
		return wholeBody, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, wire.Errorf(http.StatusBadRequest, wire.BadRequest, "the header %s is %q, expected the length of the JSON in bytes", protocol.HeaderLength, text)
	}
	return n, nil
}

// send answers with r, whose body the exchange has encoded.
func (b *buffers) send(w http.ResponseWriter, r predict.Reply) {
	b.text = wire.AppendID(b.text[:0])
	id := len(b.text)
	b.text = inference.AppendTiming(b.text, r.Timing)
	text := string(b.text)
	h := w.Header()
	wire.SetHeaders(h, text[:id])
	h["Server-Timing"] = []string{text[id:]}
	h["Content-Length"] = []string{strconv.Itoa(len(r.Body))}
	h["Content-Type"] = []string{r.Type}
	if b.answerHead < len(r.Body) {
		h[protocol.HeaderLength] = []string{strconv.Itoa(b.answerHead)}
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // an error means that the client has left
}
