package handler

import (
	"bytes"
	"io"
	"mime/multipart"

	"sweetspot/engine/tensor"
)

// DecodedSize estimates the memory in bytes that Decode will allocate, without decoding the
// body: a small image may decode to a thousand times its size. It is 0 for raw tensors,
// which share the body's memory, and for bodies that Decode refuses before it allocates.
func DecodedSize(contentType string, body []byte, inputs []tensor.Spec) int64 {
	f, params, err := detectEncoding(contentType, body)
	switch {
	case err != nil:
		return 0
	case f == jsonEncoding:
		return jsonSize(body, inputs)
	case f == multipartEncoding:
		return multipartSize(params["boundary"], body, inputs)
	case len(inputs) == 1 && (f == imageEncoding || isImage(body) && !exactBytes(inputs[0], len(body))):
		return imageSize(bytes.NewReader(body), inputs[0])
	}
	return 0
}

// jsonSize estimates the memory of the numbers of a JSON body: one more number than there
// are commas, or the memory that Decode preallocates for inputs of a fixed size.
func jsonSize(body []byte, inputs []tensor.Spec) int64 {
	var preallocated, widest int64
	for _, s := range inputs {
		size := int64(s.Type.Size())
		widest = max(widest, size)
		preallocated += size * min(max(tensor.Elements(s.Shape), 0), int64(len(body)))
	}
	return max(preallocated, widest*int64(bytes.Count(body, []byte{','})+1))
}

// multipartSize estimates the memory of a form: the copies of the parts, the numbers that
// they may contain, and the decoded images. Decode reads at most as many parts as there are
// inputs.
func multipartSize(boundary string, body []byte, inputs []tensor.Spec) int64 {
	if boundary == "" {
		return 0
	}
	n := int64(len(body)) + jsonSize(body, inputs)
	builder := newItemBuilder(inputs)
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for range inputs {
		part, err := r.NextRawPart()
		if err != nil {
			return n
		}
		i, err := builder.find(part.FormName())
		if err != nil {
			return n
		}
		n += imageSize(part, inputs[i])
	}
	return n
}

// imageSize estimates the memory of decoding the image in r: its pixels, the rows between
// the two steps of scaling, and the tensor.
func imageSize(r io.Reader, s tensor.Spec) int64 {
	if !acceptsImage(s) {
		return 0
	}
	h, ok := readImageHeader(r)
	if !ok || h.width < 1 || h.height < 1 || h.width > maxPixels/h.height {
		return 0 // refused, or too large to decode
	}
	shape := dropUnitAxis(s.Shape)
	high, wide := shape[1], shape[2]
	if high < 0 {
		high = defaultSide
	}
	if wide < 0 {
		wide = defaultSide
	}
	const scaled = 4 * 8 // four float64 per pixel
	rows := min(h.height, h.width*high/max(wide, 1)+1)
	return h.bytes + scaled*wide*rows + wide*high*int64(4+3*s.Type.Size())
}
