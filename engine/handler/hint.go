package handler

import (
	"fmt"
	"strconv"
	"strings"

	"sweetspot/engine/tensor"
)

// hint describes what a caller should send; it ends an error text.
func (d decoder) hint() string {
	if len(d.inputs) == 1 {
		return d.hintOne(d.inputs[0])
	}
	var b strings.Builder
	b.WriteString("send {")
	for i, s := range d.inputs {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %s", s.Name, exampleArray(s))
		if s.Optional {
			b.WriteString(" or nothing")
		}
	}
	b.WriteString("} as " + TypeJSON + ", or " + typeForm + " with one part per input")
	return b.String()
}

func (d decoder) hintOne(s tensor.Spec) string {
	text := fmt.Sprintf("send %s as %s", exampleArray(s), TypeJSON)
	if isOneText(s) {
		return text + ", or the text itself as text/plain"
	}
	if s.Type == tensor.String {
		return text
	}
	if n := tensor.Elements(s.Shape); n >= 0 {
		text += fmt.Sprintf(", or %d bytes of little-endian %s as %s", n*int64(s.Type.Size()), s.Type, TypeRaw)
	} else {
		text += fmt.Sprintf(", or little-endian %s as %s; shape=%s", s.Type, TypeRaw, shapeText(exampleShape(s.Shape)))
	}
	if d.takesImage(s) {
		text += ", or a JPEG or PNG file"
	}
	return text
}

// exampleArray is a short JSON example of an input.
func exampleArray(s tensor.Spec) string {
	if len(s.Shape) == 0 && s.Type == tensor.String {
		return "a string"
	}
	if len(s.Shape) == 0 {
		return "a number"
	}
	if isOneText(s) {
		return fmt.Sprintf(`["a"] (shape %v)`, s.Shape)
	}
	one, two := "0.1", "0.2"
	switch {
	case s.Type == tensor.String:
		one, two = `"a"`, `"b"`
	case s.Type == tensor.Bool:
		one, two = "true", "false"
	case s.Usual != nil && s.Bounded:
		one, two = formatFloat(s.Usual.Min), formatFloat(s.Usual.Max)
	case s.Bounded:
		one, two = formatFloat(s.Min), formatFloat(s.Max)
	case !s.Type.IsFloat():
		one, two = "1", "2"
	}
	return fmt.Sprintf("[%s, %s, ...] (shape %v)", one, two, s.Shape)
}

// exampleShape sets the open dimensions to an example size.
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

// shapeText formats a shape for the content-type parameter: 1x128.
func shapeText(shape []int64) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = strconv.FormatInt(d, 10)
	}
	return strings.Join(parts, "x")
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func inputNames(inputs []tensor.Spec) string {
	out := make([]string, len(inputs))
	for i, s := range inputs {
		out[i] = s.Name
	}
	return strings.Join(out, ", ")
}
