package tui

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
)

// help is the list of all actions: what the keys do, with the reason if a key does not work now.
// Typing filters it, and enter executes the selected action, so it is the command palette too.
type help struct {
	filter   string
	selected int // index into the items
	from     int // first visible row
}

func (m *model) openHelp() tea.Cmd {
	m.dialog = &help{}
	return nil
}

// helpItem is one action.
type helpItem struct {
	group    string
	key      string
	text     string
	disabled string // the reason why it does not work now
	view     view   // the view in which it works
	do       func() tea.Cmd
}

// items are the actions that contain all words of the filter: those of the open view, then those of
// the others. A filter such as "workers 6" is also the action that makes this value pending.
func (h *help) items(m *model) []helpItem {
	var out []helpItem
	if set, ok := m.valueItem(h.filter); ok {
		out = append(out, set)
	}
	for i := range viewNames {
		v := (m.view + view(i)) % view(len(viewNames))
		for j := range m.bindings {
			b := &m.bindings[j]
			if b.views&(1<<v) == 0 || b.Help().Desc == "" || i > 0 && b.views&(1<<m.view) != 0 {
				continue
			}
			item := helpItem{group: string(b.group), key: b.Help().Key, text: b.Help().Desc, view: v, do: b.do}
			if i > 0 {
				item.group = "In " + viewNames[v] + ": " + item.group
				if slices.ContainsFunc(out, func(o helpItem) bool { return o.group != string(b.group) && o.key == item.key && o.text == item.text }) {
					continue // it works in several other views
				}
			} else {
				item.disabled = b.disabledReason()
			}
			if matches(h.filter, item.key+" "+item.text+" "+item.group) {
				out = append(out, item)
			}
		}
	}
	return out
}

