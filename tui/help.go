package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// help lists the keys of the open view, from the same table that dispatches
// them, with the reason beside each that doesn't work now.
type help struct{ scroller }

func (m *model) openHelp() tea.Cmd {
	m.over = &help{}
	return nil
}

const helpColumn = 58

// layout is where the help goes and what stands in its columns: two columns if
// all of it fits so, else one that scrolls.
func (h *help) layout(m *model) (r rect, columns [][][]span) {
	lines := m.helpLines(helpColumn - 2)
	// The second column begins with a group.
	split := (len(lines) + 1) / 2
	for split < len(lines) && len(lines[split]) > 0 {
		split++
	}
	if m.w >= 2*helpColumn+2 && split+2 <= m.h {
		return centred(m.w, m.h, 2*helpColumn+2, split+2), [][][]span{lines[:split], lines[min(split+1, len(lines)):]}
	}
	w := min(m.w, 80)
	lines = m.helpLines(w - 4)
	return centred(m.w, m.h, w, len(lines)+2), [][][]span{lines}
}

func (h *help) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	if r, columns := h.layout(m); h.move(k, len(columns[0]), r.h-2) {
		m.over = nil
	}
	return nil
}

func (h *help) draw(m *model, p pane) {
	r, columns := h.layout(m)
	n := len(columns[0])
	from := h.part(n, r.h-2)
	in := p.at(r).box("Keys of "+viewNames[m.view], dim(more(from, r.h-2, n)))
	for i, lines := range columns {
		column := in.sub(1+i*helpColumn, 0, helpColumn-2, in.h)
		if len(columns) == 1 {
			column = in.sub(1, 0, in.w-2, in.h)
		}
		for y, l := range lines[min(from, len(lines)):] {
			column.line(0, y, l...)
		}
	}
}

// helpLines are the help's rows of at most w cells: groups of keys, then what
// the signs mean.
func (m *model) helpLines(w int) [][]span {
	var out [][]span
	var last heading
	for i := range m.table {
		b := &m.table[i]
		if b.in&(1<<m.view) == 0 || b.Help().Desc == "" {
			continue
		}
		if b.group != last {
			if last != "" {
				out = append(out, nil)
			}
			out = append(out, []span{{string(b.group), inkAccent}})
			last = b.group
		}
		out = append(out, helpLine(b, w)...)
	}
	out = append(out, nil, []span{{"Signs", inkAccent}},
		legend("→", "pending, not applied yet"),
		legend("R", "needs a reload of the model"),
		legend("▲A7", "change number 7 was applied here"),
		legend("▸", "selected; at the axis: the SLA's row"),
		legend("?", "too close to the SLA to call"),
		legend("★", "best trial"),
		legend("n/a", "not measured"),
		nil,
		[]span{dim("Latency counts from the planned send time.")},
		[]span{dim("A P99 is taken over the shortest of 1, 2, 5, 10, 30 s")},
		[]span{dim("that holds 100 answers; the panel says which.")},
	)
	if m.Version != "" {
		out = append(out, nil, []span{dim("sweetspot " + m.Version)})
	}
	return out
}

// helpLine is a key with its duty, dim with the reason if it doesn't work now.
func helpLine(b *binding, w int) [][]span {
	label := pad(b.Help().Key, labelWidth)
	why := b.refusal()
	if why == "" {
		return [][]span{{bold(label), plain(b.Help().Desc)}}
	}
	out := [][]span{{dim(label + b.Help().Desc)}}
	for _, l := range wrap("not now: "+why, w-labelWidth) {
		out = append(out, []span{warning(pad("", labelWidth) + l)})
	}
	return out
}

const labelWidth = 11

func legend(sign, text string) []span { return []span{bold(pad(sign, labelWidth)), plain(text)} }

// pad fills s with blanks to w cells.
func pad(s string, w int) string { return s + strings.Repeat(" ", max(w-width(s), 0)) }

// messages is the log, newest at the end.
type messages struct{ scroller }

func (m *model) openLog() tea.Cmd {
	m.over = &messages{scroller{end: true}}
	m.unread = 0
	return nil
}

func (l *messages) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	if l.move(k, len(l.rows(m)), m.h-2) {
		m.over = nil
	}
	return nil
}

func (l *messages) draw(m *model, p pane) {
	rows := l.rows(m)
	from := l.part(len(rows), p.h-2)
	in := p.box("Messages", dim(more(from, p.h-2, len(rows))))
	for i, row := range rows[from:min(from+p.h-2, len(rows))] {
		in.line(1, i, row...)
	}
}

// rows is the log wrapped to the screen.
func (l *messages) rows(m *model) [][]span {
	const left = len("15:04:05 ! ")
	var out [][]span
	for _, msg := range m.log() {
		sign, style := glyph(msg.Level)
		head := []span{dim(msg.At.Format(time.TimeOnly) + " "), {sign + " ", style}}
		for _, text := range wrap(msg.Text, m.w-4-left) {
			out = append(out, append(head, plain(text)))
			head = []span{plain(strings.Repeat(" ", left))}
		}
	}
	if len(out) == 0 {
		return [][]span{{dim("no messages yet")}}
	}
	return out
}
