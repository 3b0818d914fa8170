package report

import (
	"fmt"
	"io"

	"sweetspot/engine/knob"
	"sweetspot/profiles/report/draw"
)

// Plot is one chart of a profile.
type Plot struct {
	Name    string // frontier, hold, times, use, or a knob
	Picture *draw.Picture
}

// The size of charts in files.
const (
	plotWidth = 800
	pngScale  = 2
)

// plots returns the charts of a profile that have something to show, for a width in pixels.
func (s *section) plots(width float64) []Plot {
	var out []Plot
	add := func(name string, p *draw.Picture) {
		if p != nil {
			out = append(out, Plot{name, p})
		}
	}
	add("frontier", s.scatter(width))
	add("hold", s.hold(width))
	add("times", s.times(width))
	use, _ := s.utilization(width)
	add("use", use)
	for _, c := range s.knobCurves() {
		add(string(c.knob.Name), c.draw(s, min(width, 380)))
	}
	return out
}

// PlotNames returns the names of the charts that any profile may have.
func PlotNames() []string {
	out := []string{"frontier", "hold", "times", "use"}
	for _, k := range knob.All() {
		out = append(out, string(k.Name))
	}
	return out
}

// chart returns the chart with this name; "" is the first.
func (ss sections) chart(name string) (*draw.Picture, error) {
	all := ss[0].plots(plotWidth)
	var names []string
	for _, p := range all {
		if p.Name == name || name == "" {
			return p.Picture, nil
		}
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("profile %s has nothing to draw", ss[0].profile.Header.ID)
	}
	return nil, fmt.Errorf("--plot %s: this profile has %s%s", name, orList(names), knob.Suggest(name, names))
}

func svg(ss sections, w io.Writer, plot string) error {
	p, err := ss.chart(plot)
	if err != nil {
		return err
	}
	_, err = w.Write(p.SVG())
	return err
}

func png(ss sections, w io.Writer, plot string) error {
	p, err := ss.chart(plot)
	if err != nil {
		return err
	}
	data, err := p.PNG(pngScale)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
