package handler

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"

	"sweetspot/engine/tensor"
)

// Body is one request body with its content type.
type Body struct {
	Type string
	Data []byte
}

// Bodies makes n different legal bodies for a model with these inputs, in the encoding that
// is the fastest to decode: raw bytes for one input, a form with raw parts for several. The
// same seed gives the same bodies.
func Bodies(inputs []tensor.Spec, n int, seed uint64) []Body {
	rng := rand.New(rand.NewPCG(seed, 0))
	out := make([]Body, n)
	for i := range out {
		out[i] = BodyOf(inputs, tensor.SampleItem(inputs, rng))
	}
	return out
}

// BodyOf returns the body of an item in the encoding of Bodies. They may share memory.
func BodyOf(inputs []tensor.Spec, item tensor.Item) Body {
	d := decoder{inputs: inputs}
	given := func(t tensor.Tensor) bool { return !t.IsZero() }
	if d.alone() && !slices.ContainsFunc(item[1:], given) {
		return Body{rawType(inputs[0], item[0]), item[0].Data}
	}
	return multipartBody(inputs, item)
}

// multipartBody writes a form with one raw part per input. No part contains the boundary.
func multipartBody(inputs []tensor.Spec, item tensor.Item) Body {
	boundary := "sweetspot-part"
	for containsBoundary(boundary, item) {
		boundary += "-x"
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	must(w.SetBoundary(boundary))
	for i, t := range item {
		if t.IsZero() {
			continue
		}
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", multipart.FileContentDisposition(inputs[i].Name, inputs[i].Name))
		h.Set("Content-Type", rawType(inputs[i], t))
		part, err := w.CreatePart(h)
		must(err)
		_, err = part.Write(t.Data)
		must(err)
	}
	must(w.Close())
	return Body{w.FormDataContentType(), b.Bytes()}
}

func containsBoundary(boundary string, item tensor.Item) bool {
	for _, t := range item {
		if bytes.Contains(t.Data, []byte(boundary)) {
			return true
		}
	}
	return false
}

// must panics on errors of writing to memory, which cannot fail.
func must(err error) {
	if err != nil {
		panic("handler: " + err.Error())
	}
}

// Describe describes the bodies of Bodies for people:
//
//	x FP32 [2048]: normal(0,1), sent as application/octet-stream, 8192 bytes
func Describe(inputs []tensor.Spec) string {
	body := Bodies(inputs, 1, 0)[0]
	media, _, _ := strings.Cut(body.Type, ";")
	var lines []string
	for _, s := range inputs {
		if !s.Optional {
			lines = append(lines, fmt.Sprintf("%s: %s", s, distribution(s)))
		}
	}
	if n := len(lines); n > maxDescribed+1 {
		lines = append(lines[:maxDescribed], fmt.Sprintf("and %d others", n-maxDescribed))
	}
	text := fmt.Sprintf("%s, sent as %s", strings.Join(lines, "; "), media)
	if tensor.Lengths(inputs) != nil {
		return text // the number of bytes depends on the lengths
	}
	return fmt.Sprintf("%s, %d bytes", text, len(body.Data))
}

// maxDescribed is the number of inputs that Describe describes.
const maxDescribed = 6

// distribution describes the distribution of the samples of an input. It looks at samples,
// because only package tensor knows the rule.
func distribution(s tensor.Spec) string {
	if s.Type == tensor.String {
		return "short texts"
	}
	const enough = 256
	rng := rand.New(rand.NewPCG(0, 0))
	low, high := math.Inf(1), math.Inf(-1)
	for seen := 0; seen < enough; {
		t := tensor.Sample(s, rng)
		n := len(t.Data) / t.Type.Size()
		for i := range n {
			v := tensor.At(t.Type, t.Data, i)
			low, high = min(low, v), max(high, v)
		}
		seen += max(n, 1)
	}
	switch {
	case low > high:
		return "no values"
	case low == high:
		return "all " + formatFloat(low)
	case s.Usual != nil:
		return "uniform " + formatFloat(s.Usual.Min) + " to " + formatFloat(s.Usual.Max)
	case s.Bounded:
		return "uniform " + formatFloat(s.Min) + " to " + formatFloat(s.Max)
	case s.Type.IsFloat() && low < 0:
		return "normal(0,1)"
	case s.Type.IsFloat():
		return "uniform 0 to 1"
	case low == 0 && high == 1:
		return "0 or 1"
	}
	return fmt.Sprintf("uniform %s to %s", formatFloat(low), formatFloat(high))
}
