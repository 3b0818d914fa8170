package draw

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// colours are the colours of each role, light and dark.
var colours = []struct {
	role        Role
	light, dark string
}{
	{Text, "#1a2029", "#e6eaf0"},
	{Muted, "#5b6675", "#98a4b3"},
	{Grid, "#e3e8ee", "#262e38"},
	{Axis, "#a9b3bf", "#4b5665"},
	{Paper, "#ffffff", "#12161c"},
	{Accent, "#2257c4", "#82aaff"},
	{Limit, "#b3261e", "#ff8a80"},
	{Pass, "#0a7d4f", "#4ccb8f"},
	{Fail, "#b3261e", "#ff8a80"},
	{Undecided, "#8a5a00", "#e5b454"},
	{Part1, "#7b8794", "#8794a3"},
	{Part2, "#d08700", "#e5b454"},
	{Part3, "#8e5bd0", "#b794f6"},
	{Part4, "#2257c4", "#82aaff"},
	{Part5, "#0c8f8f", "#4fd1c5"},
}

// Style returns the style sheet of pictures: the colours of the roles as variables (--text,
// --pass ...) of the elements that the selector matches, dark ones where a person prefers
// them, and the classes that use them.
func Style(selector string) string {
	var light, dark, classes strings.Builder
	for _, c := range colours {
		fmt.Fprintf(&light, "--%s:%s;", c.role, c.light)
		fmt.Fprintf(&dark, "--%s:%s;", c.role, c.dark)
		fmt.Fprintf(&classes, ".f-%[1]s{fill:var(--%[1]s)}.s-%[1]s{stroke:var(--%[1]s)}", c.role)
	}
	return fmt.Sprintf("%s{%s}@media(prefers-color-scheme:dark){%s{%s}}", selector, light.String(), selector, dark.String()) +
		".pic{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}.pic text{font-variant-numeric:tabular-nums}" + classes.String()
}

// Inline returns the picture as an element of a page that has the [Style]. class is added to its
// classes.
func (p *Picture) Inline(class string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="pic %s" viewBox="0 0 %s %s" role="img" aria-label="%s">`, class, num(p.Width), num(p.Height), html.EscapeString(p.Label))
	p.writeShapes(&b)
	b.WriteString("</svg>")
	return b.String()
}

// SVG returns the picture as a file, which follows the preference for light or dark colours.
func (p *Picture) SVG() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="pic" width="%[1]s" height="%[2]s" viewBox="0 0 %[1]s %[2]s" role="img" aria-label="%[3]s">`,
		num(p.Width), num(p.Height), html.EscapeString(p.Label))
	fmt.Fprintf(&b, "<style>%s</style>", Style("svg"))
	fmt.Fprintf(&b, `<rect class="f-paper" width="%s" height="%s"/>`, num(p.Width), num(p.Height))
	p.writeShapes(&b)
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

func (p *Picture) writeShapes(b *strings.Builder) {
	for _, s := range p.shapes {
		if s.kind == text {
			s.writeText(b)
			continue
		}
		s.writeFigure(b)
	}
}

func (s shape) writeFigure(b *strings.Builder) {
	name, shut := "", "/>"
	switch s.kind {
	case circle:
		name = fmt.Sprintf(`circle cx="%s" cy="%s" r="%s"`, num(s.points[0].X), num(s.points[0].Y), num(s.radius))
	case cross:
		name = fmt.Sprintf(`path d="%s%s"`, path(s.arms()[0]), path(s.arms()[1]))
	case polygon:
		name = fmt.Sprintf(`path d="%sZ"`, path(s.points))
	default:
		name = fmt.Sprintf(`path d="%s"`, path(s.points))
	}
	fmt.Fprintf(b, `<%s%s`, name, s.paint())
	if s.tip != "" {
		element, _, _ := strings.Cut(name, " ")
		shut = fmt.Sprintf("><title>%s</title></%s>", html.EscapeString(s.tip), element)
	}
	b.WriteString(shut)
}

// paint returns the attributes of fill and stroke.
func (s shape) paint() string {
	var classes []string
	out := ""
	if s.fill != "" {
		classes = append(classes, "f-"+string(s.fill))
	} else {
		out += ` fill="none"`
	}
	if s.stroke != "" {
		classes = append(classes, "s-"+string(s.stroke))
		out += fmt.Sprintf(` stroke-width="%s"`, num(s.width))
	}
	if s.dashed {
		out += ` stroke-dasharray="5 4"`
	}
	if s.faint {
		out += ` fill-opacity=".12"`
	}
	return fmt.Sprintf(` class="%s"`, strings.Join(classes, " ")) + out
}

func (s shape) writeText(b *strings.Builder) {
	fmt.Fprintf(b, `<text x="%s" y="%s" font-size="%s" class="f-%s"`, num(s.points[0].X), num(s.points[0].Y), num(s.size), s.fill)
	if s.align != Start {
		fmt.Fprintf(b, ` text-anchor="%s"`, []string{Middle: "middle", End: "end"}[s.align])
	}
	if s.bold {
		b.WriteString(` font-weight="600"`)
	}
	fmt.Fprintf(b, ">%s</text>", html.EscapeString(s.text))
}

// path returns the commands of a line through the points.
func path(points []Point) string {
	var b strings.Builder
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		b.WriteString(command + num(p.X) + " " + num(p.Y))
	}
	return b.String()
}

// num formats a coordinate with at most one decimal.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
