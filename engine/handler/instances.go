package handler

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Instances is the handler of a model of tensors for the JSON of KServe v1. A request is
// {"instances": [...]} with an item for each instance: what [Decode] takes as JSON, or
// {"b64": "..."} with the bytes of a file, as the value of the single input or as that of the
// member data. The answer is {"predictions": [...]} in the same order.
type Instances struct {
	*Tensors
}

// NewInstances returns the handler for the model of t.
func NewInstances(t *Tensors) Instances { return Instances{t} }

// maxInstances is the largest number of instances of a request.
const maxInstances = 10000

// DecodedSize estimates the size of all instances.
func (h Instances) DecodedSize(b payload.Body) int64 {
	n := int64(0)
	_ = h.each(b.Data, func(media string, data []byte) error {
		n += h.decoder().decodedSize(media, data)
		if media == "" {
			n += int64(cap(data)) // decoded from base64
		}
		return nil
	})
	return n
}

// Decode decodes an item for each instance.
func (h Instances) Decode(r *payload.Request, b payload.Body) error {
	if err := CheckCharset(b.Type, b.Data); err != nil {
		return err
	}
	err := h.each(b.Data, func(media string, data []byte) error {
		item, err := h.decoder().decode(media, data)
		if err != nil {
			return fmt.Errorf("instance %d: %w", len(r.Items), err)
		}
		r.Items = append(r.Items, item)
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(r.Items) == 0:
		return errors.New(`no instances; send {"instances": [...]}`)
	}
	return nil
}

// each calls f for every instance with its content type and its bytes.
func (h Instances) each(body []byte, f func(media string, data []byte) error) error {
	s := &scanner{b: body}
	found := false
	err := s.readObject(func(key string) error {
		if key != "instances" || found {
			_, err := s.skip() // such as signature_name
			return err
		}
		found = true
		return h.readInstances(s, f)
	})
	if err == nil {
		err = s.expectEnd()
	}
	if err == nil && !found {
		err = errors.New(`no member "instances"; send {"instances": [...]}`)
	}
	return err
}

func (h Instances) readInstances(s *scanner, f func(media string, data []byte) error) error {
	if !s.accept('[') {
		return s.errorf(`%s, expected "instances" to be a list`, s.describeNext())
	}
	if s.accept(']') {
		return nil
	}
	for n := 0; ; n++ {
		if n == maxInstances {
			return fmt.Errorf("more than %d instances", maxInstances)
		}
		data, err := s.skip()
		if err != nil {
			return err
		}
		media := TypeJSON
		if file, ok, err := h.fileOf(data); err != nil {
			return fmt.Errorf("instance %d: %w", n, err)
		} else if ok {
			media, data = "", file
		}
		if err := f(media, data); err != nil {
			return err
		}
		if s.accept(']') {
			return nil
		}
		if !s.accept(',') {
			return s.errorf("%s, expected , or ]", s.describeNext())
		}
	}
}

// fileOf returns the bytes of an instance that is a file: {"b64": "..."}, or {"data": ...} with
// base64 or with such an object. For a model of texts, a string under data is a text.
func (h Instances) fileOf(instance []byte) (file []byte, ok bool, err error) {
	if (&scanner{b: instance}).peek() != '{' {
		return nil, false, nil
	}
	texts := len(h.in) > 0 && h.in[0].Type == tensor.String
	s := &scanner{b: instance}
	err = s.readObject(func(key string) error {
		next := s.peek()
		value, err := s.skip()
		switch {
		case err != nil:
			return err
		case key == "b64", key == "data" && next == '"' && !texts:
			file, err = readBase64(value)
			ok = true
		case key == "data" && next == '{':
			file, ok, err = b64Of(value)
		}
		return err
	})
	return file, ok, err
}

// b64Of returns the bytes of {"b64": "..."}.
func b64Of(object []byte) (file []byte, ok bool, err error) {
	s := &scanner{b: object}
	err = s.readObject(func(key string) error {
		value, err := s.skip()
		if err == nil && key == "b64" {
			file, err = readBase64(value)
			ok = true
		}
		return err
	})
	return file, ok, err
}

func readBase64(value []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return nil, fmt.Errorf("base64: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("base64: %w", err)
	}
	return b, nil
}

// Encode encodes the outputs of all rows.
func (h Instances) Encode(dst []byte, _ payload.Format, a payload.Answer) (payload.Body, error) {
	dst = append(dst, `{"predictions":`...)
	for i, item := range a.Items {
		dst = append(dst, "[,"[min(i, 1)])
		b, err := Encode(dst, JSON, h.out, item)
		if dst = b.Data; err != nil {
			return b, err
		}
		dst = dst[:len(dst)-1] // the line feed
	}
	return payload.Body{Type: TypeJSON, Data: append(dst, "]}\n"...)}, nil
}
