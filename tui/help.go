package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// help lists the keys of the open view. A key that does not work now is shown with the
// reason.
type help struct{ scroller }

func (m *model) openHelp() tea.Cmd {
	m.dialog = &help{}
	return nil
}

const helpColumn = 58

// layout is the place of the help and the lines of its columns. There are two columns
// if all lines fit into them, otherwise one that scrolls.
func (h *help) layout(m *model) (r rect, columns [][][]span) {
	lines := m.helpLines(helpColumn - 2)
	// The second column starts with a heading.
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
	if r, columns := h.layout(m); h.scroll(k, len(columns[0]), r.h-2) {
		m.dialog = nil
	}
	return nil
}

func (h *help) draw(m *model, p pane) {
	r, columns := h.layout(m)
	n := len(columns[0])
	from := h.firstVisible(n, r.h-2)
	in := p.at(r).box("Keys of "+viewNames[m.view], dim(scrollHint(from, r.h-2, n)))
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

// helpLines are the lines of the help, of at most w cells: the keys in groups, then the
// meaning of the symbols.
func (m *model) helpLines(w int) [][]span {
	var out [][]span
	var last heading
	for i := range m.bindings {
		b := &m.bindings[i]
		if b.views&(1<<m.view) == 0 || b.Help().Desc == "" {
			continue
		}
		if b.group != last {
			if last != "" {
				out = append(out, nil)
			}
			out = append(out, []span{{string(b.group), styleAccent}})
			last = b.group
		}
		out = append(out, helpLine(b, w)...)
	}
	out = append(out, nil, []span{{"Symbols", styleAccent}},
		legend("→", "pending, not applied yet"),
		legend("R", "needs a reload of the model"),
		legend("▲A7", "change number 7 was applied here"),
		legend("▸", "selected; on an axis: the row of the SLA"),
		legend("?", "undecided: it can still pass or fail"),
		legend("★", "best trial"),
		legend("n/a", "not measured or not reported"),
		nil,
		[]span{dim("Latency counts from the planned send time.")},
		[]span{dim("A live P99 is of the last 1, 2, 5, 10 or 30 s: the")},
		[]span{dim("shortest with 100 answers. The panel shows which.")},
	)
	if m.Version != "" {
		out = append(out, nil, []span{dim("sweetspot " + m.Version)})
	}
	return out
}

// helpLine is a key and what it does; if it does not work now also the reason.
func helpLine(b *binding, w int) [][]span {
	label := pad(b.Help().Key, labelWidth)
	why := b.disabledReason()
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

// pad appends blanks to s up to w cells.
func pad(s string, w int) string { return s + strings.Repeat(" ", max(w-width(s), 0)) }

// messages is the dialog of all messages, the newest at the end.
type messages struct{ scroller }

func (m *model) openLog() tea.Cmd {
	m.dialog = &messages{scroller{end: true}}
	m.unread = 0
	return nil
}

func (l *messages) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	if l.scroll(k, len(l.rows(m)), m.h-2) {
		m.dialog = nil
	}
	return nil
}

func (l *messages) draw(m *model, p pane) {
	rows := l.rows(m)
	from := l.firstVisible(len(rows), p.h-2)
	in := p.box("Messages", dim(scrollHint(from, p.h-2, len(rows))))
	for i, row := range rows[from:min(from+p.h-2, len(rows))] {
		in.line(1, i, row...)
	}
}

// rows is the messages, wrapped to the width of the screen.
func (l *messages) rows(m *model) [][]span {
	const left = len("15:04:05 ! ")
	var out [][]span
	for _, msg := range m.allMessages() {
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
