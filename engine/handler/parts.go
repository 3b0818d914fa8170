package handler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"strings"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// WholeBody is the name of the part that has the whole body.
const WholeBody = "body"

// maxParts is the largest number of parts of a form.
const maxParts = 1000

// Parts is the handler of a model that takes and returns bytes. It passes the parameters of
// the query and then the parts of a form or its fields, or the whole body as one part, to the model
// unchanged, and returns the model's bytes unchanged.
type Parts struct{}

// Initialize refuses a model with tensors.
func (*Parts) Initialize(_ context.Context, in, out []tensor.Spec) error {
	if len(in) > 0 || len(out) > 0 {
		return errors.New("a model with inputs and outputs takes tensors, not bytes")
	}
	return nil
}

// ReadsHeader says that headers and query are passed on.
func (*Parts) ReadsHeader() {}

// ReadsParts says that the parts of a body are passed on.
func (*Parts) ReadsParts() {}

// Negotiate accepts every header, because only the model knows the type of its answer.
func (*Parts) Negotiate(string) (payload.Format, error) { return 0, nil }

// DecodedSize returns the size of a form, whose parts are copied; a whole body is not.
func (*Parts) DecodedSize(b payload.Body) int64 {
	switch {
	case strings.HasPrefix(b.Type, "multipart/"):
		return int64(len(b.Data))
	case mayBeFields(b.Type, b.Data):
		return fieldsSize(b.Data)
	}
	return 0
}

// Decode makes a request of one row.
func (*Parts) Decode(r *payload.Request, b payload.Body) error {
	r.Header, r.ID = b.Header, b.ID
	r.Parts = append(r.Parts[:0:0], b.Query...)
	if b.Parts != nil {
		r.Parts = append(r.Parts, b.Parts...)
		return nil
	}
	if fields, ok := readFields(b.Type, b.Data); ok {
		r.Parts = append(r.Parts, fields...)
		return nil
	}
	e, params, err := encodingOf(b.Type)
	if err != nil || e != multipartEncoding {
		r.Parts = append(r.Parts, payload.Part{Name: WholeBody, Type: b.Type, Data: b.Data})
		return nil // the model may know types that this package does not
	}
	form := multipart.NewReader(bytes.NewReader(b.Data), params["boundary"])
	for n := 0; ; n++ {
		part, err := form.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("multipart body: it has no parts")
		case err != nil:
			return fmt.Errorf("multipart body: %w", err)
		case n == maxParts:
			return fmt.Errorf("multipart body: more than %d parts", maxParts)
		case part.FormName() == "":
			return fmt.Errorf("multipart body: part %d has no name", n+1)
		}
		data, err := readPart(part)
		if err != nil {
			return fmt.Errorf("multipart body: part %q: %w", part.FormName(), err)
		}
		r.Parts = append(r.Parts, payload.Part{Name: part.FormName(), Type: part.Header.Get("Content-Type"), Data: data})
	}
}

// Encode appends the model's bytes.
func (*Parts) Encode(dst []byte, _ payload.Format, a payload.Answer) (payload.Body, error) {
	if a.Bytes == nil {
		return payload.Body{Data: dst}, errors.New("the model returned no bytes")
	}
	return payload.Body{Type: a.Bytes.Type, Data: append(dst, a.Bytes.Body...), Header: a.Bytes.Header}, nil
}
