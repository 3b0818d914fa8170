package report

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/report/draw"
	"sweetspot/sweep/trial"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// Widths of the charts for wide and for narrow screens, in pixels. Each chart is in the page in
// both, so that its texts are never scaled down.
const (
	wideChart   = 970
	narrowChart = 340
	knobChart   = 262
	firstRows   = 12 // rows that are shown before the others are opened
)

// pageData is what the template of the page gets.
type pageData struct {
	Title    string
	Style    template.CSS
	Sections []pageSection
	Tool     string
	Created  string
}

// pageSection is one profile in the page.
type pageSection struct {
	ID, Title, Group string
	Answer           string
	State            string // pass, fail, undecided: a class
	StateText        string
	Tiles            []tile
	Facts            [][2]string
	Why              []trial.Line
	Charts           []pageChart
	Knobs            []pageChart
	Fixed            string
	Titles           []string
	First, Rest      []pageRow
	Plan             string
	Warnings         []string
	Events           []string
	Skipped          []string
}

type tile struct{ Value, Unit, Name, Note string }

type pageChart struct {
	ID, Title, Text string
	Wide, Narrow    template.HTML
}

type pageRow struct {
	Chosen bool
	State  string // pass, fail, undecided: a class of the verdict
	Cells  []string

	Verdict string
}

// html writes a page that is complete in one file: no script, no font and no picture is loaded.
func (ss sections) html(w io.Writer) error {
	d := pageData{Title: headline(ss), Style: template.CSS(draw.Style(":root"))} //nolint:gosec // our own style
	for i := range ss {
		d.Sections = append(d.Sections, ss[i].page(i+1, len(ss)))
	}
	h := ss[0].profile.Header
	d.Tool, d.Created = h.Tool, h.Created.UTC().Format("2006-01-02 15:04 UTC")
	return page.Execute(w, d)
}

func (s *section) page(n, of int) pageSection {
	h := s.profile.Header
	out := pageSection{
		ID: fmt.Sprintf("s%d", n), Title: h.Model.Name, Answer: s.answer(), Why: s.explanation(), Tiles: s.tiles(),
		Titles: s.orderTitles()[1:], Warnings: s.profile.Warnings,
	}
	if of > 1 || h.Suite != "" {
		out.Group = s.group()
	}
	out.State, out.StateText = s.state()
	out.Facts = [][2]string{
		{"Promise", s.promise()},
		{"Load", strings.Join(s.loads(), "; ")},
		{"Model", h.Model.Source},
		{"Machine", h.Machine.String()},
		{"Profile", h.ID},
	}
	if text, err := s.plan.Canonical(); err == nil && h.Kind == profiles.Sweep {
		out.Plan = string(text)
	}
	for _, e := range s.profile.Events {
		out.Events = append(out.Events, e.At.UTC().Format("15:04:05")+" "+e.What+": "+e.Detail)
	}
	if c, ok := s.profile.Choice(); ok {
		for _, k := range c.Why.Skipped {
			out.Skipped = append(out.Skipped, fmt.Sprintf("%v: %s", k.Settings, k.Reason))
		}
	}
	out.Fixed = s.fixedText()
	s.addRows(&out)
	s.addCharts(&out)
	return out
}

// state returns the class and the text of the verdict.
func (s *section) state() (class, text string) {
	p := s.profile
	if class, text, ok := s.heldState(); ok {
		return class, text
	}
	switch {
	case s.choice >= 0 && s.rows[s.choice].Validated:
		return "pass", "keeps the promise, validated"
	case s.choice >= 0:
		return s.rows[s.choice].Verdict().Result.String(), s.rows[s.choice].Verdict().Label()
	case p.End != nil && p.End.Exit == exitNo:
		return "fail", "no"
	case p.Header.Kind == profiles.Live:
		return "undecided", "live"
	}
	return "undecided", "cannot tell"
}

// tiles are the figures of the best row.
func (s *section) tiles() []tile {
	r, ok := s.best()
	if !ok {
		return nil
	}
	t, v := r.Joined, r.Verdict()
	out := []tile{
		{figure(t.Throughput.Value), "/s", "requests per second", interval(t.Throughput.Low, t.Throughput.High)},
		{figure(v.ValueMS), "ms", strings.TrimSuffix(s.percentileTitle(), " ms"), s.limitNote(v)},
		{errorCell(r), "", "errors", fmt.Sprintf("%d of %d requests", t.Counts.Refused+t.Counts.Failed+t.Counts.Timeout, t.Counts.Sent)},
		{figure(t.Batches.Mean), "", "rows in a batch", "of " + t.Settings.Display(knob.BatchSize)},
	}
	if c, ok := s.profile.Choice(); ok && c.Why.HighestRPS.OK() {
		out[0].Note = fmt.Sprintf("highest rate %s, plan for %s", figure(c.Why.HighestRPS), figure(c.Why.PlanRPS))
	}
	return out
}

func (s *section) limitNote(v trial.Verdict) string {
	parts := []string{interval(v.LowMS, v.HighMS)}
	if s.hasSLA {
		parts = append(parts, "promise "+s.sla.Limit.String())
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// fixedText names the knobs that have one value in all rows.
func (s *section) fixedText() string {
	if len(s.rows) == 0 {
		return ""
	}
	var out []string
	for _, k := range s.fixed {
		out = append(out, knobText(k, s.rows[0].Joined.Settings))
	}
	return strings.Join(out, ", ")
}

func (s *section) addRows(out *pageSection) {
	cells := s.orderRows(s.rows)
	for i, r := range s.rows {
		row := pageRow{Chosen: i == s.choice, State: r.Verdict().Result.String(), Verdict: cells[i][1], Cells: cells[i][2:]}
		if i < firstRows || row.Chosen {
			out.First = append(out.First, row)
		} else {
			out.Rest = append(out.Rest, row)
		}
	}
}

func (s *section) addCharts(out *pageSection) {
	add := func(id, title, text string, at func(width float64) *draw.Picture) {
		if p := at(wideChart); p != nil {
			out.Charts = append(out.Charts, pageChart{ID: id, Title: title, Text: text, Wide: inline(p, "wide"), Narrow: inline(at(narrowChart), "narrow")})
		}
	}
	add("frontier", "Throughput against latency", "Each mark is a setting: a disc keeps the promise, a cross breaks it, a ring is undecided. The line joins those of which no other one is both faster and quicker to answer.", s.scatter)
	add("hold", "The hold", "The percentile of the promise in each period, with its interval. A cross certainly breaks the promise, a ring is undecided or was disturbed.", s.hold)
	add("times", "Where the time goes", "Mean time of a request in the server, for the first settings.", s.times)
	if _, note := s.utilization(wideChart); note != "" {
		out.Facts = append(out.Facts, [2]string{"Use", note})
	}
	add("use", "Use of the machine", "For the first settings.", func(width float64) *draw.Picture {
		p, _ := s.utilization(width)
		return p
	})
	for _, c := range s.knobCurves() {
		p := c.draw(s, knobChart)
		out.Knobs = append(out.Knobs, pageChart{ID: string(c.knob.Name), Title: knobTitle(c.knob), Wide: inline(p, "knob")})
	}
}

func inline(p *draw.Picture, class string) template.HTML {
	return template.HTML(p.Inline(class)) //nolint:gosec // draw escapes all texts
}
