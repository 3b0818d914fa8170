// Package draw draws pictures from lines, areas, marks and texts, and writes them as SVG and
// PNG.
//
// Shapes have a [Role] instead of a colour. A page has the colours of the roles in its style
// sheet ([Style]), so that one picture is right on a light and on a dark screen. A PNG has
// the light ones.
//
// Coordinates are in pixels; (0, 0) is the upper left corner.
package draw

import (
	"math"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
)

// Role says what a shape means; the style decides its colour.
type Role string

// The roles.
const (
	Text      Role = "text"
	Muted     Role = "muted" // less important texts
	Grid      Role = "grid"
	Axis      Role = "axis"
	Paper     Role = "paper"  // the background
	Accent    Role = "accent" // the choice
	Limit     Role = "limit"
	Pass      Role = "pass"
	Fail      Role = "fail"
	Undecided Role = "undecided"

	Part1 Role = "part1" // parts of a whole
	Part2 Role = "part2"
	Part3 Role = "part3"
	Part4 Role = "part4"
	Part5 Role = "part5"
)

// Point is a place in a picture.
type Point struct{ X, Y float64 }

// Align says which part of a text is at its point.
type Align uint8

// The alignments.
const (
	Start Align = iota
	Middle
	End
)

// Picture is a picture that is being drawn. Its shapes are drawn in the order of the calls.
type Picture struct {
	Width, Height float64
	Label         string // what it shows, for people who do not see it
	shapes        []shape
}

// New returns an empty picture.
func New(width, height float64, label string) *Picture {
	return &Picture{Width: width, Height: height, Label: label}
}

type kind uint8

const (
	polyline kind = iota
	polygon
	circle
	cross
	text
)

// shape is one element. Points with coordinates that are not finite are dropped with their shape.
type shape struct {
	kind   kind
	points []Point // of a circle, a cross and a text only one
	fill   Role    // "" is none
	stroke Role    // "" is none
	width  float64 // of the stroke
	dashed bool
	faint  bool    // a half transparent fill
	radius float64 // of a circle, and of a cross: half of its width
	text   string
	size   float64
	bold   bool
	align  Align
	tip    string // shown where a pointer rests on the shape
}

func (p *Picture) add(s shape) {
	for _, pt := range s.points {
		if v := pt.X + pt.Y; v-v != 0 {
			return
		}
	}
	p.shapes = append(p.shapes, s)
}

// Line draws a line through the points.
func (p *Picture) Line(stroke Role, width float64, points ...Point) {
	p.add(shape{kind: polyline, points: points, stroke: stroke, width: width})
}

// Dashed draws a dashed line through the points.
func (p *Picture) Dashed(stroke Role, width float64, points ...Point) {
	p.add(shape{kind: polyline, points: points, stroke: stroke, width: width, dashed: true})
}

// Rect fills a rectangle. tip may be "".
func (p *Picture) Rect(fill Role, x, y, width, height float64, tip string) {
	p.add(shape{kind: polygon, fill: fill, tip: tip, points: []Point{{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}}})
}

// Area fills a polygon half transparently.
func (p *Picture) Area(fill Role, points ...Point) {
	p.add(shape{kind: polygon, fill: fill, faint: true, points: points})
}

// Disc draws a filled circle.
func (p *Picture) Disc(fill Role, at Point, radius float64, tip string) {
	p.add(shape{kind: circle, points: []Point{at}, fill: fill, radius: radius, tip: tip})
}

// Ring draws a circle with the background inside.
func (p *Picture) Ring(stroke Role, at Point, radius, width float64, tip string) {
	p.add(shape{kind: circle, points: []Point{at}, fill: Paper, stroke: stroke, width: width, radius: radius, tip: tip})
}

// Halo draws a circle without an inside.
func (p *Picture) Halo(stroke Role, at Point, radius, width float64) {
	p.add(shape{kind: circle, points: []Point{at}, stroke: stroke, width: width, radius: radius})
}

// Cross draws a diagonal cross.
func (p *Picture) Cross(stroke Role, at Point, radius, width float64, tip string) {
	p.add(shape{kind: cross, points: []Point{at}, stroke: stroke, width: width, radius: radius, tip: tip})
}

// Text writes a text whose base line is at the point.
func (p *Picture) Text(fill Role, size float64, align Align, at Point, s string) {
	p.add(shape{kind: text, points: []Point{at}, fill: fill, size: size, align: align, text: s})
}

// Bold writes a bold text whose base line is at the point.
func (p *Picture) Bold(fill Role, size float64, align Align, at Point, s string) {
	p.add(shape{kind: text, points: []Point{at}, fill: fill, size: size, align: align, text: s, bold: true})
}

// arms returns the two lines of a cross.
func (s shape) arms() [2][]Point {
	at, r := s.points[0], s.radius
	return [2][]Point{{{at.X - r, at.Y - r}, {at.X + r, at.Y + r}}, {{at.X - r, at.Y + r}, {at.X + r, at.Y - r}}}
}

// faces are the fonts of PNG files, and those by which widths are estimated.
var faces = sync.OnceValue(func() map[bool]*opentype.Font {
	out := map[bool]*opentype.Font{}
	for bold, data := range map[bool][]byte{false: goregular.TTF, true: gobold.TTF} {
		f, err := opentype.Parse(data)
		if err != nil {
			panic("draw: " + err.Error()) // the fonts are part of the library
		}
		out[bold] = f
	}
	return out
})

func face(size float64, bold bool) font.Face {
	f, err := opentype.NewFace(faces()[bold], &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic("draw: " + err.Error()) // the options are valid
	}
	return f
}

// Width estimates the width of a text. Another font may be a little wider.
func Width(s string, size float64) float64 {
	f := face(size, false)
	defer f.Close()
	return math.Ceil(float64(font.MeasureString(f, s)) / 64)
}
