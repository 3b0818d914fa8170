package tui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// view is one of the screens.
type view uint8

const (
	live view = iota
	sweeps
)

var viewNames = [...]string{live: "Live", sweeps: "Sweep"}

// place is a set of views.
type place uint8

const (
	onLive  place = 1 << live
	onSweep place = 1 << sweeps
	onAll         = onLive | onSweep
)

// group is a heading of the help.
type heading string

const (
	groupKnobs  heading = "Knobs"
	groupLoad   heading = "Load and charts"
	groupSweep  heading = "Sweep"
	groupTrials heading = "Trials"
	groupAll    heading = "Everywhere"
)

// binding is one row of the key table, which dispatcher, footer, help and
// docs/keys.md all read. A row without help text is the other half of the row
// above it, such as down below up.
type binding struct {
	key.Binding
	in    place
	group heading
	foot  string        // its words in the footer; "" keeps it out
	why   func() string // why it does not work now, "" if it does; nil is always
	do    func() tea.Cmd
}

// keys makes a row's binding. label and help are for people.
func keys(label, help string, names ...string) key.Binding {
	return key.NewBinding(key.WithKeys(names...), key.WithHelp(label, help))
}

// half makes the binding of a row's other half.
func half(names ...string) key.Binding { return keys("", "", names...) }

// keyTable is every key of the program outside dialogs. The same letter means
// the same in every view.
func (m *model) keyTable() []binding {
	out := m.knobKeys()
	out = append(out, m.trialKeys()...)
	out = append(out, m.sweepKeys()...)
	out = append(out, m.loadKeys()...)
	return append(out, m.commonKeys()...)
}

func (m *model) knobKeys() []binding {
	turn := func(dir int, fine bool) func() tea.Cmd {
		return func() tea.Cmd { m.turn(dir, fine); return nil }
	}
	selectBy := func(n int) func() tea.Cmd {
		return func() tea.Cmd {
			all := len(m.turned())
			m.knob = (min(m.knob, all-1) + n + all) % all
			return nil
		}
	}
	return []binding{
		{keys("↑↓", "select a knob", "up", "k"), onLive, groupKnobs, "knob", nil, selectBy(-1)},
		{half("down", "j"), onLive, groupKnobs, "", nil, selectBy(1)},
		{keys("←→", "change it by a step", "left"), onLive, groupKnobs, "change", m.whyTurn, turn(-1, false)},
		{half("right"), onLive, groupKnobs, "", m.whyTurn, turn(1, false)},
		{keys("shift+←→", "change it by 1", "shift+left"), onLive, groupKnobs, "", m.whyTurn, turn(-1, true)},
		{half("shift+right"), onLive, groupKnobs, "", m.whyTurn, turn(1, true)},
		{keys("=", "type a value", "="), onLive, groupKnobs, "", m.whyTurn, m.askValue},
		{keys("enter", "apply all pending changes", "enter"), onLive, groupKnobs, "apply", m.whyApply, m.apply},
		{keys("esc", "drop the pending changes", "esc"), onLive, groupKnobs, "drop", m.whyDrop, m.drop},
		{keys("u", "undo the last change; again to redo it", "u"), onLive, groupKnobs, "undo", m.whyUndo, m.undo},
		{keys("e", "export the settings in force", "e"), onLive, groupKnobs, "export", m.whyExport, m.export},
	}
}

func (m *model) loadKeys() []binding {
	change := func(dir int) func() tea.Cmd {
		return func() tea.Cmd { return m.changeLoad(dir) }
	}
	zoom := func(dir int) func() tea.Cmd {
		return func() tea.Cmd { m.zoom = min(max(m.zoom+dir, 0), len(timeSpans)-1); return nil }
	}
	return []binding{
		{keys("[ ]", "less or more load", "["), onLive, groupLoad, "load", m.whySteer, change(-1)},
		{half("]"), onLive, groupLoad, "", m.whySteer, change(1)},
		{keys("l", "closed load (clients) or open load (rate)", "l"), onLive, groupLoad, "", m.whyLoad, m.switchLoad},
		{keys("space", "hold the load, or let it flow", "space"), onLive, groupLoad, "hold", m.whyLoad, m.hold},
		{keys("r", "record the live traffic to a profile, or end it", "r"), onLive, groupLoad, "", m.whyRecord, m.record},
		{keys("w", "what the model alone does (holds the load for a moment)", "w"), onLive, groupLoad, "", m.whyInside, m.bare},
		{keys("t", "operator times: where a run's time goes", "t"), onLive, groupLoad, "", m.whyOperators, m.openOperators},
		{keys("- +", "shorter or longer time in the charts", "-"), onLive, groupLoad, "", nil, zoom(-1)},
		{half("+"), onLive, groupLoad, "", nil, zoom(1)},
	}
}

func (m *model) sweepKeys() []binding {
	return []binding{
		{keys("s", "start a sweep, or show the running one", "s"), onAll, groupSweep, "sweep", m.whySweep, m.sweep},
		{keys("p", "pause it and get the knobs, or resume it", "p"), onAll, groupSweep, "pause", m.whyRunning, m.pause},
		{keys("X", "abort it (asks)", "X", "shift+x"), onAll, groupSweep, "abort", m.whyRunning, m.askAbort},
		{keys("R", "restart the engine after it went down", "R", "shift+r"), onAll, groupSweep, "restart", m.whyRestart, m.restart},
	}
}

