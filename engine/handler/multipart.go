package handler

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"slices"
	"strings"

	"sweetspot/engine/tensor"
)

// decodeMultipart decodes one item from a form with one part per input. Each part has its
// own encoding: JSON, bytes or an image.
func (d decoder) decodeMultipart(boundary string, body []byte) (tensor.Item, error) {
	if boundary == "" {
		return nil, fmt.Errorf("content type %s has no boundary; let the client library write it", typeForm)
	}
	b := d.newItem()
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return b.complete()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %v; %s", typeForm, err, d.hint())
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
	data, err := readPart(part)
	if err != nil {
		return fmt.Errorf("input %q: %v", spec.Name, err)
	}
	e, params, err := partEncoding(part)
	if err == nil {
		err = checkCharset(e, params, data)
	}
	switch {
	case err != nil:
		return fmt.Errorf("input %q: %w; %s", spec.Name, err, b.hintOne(spec))
	case e == multipartEncoding:
		return fmt.Errorf("input %q: a form inside a form; %s", spec.Name, b.hintOne(spec))
	case e == jsonEncoding:
		return b.readWhole(i, data)
	case mayBeJSON(e, data, spec):
		if err = b.readWhole(i, data); err == nil || isOneText(spec) {
			return err
		}
	}
	t, notRaw := b.decodeBinary(e, params["shape"], data, spec)
	if notRaw == nil {
		b.item[i] = t
		return nil
	}
	return cmp.Or(err, notRaw)
}

// readPart reads a part as it is. One that is encoded is an error, as in TorchServe: its bytes
// would be read as if they were the value.
func readPart(part *multipart.Part) ([]byte, error) {
	for _, h := range []struct {
		name  string
		plain []string
	}{
		{"Content-Transfer-Encoding", []string{"", "7bit", "8bit", "binary"}},
		{"Content-Encoding", []string{"", "identity"}},
	} {
		for _, v := range part.Header[h.name] {
			if v = strings.ToLower(strings.TrimSpace(v)); !slices.Contains(h.plain, v) {
				return nil, fmt.Errorf("its %s %q is not supported; send the part as it is", h.name, v)
			}
		}
	}
	return io.ReadAll(part)
}

// readWhole reads input i from data, which must have nothing else.
func (b *itemBuilder) readWhole(i int, data []byte) error {
	s := &scanner{b: data}
	err := b.read(i, s)
	if err == nil {
		err = s.expectEnd()
	}
	return err
}

// partEncoding returns the encoding of a part. One without a content type is text, unless
// it is a file. The type of bytes of a file says nothing: clients such as curl give it to every
// file whose name they do not know.
func partEncoding(part *multipart.Part) (encoding, map[string]string, error) {
	media := part.Header.Get("Content-Type")
	if media == "" && part.FileName() == "" {
		return textEncoding, nil, nil
	}
	e, params, err := encodingOf(media)
	if e == rawEncoding && part.FileName() != "" {
		e = unknownEncoding
	}
	return e, params, err
}
