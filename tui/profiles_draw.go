package tui

import (
	"fmt"
	"strings"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// profilesLayout is the body of the Profiles view. A panel that a layout does not show is empty.
type profilesLayout struct {
	list, detail, compare, overlay rect
}

func profilesLayoutOf(w, h int, panel profilePanel) profilesLayout {
	b := frameLayoutOf(w, h).body
	if sizeClassOf(w, h) == wide {
		left := b.w * 23 / 50
		list, compare := b.h*9/20, b.h*11/20
		return profilesLayout{
			list: rect{0, b.y, left, list}, detail: rect{0, b.y + list, left, b.h - list},
			compare: rect{left, b.y, b.w - left, compare}, overlay: rect{left, b.y + compare, b.w - left, b.h - compare},
		}
	}
	if b.h < roomyBody { // one panel at a time, and no room for a comparison
		switch panel {
		case profilePanelDetail:
			return profilesLayout{detail: b}
		case overlayPanel:
			return profilesLayout{overlay: b}
		default:
			return profilesLayout{list: b}
		}
	}
	list := max(b.h*2/5, 6)
	rest := rect{0, b.y + list, b.w, b.h - list}
	l := profilesLayout{list: rect{0, b.y, b.w, list}}
	switch panel {
	case profilePanelDetail:
		l.detail = rest
	case overlayPanel:
		l.overlay = rest
	default:
		l.compare = rest
	}
	return l
}

func (m *model) drawProfiles(p pane, class sizeClass) {
	f := frameLayoutOf(m.w, m.h)
	p.at(f.verdict).line(1, 0, m.profilesLine()...)
	l := profilesLayoutOf(m.w, m.h, m.profiles.panel)
	hint := dim("v: " + profilePanelNames[(m.profiles.panel+1)%profilePanelCount])
	if class == wide {
		hint = span{}
	}
	if l.list.h > 0 {
		m.drawProfileList(p.at(l.list))
	}
	if l.detail.h > 0 {
		m.drawProfileDetail(p.at(l.detail), hint)
	}
	if l.compare.h > 0 {
		m.drawCompare(p.at(l.compare), hint)
	}
	if l.overlay.h > 0 {
		m.drawOverlay(p.at(l.overlay), hint)
	}
}

// profilesLine is the line below the header.
func (m *model) profilesLine() []span {
	s := m.profiles
	if !s.loaded {
		return []span{dim("reading the profiles …")}
	}
	if s.compare != nil && sizeClassOf(m.w, m.h) == tiny && frameLayoutOf(m.w, m.h).body.h < roomyBody {
		return comparedSpans(s.compare)
	}
	out := []span{plain(plural(len(s.list), "profile"))}
	if s.filter != "" {
		out = append(out, span{"  /" + s.filter, styleAccent})
	}
	for _, side := range []struct{ letter, id string }{{"A", s.a}, {"B", s.b}} {
		if side.id != "" {
			out = append(out, bold("   "+side.letter+" "), plain(m.nameOfProfile(side.id)))
		}
	}
	if n := len(s.removed); n > 0 {
		out = append(out, dim(fmt.Sprintf("   %d deleted, ", n)), bold("u"), dim(" undoes"))
	}
	return out
}

// nameOfProfile is the name or the short ID of a profile of the list.
func (m *model) nameOfProfile(id string) string {
	for _, p := range m.profiles.list {
		if p.ID == id {
			return m.shortProfile(p)
		}
	}
	return id
}

// shortProfile is the name of a profile, or its time and model.
func (m *model) shortProfile(p profiles.Summary) string {
	if p.Name != "" {
		return p.Name
	}
	return when(p.Created, m.now) + " " + p.Model
}

func (m *model) drawProfileList(p pane) {
	s := m.profiles
	in := p.box("Profiles", dim(profileOrderNames[s.order]+" · o sorts · / filters"))
	list := m.shownProfiles()
	if len(list) == 0 {
		text := "Reading …"
		switch {
		case s.problem != "":
			text = s.problem
		case s.loaded || m.ProfileDir == "":
			text = strings.ToUpper(m.cannotUseProfile()[:1]) + m.cannotUseProfile()[1:] + "."
		}
		in.sub(1, 0, in.w-2, in.h).paragraph(0, 0, text, styleText)
		return
	}
	cols := profileColumns(in.w, m.now)
	x := 3
	for _, c := range cols {
		in.sub(x, 0, c.width-1, 1).cell(dim(c.name), c.right)
		x += c.width
	}
	selected := selectedProfileIndex(list, s.selected)
	avail := max(in.h-1, 0)
	from := min(max(selected-avail/2, 0), max(len(list)-avail, 0))
	for y := range min(avail, len(list)-from) {
		i := from + y
		row := in.sub(0, 1+y, in.w, 1)
		row.onClick(func() { m.profiles.selected = list[i].ID })
		m.drawProfileRow(row, cols, list[i], i == selected)
	}
	p.position(selected, len(list), avail)
}

// cell writes a span at the left or the right end of a pane of one row.
func (p pane) cell(s span, right bool) {
	x := 0
	if right {
		x = max(p.w-width(s.s), 0)
	}
	p.line(x, 0, s)
}

// profileColumn is a column of the list.
type profileColumn struct {
	name  string
	width int // with the blank after it
	right bool
	text  func(p profiles.Summary) span
}

// profileColumns are the columns that fit into w cells, in the order of the screen. The less
// important ones are left out first.
func profileColumns(w int, now time.Time) []profileColumn {
	best := func(f func(b *profiles.Best) string) func(profiles.Summary) span {
		return func(p profiles.Summary) span {
			if p.Best == nil {
				return dim("–")
			}
			return plain(f(p.Best))
		}
	}
	all := []struct {
		priority int
		profileColumn
	}{
		{9, profileColumn{"when", 8, false, func(p profiles.Summary) span { return plain(when(p.Created, now)) }}},
		{5, profileColumn{"kind", 6, false, func(p profiles.Summary) span { return plain(string(p.Kind)) }}},
		{9, profileColumn{nameColumn, 15, false, func(p profiles.Summary) span {
			if p.Name != "" {
				return bold(p.Name)
			}
			return plain(p.Model)
		}}},
		{7, profileColumn{"promise", 9, true, func(p profiles.Summary) span {
			if p.SLA == nil {
				return dim("–")
			}
			return plain(plainMS(limitMS(*p.SLA)) + " ms")
		}}},
		{3, profileColumn{"best", 17, false, best(func(b *profiles.Best) string { return shortSettings(b.Settings) })}},
		{8, profileColumn{"/s", 7, true, best(func(b *profiles.Best) string { return na(b.Throughput.Value) })}},
		{8, profileColumn{"P99", 7, true, best(func(b *profiles.Best) string { return na(b.P99.Value) })}},
		{6, profileColumn{"state", 8, false, profileState}},
	}
	total := func() int {
		n := 3
		for _, c := range all {
			n += c.width
		}
		return n
	}
	for total() > w && len(all) > 1 {
		least := 0
		for i := range all {
			if all[i].priority < all[least].priority {
				least = i
			}
		}
		all = append(all[:least], all[least+1:]...)
	}
	var out []profileColumn
	for _, c := range all {
		if c.name == nameColumn { // gets the rest
			c.width += min(max(w-total(), 0), longestName-c.width)
		}
		out = append(out, c.profileColumn)
	}
	return out
}

const (
	nameColumn  = "name or model"
	longestName = 42 // with the blank after it
)

// when is the time of a profile: today's time, else the day, in the time zone of now.
func when(t, now time.Time) string {
	t = t.In(now.Location())
	switch {
	case t.IsZero():
		return "–"
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("2 Jan")
	}
	return t.Format("01/2006")
}

// profileState is the verdict of the best setting, or the state of a profile that did not end well.
func profileState(p profiles.Summary) span {
	switch {
	case p.Error != "":
		return span{"damaged", styleFail}
	case p.Best != nil:
		return span{p.Best.Verdict.Label(), verdictStyle(p.Best.Verdict)}
	case p.State == profiles.Done:
		return span{"none", styleFail}
	}
	return warning(string(p.State))
}

func (m *model) drawProfileRow(p pane, cols []profileColumn, o profiles.Summary, selected bool) {
	letter := " "
	switch o.ID {
	case m.profiles.a:
		letter = "A"
	case m.profiles.b:
		letter = "B"
	}
	p.text(0, 0, letter, styleAccent)
	if selected {
		p.text(1, 0, "▸", styleAccent)
	}
	x := 3
	for _, c := range cols {
		s := c.text(o)
		if selected && s.style == styleText {
			s.style = styleBold
		}
		p.sub(x, 0, c.width-1, 1).cell(s, c.right)
		x += c.width
	}
}

// drawProfileDetail draws what is known of the selected profile.
func (m *model) drawProfileDetail(p pane, hint span) {
	o := m.selectedProfile()
	if o == nil {
		p.boxWith("Profile", hint)
		return
	}
	in := p.boxWith(m.shortProfile(*o), hint)
	in = in.sub(1, 0, in.w-2, in.h)
	y := 0
	for _, l := range m.profileLines(*o) {
		for _, text := range wrap(l[1].s, in.w-9) {
			if y >= in.h {
				in.more(y + 1)
				return
			}
			in.line(0, y, l[0])
			in.line(9, y, span{text, l[1].style})
			l[0].s = ""
			y++
		}
	}
}

// profileLines are the lines of the details: a label and a text each.
func (m *model) profileLines(o profiles.Summary) [][2]span {
	row := func(label, text string) [2]span { return [2]span{dim(label), plain(text)} }
	out := [][2]span{row("id", o.ID)}
	if read := m.profiles.opened; read != nil && read.id == o.ID && read.profile != nil {
		out = append(out, openedLines(read.profile)...)
	}
	if o.Best != nil {
		out = append(out, row("best", settingsText(o.Best.Settings)), row("", fmt.Sprintf("%s/s, P99 %s ms, %s", na(o.Best.Throughput.Value), na(o.Best.P99.Value), o.Best.Verdict.Label())))
	}
	note := "–  n writes one"
	switch {
	case o.Note != "":
		note = o.Note
	case m.Follow:
		note = "–"
	}
	out = append(out, row("note", note), row("file", shortPath(o.Path)))
	if o.Error != "" {
		out = append(out, [2]span{dim("damaged"), {firstLine(o.Error), styleFail}})
	}
	return out
}

// openedLines are the lines of a profile that is read completely.
func openedLines(p *profiles.Profile) [][2]span {
	row := func(label, text string) [2]span { return [2]span{dim(label), plain(text)} }
	h := p.Header
	model := h.Model.Name + " " + h.Model.Version
	if h.Model.SHA256 != "" {
		model += fmt.Sprintf("  sha256 %.8s…", h.Model.SHA256)
	}
	out := [][2]span{row("model", model), row("machine", h.Machine.String())}
	if sla, ok := p.SLA(); ok {
		out = append(out, row("promise", promiseText(sla)))
	}
	var n [3]int
	disturbed, broken := 0, 0
	for i := range p.Trials {
		if p.Trials[i].Error != "" {
			broken++
		} else {
			n[p.Trials[i].Verdict.Result]++
		}
		if p.Trials[i].Disturbed() {
			disturbed++
		}
	}
	if len(p.Trials) > 0 {
		out = append(out, row("load", p.Trials[len(p.Trials)-1].Load.String()))
	}
	text := fmt.Sprintf("%d: pass %d, FAIL %d, ? %d", len(p.Trials), n[trial.Pass], n[trial.Fail], n[trial.Undecided])
	if broken > 0 {
		text += fmt.Sprintf(", error %d", broken)
	}
	if disturbed > 0 {
		text += fmt.Sprintf("; host busy in %d", disturbed)
	}
	return append(out, row("trials", text), row("state", string(p.State())))
}
