package handler

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"

	"sweetspot/engine/tensor"
)

// decodeMultipart reads one item with one part per input, each JSON, bytes or a
// picture as its own content type or its first bytes say.
func decodeMultipart(boundary string, body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	if boundary == "" {
		return nil, fmt.Errorf("content type %s has no boundary; let the client library write it", typeForm)
	}
	p := newParts(inputs)
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return p.complete()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %v; %s", typeForm, err, want(inputs))
		}
		if err := p.part(part); err != nil {
			return nil, err
		}
	}
}

func (p *parts) part(part *multipart.Part) error {
	i, err := p.find(part.FormName())
	if err != nil {
		return err
	}
	spec := p.inputs[i]
	data, err := io.ReadAll(part)
	if err != nil {
		return fmt.Errorf("input %q: %v", spec.Name, err)
	}
	f, params, err := classify(part.Header.Get("Content-Type"), data)
	switch {
	case err != nil:
		return fmt.Errorf("input %q: %w; %s", spec.Name, err, wantOne(spec))
	case f == formMultipart:
		return fmt.Errorf("input %q: a form inside a form; %s", spec.Name, wantOne(spec))
	case f == formJSON:
		s := &scanner{b: data}
		if err := p.read(i, s); err != nil {
			return err
		}
		return s.end()
	}
	p.item[i], err = decodeBinary(f, params["shape"], data, spec)
	return err
}
