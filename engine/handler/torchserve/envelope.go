package torchserve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Envelope is the format in which a request has the inputs, and an answer the outputs: that of
// TorchServe's service_envelope.
type Envelope uint8

// The envelopes.
const (
	None     Envelope = iota // the part data or body of a form, or the whole body
	Body                     // the same
	JSON                     // {"instances": [...]} and {"predictions": [...]}
	KServe                   // the same, as KServe v1
	KServeV2                 // the JSON of Open Inference Protocol v2: a row for each input
)

var envelopes = [...]string{"none", "body", "json", "kserve", "kservev2"}

func (e Envelope) String() string { return envelopes[e] }

// MarshalText returns the name.
func (e Envelope) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads a name of TorchServe's service_envelope; "" is none.
func (e *Envelope) UnmarshalText(text []byte) error {
	for i, name := range envelopes {
		if string(text) == name || i == 0 && len(text) == 0 {
			*e = Envelope(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %s", text, strings.Join(envelopes[:], ", "))
}

// maxRows is the largest number of rows of a request.
const maxRows = 10000

// input is an Input with its place in the request.
type input struct {
	Input
	name, id string // of Open Inference Protocol
}

// open returns the inputs of a body, at least one.
func (e Envelope) open(b payload.Body) ([]input, error) {
	in, err := find(b)
	if err != nil {
		return nil, err
	}
	switch e {
	case JSON, KServe:
		return openInstances(in.Data)
	case KServeV2:
		return openV2(in.Data, b.ID)
	}
	return []input{{Input: in}}, nil
}

// find returns the input of a request as handlers in Python do: the part data or else body of a
// form or of the query, or the whole body. Of several parts of one name the last one counts.
func find(b payload.Body) (Input, error) {
	if b.Type == handler.TypeJSON && len(b.Query) == 0 { // needs no copy
		return Input{b.Data, true}, nil
	}
	var r payload.Request
	if err := new(handler.Parts).Decode(&r, b); err != nil {
		return Input{}, err
	}
	var names []string
	found := map[string]payload.Part{}
	for _, p := range r.Parts {
		found[p.Name] = p
		names = append(names, fmt.Sprintf("%.40q", p.Name))
	}
	for _, name := range []string{"data", handler.WholeBody} {
		if p, ok := found[name]; ok && len(p.Data) > 0 {
			return Input{p.Data, isJSON(p.Type)}, handler.CheckCharset(p.Type, p.Data)
		}
	}
	if len(b.Data) == 0 {
		return Input{}, errors.New("empty body; send the input as the body, or as the part data of a form")
	}
	return Input{}, fmt.Errorf("the request has no part data or body with bytes, only %s; send the input as the body, or as the part data of a form", strings.Join(names[:min(len(names), 5)], ", "))
}

func isJSON(media string) bool {
	media, _, _ = strings.Cut(media, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == handler.TypeJSON || strings.HasSuffix(media, "+json")
}

// openInstances reads {"instances": [...]}.
func openInstances(data []byte) ([]input, error) {
	var body struct {
		Instances []json.RawMessage `json:"instances"`
	}
	if err := unmarshal(data, &body); err != nil {
		return nil, fmt.Errorf(`JSON: %w; send {"instances": [...]}`, err)
	}
	if n := len(body.Instances); n == 0 || n > maxRows {
		return nil, fmt.Errorf(`%d instances, expected 1 to %d; send {"instances": [...]}`, n, maxRows)
	}
	out := make([]input, len(body.Instances))
	for i, raw := range body.Instances {
		in, err := instance(raw)
		if err != nil {
			return nil, fmt.Errorf("instance %d: %w", i, err)
		}
		out[i] = input{Input: in}
	}
	return out, nil
}

// unmarshal is json.Unmarshal, which would replace bytes that are not UTF-8 in the id of a request.
func unmarshal(data []byte, to any) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	return json.Unmarshal(data, to)
}

// instance reads one instance: a value, or an object with a value as data or body, or one with a file
// as b64. A value may be such an object too.
func instance(raw json.RawMessage) (Input, error) {
	for range 2 {
		if first := bytes.TrimLeft(raw, " \t\r\n"); len(first) == 0 || first[0] != '{' {
			break
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			return Input{}, err
		}
		if text, ok := object["b64"]; ok && len(object) == 1 {
			file, err := decodeBase64(text)
			return Input{Data: file}, err
		}
		inner, ok := object["data"]
		if !ok {
			inner, ok = object["body"]
		}
		if !ok {
			return Input{}, errors.New(`the object has none of the members "data", "body" and "b64"`)
		}
		raw = inner
	}
	return Input{raw, true}, nil
}

// decodeBase64 decodes a JSON string.
func decodeBase64(text []byte) ([]byte, error) {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("base64: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("base64: %w", err)
	}
	return b, nil
}

// openV2 reads the inputs of Open Inference Protocol v2. Each is a row, as in TorchServe.
func openV2(data []byte, id string) ([]input, error) {
	var body struct {
		ID     string `json:"id"`
		Inputs []struct {
			Name     string          `json:"name"`
			Datatype string          `json:"datatype"`
			Data     json.RawMessage `json:"data"`
		} `json:"inputs"`
	}
	if err := unmarshal(data, &body); err != nil {
		return nil, fmt.Errorf(`JSON: %w; send {"inputs": [{"name": ..., "shape": ..., "datatype": ..., "data": ...}]}`, err)
	}
	if n := len(body.Inputs); n == 0 || n > maxRows {
		return nil, fmt.Errorf(`%d inputs, expected 1 to %d; send {"inputs": [{"name": ..., "shape": ..., "datatype": ..., "data": ...}]}`, n, maxRows)
	}
	if strings.TrimSpace(body.ID) != "" {
		id = body.ID
	}
	out := make([]input, len(body.Inputs))
	for i, v := range body.Inputs {
		out[i] = input{Input: Input{v.Data, true}, name: v.Name, id: id}
		if v.Datatype != tensor.String.String() {
			continue
		}
		var texts []json.RawMessage
		if err := json.Unmarshal(v.Data, &texts); err != nil || len(texts) == 0 {
			return nil, fmt.Errorf(`input %q: the data of %s is not a list with a string`, v.Name, v.Datatype)
		}
		out[i].Data = texts[0]
	}
	return out, nil
}

// size estimates the memory of opening a body.
func (e Envelope) size(b payload.Body) int64 {
	n := new(handler.Parts).DecodedSize(b)
	if e == JSON || e == KServe || e == KServeV2 {
		n += 2 * int64(len(b.Data))
	}
	return n
}

// close appends the answer with the postprocessed outputs of the rows.
func (e Envelope) close(dst []byte, h *Handler, state *requestState, items []tensor.Item) ([]byte, error) {
	var err error
	switch e {
	case JSON, KServe:
		dst = append(dst, `{"predictions":[`...)
		for i, item := range items {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = h.steps.Postprocess(dst, item, state.rows[i].state); err != nil {
				return dst, err
			}
		}
		return append(dst, "]}"...), nil
	case KServeV2:
		return closeV2(dst, h, state, items)
	}
	if len(items) != 1 {
		return dst, fmt.Errorf("%d rows, expected 1", len(items))
	}
	return h.steps.Postprocess(dst, items[0], state.rows[0].state)
}
