package handler

import (
	"bytes"
	"io"
	"mime/multipart"

	"sweetspot/engine/handler/picture"
	"sweetspot/engine/tensor"
)

// DecodedSize estimates the memory in bytes that Decode will allocate, without decoding the
// body: a small image may decode to a thousand times its size. It is 0 for raw tensors,
// which share the body's memory, and for bodies that Decode refuses before it allocates.
func DecodedSize(contentType string, body []byte, inputs []tensor.Spec) int64 {
	return decoder{inputs: inputs}.decodedSize(contentType, body)
}

func (d decoder) decodedSize(contentType string, body []byte) int64 {
	e, params, err := encodingOf(contentType)
	switch {
	case err != nil:
		return 0
	case e == multipartEncoding:
		return d.multipartSize(params["boundary"], body)
	case mayBeFields(contentType, body):
		return fieldsSize(body) + jsonSize(body, d.inputs)
	case e == jsonEncoding || !d.alone() && e < rawEncoding:
		return jsonSize(body, d.inputs)
	case !d.alone():
		return 0
	}
	s := d.inputs[0]
	switch {
	case mayBeJSON(e, body, s):
		return jsonSize(body, d.inputs)
	case isOneText(s) && e < rawEncoding:
		return textSize(body)
	case e == imageEncoding || picture.Is(body) && !isExact(s, len(body)):
		return d.imageSize(bytes.NewReader(body), s)
	}
	return 0
}

// textSize is an upper bound of the memory of a body that is one text: two copies of it.
func textSize(body []byte) int64 { return 2*int64(len(body)) + 64 }

// jsonSize estimates the memory of the numbers of a JSON body: one more number than there
// are commas, or the memory that Decode preallocates for inputs of a fixed size.
func jsonSize(body []byte, inputs []tensor.Spec) int64 {
	var preallocated, widest int64
	for _, s := range inputs {
		size := int64(s.Type.Size())
		if s.Type == tensor.String { // the texts, and their lengths instead of quotes and commas
			size = 4
			preallocated += int64(len(body))
		}
		widest = max(widest, size)
		preallocated += size * min(max(tensor.Elements(s.Shape), 0), int64(len(body)))
	}
	return max(preallocated, widest*int64(bytes.Count(body, []byte{','})+1))
}

// multipartSize estimates the memory of a form: the copies of the parts, the numbers that
// they may contain, and the decoded images. Decode reads at most as many parts as there are
// inputs.
func (d decoder) multipartSize(boundary string, body []byte) int64 {
	if boundary == "" {
		return 0
	}
	n := int64(len(body)) + jsonSize(body, d.inputs)
	builder := d.newItem()
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for range d.inputs {
		part, err := r.NextRawPart()
		if err != nil {
			return n
		}
		i, err := builder.find(part.FormName())
		if err != nil {
			return n
		}
		n += d.imageSize(part, d.inputs[i])
	}
	return n
}

// imageSize estimates the memory of decoding the image in r; 0 if the input is no image.
func (d decoder) imageSize(r io.Reader, s tensor.Spec) int64 {
	in, ok := d.images.Input(s)
	if !ok {
		return 0
	}
	return in.DecodedSize(r)
}
