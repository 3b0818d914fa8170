package draw_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"sweetspot/profiles/report/draw"
)

// picture has each kind of shape, texts that need escapes, and shapes that cannot be drawn.
func picture() *draw.Picture {
	p := draw.New(100, 60, `P99 < 20 ms & "more"`)
	p.Rect(draw.Pass, 10, 10, 20, 20, "a <tip>")
	p.Area(draw.Part4, draw.Point{X: 40, Y: 10}, draw.Point{X: 60, Y: 10}, draw.Point{X: 50, Y: 30})
	p.Disc(draw.Fail, draw.Point{X: 80, Y: 20}, 8, "")
	p.Ring(draw.Accent, draw.Point{X: 80, Y: 45}, 8, 2, "ring")
	p.Halo(draw.Accent, draw.Point{X: 20, Y: 20}, 15, 1)
	p.Cross(draw.Undecided, draw.Point{X: 50, Y: 45}, 5, 2, "")
	p.Line(draw.Axis, 2, draw.Point{X: 0, Y: 55}, draw.Point{X: 100, Y: 55})
	p.Dashed(draw.Limit, 2, draw.Point{X: 0, Y: 35}, draw.Point{X: 100, Y: 35})
	p.Text(draw.Text, 10, draw.End, draw.Point{X: 99, Y: 58}, "1 < 2 & 3")
	p.Bold(draw.Muted, 10, draw.Middle, draw.Point{X: 50, Y: 58}, "bold")
	p.Disc(draw.Fail, draw.Point{X: math.NaN(), Y: 1}, 1, "not drawn")
	p.Line(draw.Axis, 1, draw.Point{X: 0, Y: 0}, draw.Point{X: math.Inf(1), Y: 0})
	return p
}

func TestSVG(t *testing.T) {
	file := picture().SVG()
	shapes, texts := map[string]int{}, ""
	d := xml.NewDecoder(bytes.NewReader(file))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well formed: %v\n%s", err, file)
		}
		switch token := token.(type) {
		case xml.StartElement:
			shapes[token.Name.Local]++
			for _, a := range token.Attr {
				if a.Name.Local == "aria-label" && a.Value != `P99 < 20 ms & "more"` {
					t.Errorf("label %q", a.Value)
				}
			}
		case xml.CharData:
			texts += string(token) + "|"
		}
	}
	for name, want := range map[string]int{"rect": 1, "circle": 3, "path": 5, "text": 2, "title": 2} {
		if shapes[name] != want {
			t.Errorf("%d elements %s, want %d\n%s", shapes[name], name, want, file)
		}
	}
	for _, want := range []string{"a <tip>|", "ring|", "1 < 2 & 3|"} {
		if !strings.Contains(texts, want) {
			t.Errorf("no text %q in %q", want, texts)
		}
	}
	if strings.Contains(string(file), "NaN") || strings.Contains(string(file), "Inf") || strings.Contains(texts, "not drawn") {
		t.Errorf("a shape without a place is drawn:\n%s", file)
	}
	if inline := picture().Inline("wide"); strings.Contains(inline, "<style>") || !strings.Contains(inline, `class="pic wide"`) {
		t.Errorf("inline: %s", inline)
	}
}

// TestPNG: shapes have the colours of their roles, at their places, in both sizes.
func TestPNG(t *testing.T) {
	for _, scale := range []float64{1, 2} {
		file, err := picture().PNG(scale)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if got := img.Bounds().Size(); got != image.Pt(int(100*scale), int(60*scale)) {
			t.Errorf("size %v at scale %g", got, scale)
		}
		for _, tt := range []struct {
			what string
			x, y float64
			want string
		}{
			{"paper", 2, 2, "ffffff"},
			{"rectangle", 12, 28, "0a7d4f"},
			{"area, 12% of its colour", 50, 12, "e5ebf8"},
			{"disc", 80, 20, "b3261e"},
			{"inside of the ring", 80, 45, "ffffff"},
			{"middle of the cross", 50, 45, "8a5a00"},
			{"line", 30, 55, "a9b3bf"},
			{"dash", 2, 35, "b3261e"},
			{"gap of the dashes", 7, 35, "ffffff"},
		} {
			r, g, b, _ := img.At(int(tt.x*scale), int(tt.y*scale)).RGBA()
			got := hex(r) + hex(g) + hex(b)
			if got != tt.want {
				t.Errorf("scale %g: %s has the colour %s, want %s", scale, tt.what, got, tt.want)
			}
		}
	}
}

// hex formats a component of 16 bits as one byte.
func hex(v uint32) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[v>>12], digits[v>>8&15]})
}

func TestWidth(t *testing.T) {
	if a, b := draw.Width("throughput", 10), draw.Width("throughput", 20); a <= 0 || math.Abs(b-2*a) > 2 {
		t.Errorf("widths %g and %g at twice the size", a, b)
	}
	if got := draw.Width("", 10); got != 0 {
		t.Errorf("an empty text is %g wide", got)
	}
}
