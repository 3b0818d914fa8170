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

// WholeBody is the name of the part that is a whole body.
const WholeBody = "body"

// mostParts bounds the parts of one form.
const mostParts = 1000

// Parts is the handler of a model that takes and gives bytes: the parts of a form, or
// the whole body as one part, go to it as they are, behind the parameters of the
// query. What it answers goes back as it is.
type Parts struct{}

// Initialize refuses a model that takes or gives tensors.
func (*Parts) Initialize(_ context.Context, in, out []tensor.Spec) error {
	if len(in) > 0 || len(out) > 0 {
		return errors.New("a model with inputs and outputs takes tensors, not bytes")
	}
	return nil
}

// Negotiate agrees to everything: only the model knows what it answers.
func (*Parts) Negotiate(string) (payload.Format, error) { return 0, nil }

// DecodedSize is the parts of a form, which are copies; a whole body is none.
func (*Parts) DecodedSize(b payload.Body) int64 {
	if strings.HasPrefix(b.Type, "multipart/") {
		return int64(len(b.Data))
	}
	return 0
}

// Decode makes one row.
func (*Parts) Decode(r *payload.Request, b payload.Body) error {
	r.Header = b.Header
	r.Parts = append(r.Parts[:0:0], b.Query...)
	f, params, err := classify(b.Type, b.Data)
	if err != nil || f != formMultipart {
		r.Parts = append(r.Parts, payload.Part{Name: WholeBody, Type: b.Type, Data: b.Data})
		return nil // a type that says nothing here may say something to the model
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
		case n == mostParts:
			return fmt.Errorf("multipart body: more than %d parts", mostParts)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return fmt.Errorf("multipart body: part %q: %w", part.FormName(), err)
		}
		r.Parts = append(r.Parts, payload.Part{Name: part.FormName(), Type: part.Header.Get("Content-Type"), Data: data})
	}
}

// Encode appends the model's own bytes.
func (*Parts) Encode(dst []byte, _ payload.Format, a payload.Answer) ([]byte, string, error) {
	if a.Bytes == nil {
		return dst, "", errors.New("the model gave no bytes")
	}
	return append(dst, a.Bytes.Body...), a.Bytes.Type, nil
}
