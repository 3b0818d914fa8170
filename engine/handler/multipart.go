package handler

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"

	"sweetspot/engine/tensor"
)

// decodeMultipart decodes one item from a form with one part per input. Each part has its
// own encoding: JSON, bytes or an image.
func decodeMultipart(boundary string, body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	if boundary == "" {
		return nil, fmt.Errorf("content type %s has no boundary; let the client library write it", typeForm)
	}
	b := newItemBuilder(inputs)
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return b.complete()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %v; %s", typeForm, err, hint(inputs))
		}
		if err := b.addPart(part); err != nil {
			return nil, err
		}
	}
}

// addPart decodes one part of a form.
func (b *itemBuilder) addPart(part *multipart.Part) error {
	i, err := b.find(part.FormName())
	if err != nil {
		return err
	}
	spec := b.inputs[i]
	data, err := io.ReadAll(part)
	if err != nil {
		return fmt.Errorf("input %q: %v", spec.Name, err)
	}
	f, params, err := detectEncoding(part.Header.Get("Content-Type"), data)
	switch {
	case err != nil:
		return fmt.Errorf("input %q: %w; %s", spec.Name, err, hintOne(spec))
	case f == multipartEncoding:
		return fmt.Errorf("input %q: a form inside a form; %s", spec.Name, hintOne(spec))
	case f == jsonEncoding:
		s := &scanner{b: data}
		if err := b.read(i, s); err != nil {
			return err
		}
		return s.expectEnd()
	}
	b.item[i], err = decodeBinary(f, params["shape"], data, spec)
	return err
}
