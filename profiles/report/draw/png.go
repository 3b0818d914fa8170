package draw

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// PNG returns the picture with the light colours; scale is the number of its dots in a pixel of the
// picture, 1-4.
func (p *Picture) PNG(scale float64) ([]byte, error) {
	c := canvas{scale: min(max(scale, 1), 4)}
	c.img = image.NewRGBA(image.Rect(0, 0, int(math.Ceil(p.Width*c.scale)), int(math.Ceil(p.Height*c.scale))))
	c.polygon(colour(Paper, 1), []Point{{0, 0}, {p.Width, 0}, {p.Width, p.Height}, {0, p.Height}})
	for _, s := range p.shapes {
		c.shape(s)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, c.img); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// colour returns the light colour of a role.
func colour(r Role, alpha float64) color.Color {
	for _, c := range colours {
		if c.role != r {
			continue
		}
		out := color.NRGBA{A: uint8(math.Round(255 * alpha))}
		for i, dst := range []*uint8{&out.R, &out.G, &out.B} {
			*dst = hex(c.light[1+2*i])<<4 | hex(c.light[2+2*i])
		}
		return out
	}
	return color.Black
}

// hex returns the value of a lower-case hexadecimal digit.
func hex(c byte) uint8 {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

type canvas struct {
	img   *image.RGBA
	scale float64
}

func (c *canvas) shape(s shape) {
	alpha := 1.0
	if s.faint {
		alpha = .12
	}
	switch s.kind {
	case text:
		c.text(s)
	case circle:
		if s.fill != "" {
			c.polygon(colour(s.fill, alpha), arc(s.points[0], s.radius))
		}
		if s.stroke != "" {
			c.stroke(colour(s.stroke, 1), s.width, append(arc(s.points[0], s.radius), arc(s.points[0], s.radius)[0]))
		}
	case cross:
		for _, arm := range s.arms() {
			c.stroke(colour(s.stroke, 1), s.width, arm)
		}
	case polygon:
		c.polygon(colour(s.fill, alpha), s.points)
	case polyline:
		for _, part := range dashes(s) {
			c.stroke(colour(s.stroke, 1), s.width, part)
		}
	}
}

// arc returns the points of a circle.
func arc(at Point, radius float64) []Point {
	const n = 32
	out := make([]Point, n)
	for i := range out {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / n)
		out[i] = Point{at.X + radius*cos, at.Y + radius*sin}
	}
	return out
}

// dashes returns the parts of a line: the line itself, or its dashes.
func dashes(s shape) [][]Point {
	if !s.dashed {
		return [][]Point{s.points}
	}
	const on, period = 5, 9
	var out [][]Point
	for i := 1; i < len(s.points); i++ {
		a, b := s.points[i-1], s.points[i]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		at := func(d float64) Point {
			f := min(d, length) / length
			return Point{a.X + f*(b.X-a.X), a.Y + f*(b.Y-a.Y)}
		}
		for d := 0.0; d < length; d += period {
			out = append(out, []Point{at(d), at(d + on)})
		}
	}
	return out
}

// stroke draws each segment as a rectangle, and a circle where two of them meet.
func (c *canvas) stroke(ink color.Color, width float64, points []Point) {
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		if length == 0 {
			continue
		}
		x, y := (b.Y-a.Y)/length*width/2, -(b.X-a.X)/length*width/2
		c.polygon(ink, []Point{{a.X + x, a.Y + y}, {b.X + x, b.Y + y}, {b.X - x, b.Y - y}, {a.X - x, a.Y - y}})
		if i > 1 && width > 1.2 {
			c.polygon(ink, arc(a, width/2))
		}
	}
}

// polygon fills a polygon. Only the part of the picture around it is touched.
func (c *canvas) polygon(ink color.Color, points []Point) {
	low, high := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	for _, p := range points {
		low = Point{min(low.X, p.X*c.scale), min(low.Y, p.Y*c.scale)}
		high = Point{max(high.X, p.X*c.scale), max(high.Y, p.Y*c.scale)}
	}
	box := image.Rect(int(math.Floor(low.X)), int(math.Floor(low.Y)), int(math.Ceil(high.X))+1, int(math.Ceil(high.Y))+1).Intersect(c.img.Bounds())
	if box.Empty() {
		return
	}
	r := vector.NewRasterizer(box.Dx(), box.Dy())
	for i, p := range points {
		x, y := float32(p.X*c.scale-float64(box.Min.X)), float32(p.Y*c.scale-float64(box.Min.Y))
		if i == 0 {
			r.MoveTo(x, y)
		} else {
			r.LineTo(x, y)
		}
	}
	r.ClosePath()
	r.Draw(c.img, box, image.NewUniform(ink), image.Point{})
}

func (c *canvas) text(s shape) {
	f := face(s.size*c.scale, s.bold)
	defer f.Close()
	x := s.points[0].X * c.scale
	width := float64(font.MeasureString(f, s.text)) / 64
	switch s.align {
	case Middle:
		x -= width / 2
	case End:
		x -= width
	}
	d := font.Drawer{
		Dst: c.img, Src: image.NewUniform(colour(s.fill, 1)), Face: f,
		Dot: fixed.Point26_6{X: fixed.Int26_6(x * 64), Y: fixed.Int26_6(s.points[0].Y * c.scale * 64)},
	}
	d.DrawString(s.text)
}
