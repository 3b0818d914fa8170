package handler

import (
	"fmt"
	"strconv"
	"strings"

	"sweetspot/engine/tensor"
)

// want says what a caller should send, as the end of an error text.
func want(inputs []tensor.Spec) string {
	if len(inputs) == 1 {
		return wantOne(inputs[0])
	}
	var b strings.Builder
	b.WriteString("send {")
	for i, s := range inputs {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %s", s.Name, arrayOf(s))
	}
	b.WriteString("} as " + TypeJSON + ", or " + typeForm + " with one part per input")
	return b.String()
}

func wantOne(s tensor.Spec) string {
	text := fmt.Sprintf("send %s as %s", arrayOf(s), TypeJSON)
	if n := tensor.Elements(s.Shape); n > 0 {
		text += fmt.Sprintf(", or %d bytes of little-endian %s as %s", n*int64(s.Type.Size()), s.Type, TypeRaw)
	} else {
		text += fmt.Sprintf(", or little-endian %s as %s; shape=%s", s.Type, TypeRaw, shapeText(exampleShape(s.Shape)))
	}
	if takesPicture(s) {
		text += ", or a JPEG or PNG file"
	}
	return text
}

// arrayOf is an example of an input as JSON, short for people.
func arrayOf(s tensor.Spec) string {
	if len(s.Shape) == 0 {
		return "a number"
	}
	one, two := "0.1", "0.2"
	switch {
	case s.Type == tensor.Bool:
		one, two = "true", "false"
	case s.Bounded:
		one, two = plain(s.Min), plain(s.Max)
	case !s.Type.IsFloat():
		one, two = "1", "2"
	}
	return fmt.Sprintf("[%s, %s, ...] (shape %v)", one, two, s.Shape)
}

// exampleShape fills open dimensions with a size people recognise as made up.
func exampleShape(shape []int64) []int64 {
	out := make([]int64, len(shape))
	for i, d := range shape {
		out[i] = d
		if d < 0 {
			out[i] = 128
		}
	}
	return out
}

// shapeText writes a shape as the content-type parameter: 1x128.
func shapeText(shape []int64) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = strconv.FormatInt(d, 10)
	}
	return strings.Join(parts, "x")
}

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func names(inputs []tensor.Spec) string {
	out := make([]string, len(inputs))
	for i, s := range inputs {
		out[i] = s.Name
	}
	return strings.Join(out, ", ")
}