func (m *model) trialKeys() []binding {
	move := func(n int) func() tea.Cmd {
		return func() tea.Cmd { m.movePick(n); return nil }
	}
	const page, all = 10, 1 << 20
	return []binding{
		{keys("↑↓", "select a trial", "up", "k"), onSweep, groupTrials, "trial", m.whyTrial, move(-1)},
		{half("down", "j"), onSweep, groupTrials, "", m.whyTrial, move(1)},
		{keys("pgup pgdn", "ten trials up or down", "pgup"), onSweep, groupTrials, "", m.whyTrial, move(-page)},
		{half("pgdown"), onSweep, groupTrials, "", m.whyTrial, move(page)},
		{keys("home end", "first or last trial", "home"), onSweep, groupTrials, "", m.whyTrial, move(-all)},
		{half("end"), onSweep, groupTrials, "", m.whyTrial, move(all)},
		{keys("enter", "load the trial as pending and go to Live", "enter"), onSweep, groupTrials, "load in Live", m.whyTrial, m.loadTrial},
		{keys("e", "export the trial's settings", "e"), onSweep, groupTrials, "export", m.whyTrial, m.export},
		{keys("o", "sort by rank, or in the order of trying", "o"), onSweep, groupTrials, "sort", m.whyTrial, m.sort},
	}
}

func (m *model) commonKeys() []binding {
	show := func(v view) func() tea.Cmd {
		return func() tea.Cmd { m.view = v; return nil }
	}
	other := func() tea.Cmd { m.view = 1 - m.view; return nil }
	mouse := func() tea.Cmd { m.mouse = !m.mouse; return nil }
	return []binding{
		{keys("1 2", "Live, Sweep", "1"), onAll, groupAll, "", nil, show(live)},
		{half("2"), onAll, groupAll, "", nil, show(sweeps)},
		{keys("tab", "the other view", "tab"), onAll, groupAll, "", nil, other},
		{keys("!", "message log", "!"), onAll, groupAll, "", nil, m.openLog},
		{keys("?", "this help", "?"), onAll, groupAll, "help", nil, m.openHelp},
		{keys("M", "mouse on or off (off: the terminal selects)", "M", "shift+m"), onAll, groupAll, "", nil, mouse},
		{keys("ctrl+l", "draw the screen anew", "ctrl+l"), onAll, groupAll, "", nil, func() tea.Cmd { return tea.ClearScreen }},
		{keys("ctrl+z", "suspend the program", "ctrl+z"), onAll, groupAll, "", nil, func() tea.Cmd { return tea.Suspend }},
		{keys("q", "quit (asks if a sweep runs)", "q"), onAll, groupAll, "quit", nil, m.quit},
		{keys("ctrl+c", "quit; twice within 2 s without asking", "ctrl+c"), onAll, groupAll, "", nil, m.interrupt},
	}
}

// find returns the binding of a key in the open view, or nil.
func (m *model) find(k tea.KeyPressMsg) *binding {
	for i := range m.table {
		if b := &m.table[i]; b.in&(1<<m.view) != 0 && key.Matches(k, b.Binding) {
			return b
		}
	}
	return nil
}

// refusal is why a binding does not work now, or "".
func (b *binding) refusal() string {
	if b.why == nil {
		return ""
	}
	return b.why()
}

// modeKey is the label of the key that matters most now, or "". The footer
// shows it first.
func (m *model) modeKey() string {
	switch {
	case m.whyRestart() == "":
		return "R"
	case m.whyRunning() == "" && (m.view == sweeps || m.sweeping()):
		return "p"
	case m.view == live && m.whyApply() == "":
		return "enter"
	case m.view == sweeps && m.whySweep() == "":
		return "s"
	}
	return ""
}

// drawFooter shows the keys that work here: the mode's first, help and quit
// always, the others in the table's order as far as there is room.
func (m *model) drawFooter(p pane) {
	gap := 1
	if p.w >= wideWidth {
		gap = 2
	}
	mode := m.modeKey()
	first := m.footers(gap, inkAccent, func(b *binding) bool { return b.Help().Key == mode })
	last := m.footers(gap, inkBold, lasting)
	rest := m.footers(gap, inkBold, func(b *binding) bool { return b.Help().Key != mode && !lasting(b) })
	room := p.w - 1 - spansWidth(first) - spansWidth(last)
	for spansWidth(rest) > room && len(rest) > 0 {
		rest = rest[:len(rest)-2]
	}
	x := p.line(1, 0, first...)
	x = p.line(x, 0, rest...)
	p.line(x, 0, last...)
}

// lasting tells the keys that are never left out.
func lasting(b *binding) bool { return b.foot == "help" || b.foot == "quit" }

// footers are the footer's texts of some keys that work now, two spans each.
func (m *model) footers(gap int, style ink, of func(*binding) bool) []span {
	var out []span
	for i := range m.table {
		b := &m.table[i]
		if b.foot != "" && b.in&(1<<m.view) != 0 && of(b) && b.refusal() == "" {
			out = append(out, span{b.Help().Key, style}, dim(" "+m.words(b)+strings.Repeat(" ", gap)))
		}
	}
	return out
}

// words is what a key does now, for the footer.
func (m *model) words(b *binding) string {
	switch b.foot {
	case "pause":
		if s := m.snap.Sweep; s != nil && pausing(s) {
			return "resume"
		}
	case "hold":
		if !m.snap.LoadOn {
			return "let flow"
		}
	}
	return b.foot
}
