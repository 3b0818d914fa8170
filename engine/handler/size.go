package handler

import (
	"bytes"
	"io"
	"mime/multipart"

	"sweetspot/engine/tensor"
)

// DecodedSize is about how many bytes Decode will take beside body itself, told
// without unpacking it: a small picture may unpack to a thousand times its size.
// It is 0 for raw tensors, which share the body's memory, and for what Decode
// refuses before it takes any.
func DecodedSize(contentType string, body []byte, inputs []tensor.Spec) int64 {
	f, params, err := classify(contentType, body)
	switch {
	case err != nil:
		return 0
	case f == formJSON:
		return valuesSize(body, inputs)
	case f == formMultipart:
		return multipartSize(params["boundary"], body, inputs)
	case len(inputs) == 1 && (f == formPicture || isPicture(body) && !exactBytes(inputs[0], len(body))):
		return pictureSize(bytes.NewReader(body), inputs[0])
	}
	return 0
}

// valuesSize is what the numbers of a JSON body take: as many as there are
// commas and one more, or what is made ready for inputs of a known size.
func valuesSize(body []byte, inputs []tensor.Spec) int64 {
	var ready, widest int64
	for _, s := range inputs {
		size := int64(s.Type.Size())
		widest = max(widest, size)
		ready += size * min(max(tensor.Elements(s.Shape), 0), int64(len(body)))
	}
	return max(ready, widest*int64(bytes.Count(body, []byte{','})+1))
}

// multipartSize is the copies of the parts, the numbers that may be in them, and
// what their pictures unpack to. Decode gets no further than to as many parts as
// there are inputs.
func multipartSize(boundary string, body []byte, inputs []tensor.Spec) int64 {
	if boundary == "" {
		return 0
	}
	n := int64(len(body)) + valuesSize(body, inputs)
	p := newParts(inputs)
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for range inputs {
		part, err := r.NextRawPart()
		if err != nil {
			return n
		}
		i, err := p.find(part.FormName())
		if err != nil {
			return n
		}
		n += pictureSize(part, inputs[i])
	}
	return n
}

// pictureSize is what the picture in r takes as an input: its pixels, the rows
// between the two steps of scaling, and what is made of them.
func pictureSize(r io.Reader, s tensor.Spec) int64 {
	if !takesPicture(s) {
		return 0
	}
	h, ok := readHeader(r)
	if !ok || h.width < 1 || h.height < 1 || h.width > maxPixels/h.height {
		return 0 // refused, or too large to be unpacked
	}
	shape := bare(s.Shape)
	high, wide := shape[1], shape[2]
	if high < 0 {
		high = usualSide
	}
	if wide < 0 {
		wide = usualSide
	}
	const scaled = 4 * 8 // four float64 a pixel
	rows := min(h.height, h.width*high/max(wide, 1)+1)
	return h.bytes + scaled*wide*rows + wide*high*int64(4+3*s.Type.Size())
}