// matches reports whether text contains all words of the filter.
func matches(filter, text string) bool {
	text = strings.ToLower(text)
	for word := range strings.FieldsSeq(strings.ToLower(filter)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// valueItem is the action of a filter such as "workers 6": the start of a knob's name and a value.
func (m *model) valueItem(filter string) (helpItem, bool) {
	i := strings.LastIndex(filter, " ")
	if i <= 0 || m.Follow {
		return helpItem{}, false
	}
	name, value := strings.TrimSpace(filter[:i]), filter[i+1:]
	for j, k := range m.shownKnobs() {
		s := m.pendingSettings()
		if !strings.HasPrefix(strings.ToLower(k.Label), strings.ToLower(name)) || s.Set(k.Name, value) != nil {
			continue
		}
		item := helpItem{group: "Values", key: "", text: "make " + k.Label + " " + value + " pending", view: liveView}
		if err := s.Validate(m.snap.Info.Limits); err != nil {
			item.disabled = firstLine(err.Error())
		} else if why := m.fixedReason(k.Name); why != "" {
			item.disabled = why
		}
		item.do = func() tea.Cmd {
			m.knobIndex = j
			m.setPending(s)
			return nil
		}
		return item, true
	}
	return helpItem{}, false
}

func (h *help) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	n, page := len(h.items(m)), max(m.h-6, 1)
	move := func(by int) { h.selected = min(max(h.selected+by, 0), max(n-1, 0)) }
	switch name := k.String(); {
	case name == "esc" && h.filter != "":
		h.setFilter("")
	case name == "esc", h.filter == "" && (k.Text == "?" || k.Text == ":"):
		m.dialog = nil
	case name == "enter":
		return h.execute(m)
	case name == "up":
		move(-1)
	case name == "down", name == "tab":
		move(1)
	case name == "pgup":
		move(-page)
	case name == "pgdown":
		move(page)
	case name == "home":
		move(-n)
	case name == "end":
		move(n)
	case name == "backspace":
		if r := []rune(h.filter); len(r) > 0 {
			h.setFilter(string(r[:len(r)-1]))
		}
	case name == "ctrl+u":
		h.setFilter("")
	case name == "space":
		h.setFilter(h.filter + " ")
	case k.Text != "":
		h.setFilter(h.filter + printable(k.Text))
	}
	return nil
}

func (h *help) setFilter(s string) {
	const longest = 40
	if width(s) <= longest {
		h.filter, h.selected, h.from = s, 0, 0
	}
}

// execute closes the list and does what the selected action does.
func (h *help) execute(m *model) tea.Cmd {
	items := h.items(m)
	if h.selected >= len(items) {
		return nil
	}
	item := items[h.selected]
	m.dialog = nil
	if item.disabled != "" {
		m.report(session.Note, false, item.disabled)
		return nil
	}
	if m.view != item.view {
		m.view = item.view
		for i := range m.bindings {
			if b := &m.bindings[i]; b.Help().Key == item.key && b.Help().Desc == item.text && b.disabledReason() != "" {
				m.report(session.Note, false, b.disabledReason())
				return nil
			}
		}
	}
	return item.do()
}

// draw draws the filter, the list and what there is to know about the selected action.
func (h *help) draw(m *model, p pane) {
	items := h.items(m)
	rows, selectedRow := h.rows(m, items)
	height := min(m.h, max(len(rows), 12)+4)
	in := p.at(centred(m.w, m.h, 96, height)).box("Keys of "+viewNames[m.view], dim("type to filter · enter does it · esc closes"))
	visible := max(in.h-2, 0)
	h.from = min(max(h.from, selectedRow-visible+1), max(selectedRow-1, 0))
	x := in.line(1, 0, dim("filter "), plain(h.filter), span{" ", styleTab})
	if len(rows) > visible {
		in.sub(x, 0, in.w-x-1, 1).alignRight(1, 0, dim(scrolled(h.from, visible, len(rows))))
	}
	for i, row := range rows[min(h.from, len(rows)):min(h.from+visible, len(rows))] {
		line := in.sub(1, 1+i, in.w-2, 1)
		line.line(0, 0, row.spans...)
		if row.item >= 0 {
			line.onClick(func() { h.selected = row.item })
		}
	}
	if h.selected < len(items) && items[h.selected].disabled != "" {
		in.sub(1, in.h-1, in.w-2, 1).text(0, 0, "not now: "+items[h.selected].disabled, styleWarn)
	}
}

// helpRow is a line of the list, of an item or, with -1, of none.
type helpRow struct {
	spans []span
	item  int
}

// rows are the lines of the list and the row of the selected item. Without a filter they have the
// headings of the groups and, at the end, the meaning of the symbols.
func (h *help) rows(m *model, items []helpItem) (rows []helpRow, selected int) {
	group := ""
	for i, item := range items {
		if item.group != group && h.filter == "" {
			if group != "" {
				rows = append(rows, helpRow{nil, -1})
			}
			rows = append(rows, helpRow{[]span{{item.group, styleAccent}}, -1})
		}
		group = item.group
		sign, key, text := plain("  "), bold(pad(item.key, labelWidth)), plain(item.text)
		if item.disabled != "" {
			key, text = dim(key.s), dim(item.text)
		}
		if i == h.selected {
			sign, selected = span{"▸ ", styleAccent}, len(rows)
		}
		row := []span{sign, key, text}
		if item.disabled != "" {
			row = append(row, dim("  not now: "+item.disabled))
		}
		rows = append(rows, helpRow{row, i})
	}
	if h.filter == "" {
		for _, l := range m.legends() {
			rows = append(rows, helpRow{l, -1})
		}
	} else if len(items) == 0 {
		rows = append(rows, helpRow{[]span{dim("no action has these words; esc clears the filter")}, -1})
	}
	return rows, selected
}

// legends are the meanings of the symbols of the screen.
func (m *model) legends() [][]span {
	out := [][]span{
		nil,
		{{"Symbols", styleAccent}},
		legend("→", "pending, not applied yet"),
		legend("R", "needs a reload of the model"),
		legend("▲A7 ◆", "change number 7 was applied here, the load was changed"),
		legend("▪ ▸", "the load was held, it or the engine started again"),
		legend("× ┴#3", "the engine ended here, trial number 3 began"),
		legend("· ⠁", "P99 before the last change, at the seconds after it"),
		legend("▸", "selected; on an axis: the row of the SLA"),
		legend("?", "undecided: it can still pass or fail"),
		legend("~", "the data cannot tell"),
		legend("★", "best trial"),
		legend("● · ×", "on the frontier; a better one exists; over the promise"),
		legend("○ (16)", "predicted, not measured"),
		legend("n/a", "not measured or not reported"),
		nil,
		{dim("Latency counts from the planned send time. All live figures are of one window:")},
		{dim("the traffic since the last change, at most 30 s, or longer while it has few answers.")},
	}
	if m.Version != "" {
		out = append(out, nil, []span{dim("sweetspot " + m.Version)})
	}
	return out
}

const labelWidth = 11

func legend(sign, text string) []span {
	return []span{plain("  "), bold(pad(sign, labelWidth)), plain(text)}
}

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
