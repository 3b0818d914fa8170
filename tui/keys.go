package tui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// view is one page of the screen.
type view uint8

const (
	liveView view = iota
	sweepView
	frontierView
	profilesView
)

var viewNames = [...]string{liveView: "Live", sweepView: "Sweep", frontierView: "Frontier", profilesView: "Profiles"}

// viewSet is a set of views, one bit each.
type viewSet uint8

const (
	inLive     viewSet = 1 << liveView
	inSweep    viewSet = 1 << sweepView
	inFrontier viewSet = 1 << frontierView
	inProfiles viewSet = 1 << profilesView
	inAll              = inLive | inSweep | inFrontier | inProfiles
)

// heading is the title of a group of keys in the help.
type heading string

const (
	groupKnobs    heading = "Knobs"
	groupLoad     heading = "Load and charts"
	groupSweep    heading = "Sweep"
	groupTrials   heading = "Trials"
	groupFrontier heading = "Settings"
	groupProfiles heading = "Profiles"
	groupAll      heading = "Everywhere"
)

// binding is one row of the table of keys. The handling of keys, the footer, the
// help and docs/keys.md all use that table. A row without help text is the second
// key of the row above, such as down after up.
type binding struct {
	key.Binding
	views    viewSet
	group    heading
	footer   string        // text in the footer; "" is not shown there
	disabled func() string // the reason why the key does not work now, "" if it works; nil if it always works
	do       func() tea.Cmd
}

// keys makes the binding of a row. label and help are shown to the user; names are
// the keys as the terminal library names them.
func keys(label, help string, names ...string) key.Binding {
	return key.NewBinding(key.WithKeys(names...), key.WithHelp(label, help))
}

// secondKey makes the binding of a row without help text.
func secondKey(names ...string) key.Binding { return keys("", "", names...) }

// allBindings has every key outside dialogs. A letter has the same meaning in every
// view.
func (m *model) allBindings() []binding {
	out := m.knobKeys()
	out = append(out, m.trialKeys()...)
	out = append(out, m.frontierKeys()...)
	out = append(out, m.profileKeys()...)
	out = append(out, m.sweepKeys()...)
	out = append(out, m.loadKeys()...)
	return append(out, m.commonKeys()...)
}

func (m *model) knobKeys() []binding {
	change := func(dir int, byOne bool) func() tea.Cmd {
		return func() tea.Cmd { m.changeKnob(dir, byOne); return nil }
	}
	selectBy := func(n int) func() tea.Cmd {
		return func() tea.Cmd {
			all := len(m.shownKnobs())
			m.knobIndex = (min(m.knobIndex, all-1) + n + all) % all
			return nil
		}
	}
	return []binding{
		{keys("↑↓", "select a knob", "up", "k"), inLive, groupKnobs, "knob", nil, selectBy(-1)},
		{secondKey("down", "j"), inLive, groupKnobs, "", nil, selectBy(1)},
		{keys("←→", "change it by a step", "left"), inLive, groupKnobs, "change", m.cannotChangeKnob, change(-1, false)},
		{secondKey("right"), inLive, groupKnobs, "", m.cannotChangeKnob, change(1, false)},
		{keys("shift+←→", "change it by 1", "shift+left"), inLive, groupKnobs, "", m.cannotChangeKnob, change(-1, true)},
		{secondKey("shift+right"), inLive, groupKnobs, "", m.cannotChangeKnob, change(1, true)},
		{keys("=", "type a value", "="), inLive, groupKnobs, "", m.cannotChangeKnob, m.openInput},
		{keys("enter", "apply all pending changes", "enter"), inLive, groupKnobs, "apply", m.cannotApply, m.apply},
		{keys("esc", "twice: drop the pending changes", "esc"), inLive, groupKnobs, "drop", m.cannotDrop, m.drop},
		{keys("u", "undo the last change", "u"), inLive, groupKnobs, "undo", m.cannotUndo, m.undo},
		{keys("U", "redo an undone change", "U", "shift+u"), inLive, groupKnobs, "", m.cannotRedo, m.redo},
		{keys("B", "make the settings of the start pending", "B", "shift+b"), inLive, groupKnobs, "", m.cannotUseBaseline, m.baseline},
		{keys("e", "export the settings in force", "e"), inLive, groupKnobs, "export", m.cannotExport, m.export},
	}
}

func (m *model) loadKeys() []binding {
	change := func(dir int) func() tea.Cmd {
		return func() tea.Cmd { return m.changeLoad(dir) }
	}
	zoom := func(dir int) func() tea.Cmd {
		return func() tea.Cmd { m.zoomBy(dir); return nil }
	}
	return []binding{
		{keys("[ ]", "less or more load", "["), inLive, groupLoad, "load", m.cannotChangeLoad, change(-1)},
		{secondKey("]"), inLive, groupLoad, "", m.cannotChangeLoad, change(1)},
		{keys("l", "closed load (clients) or open load (rate)", "l"), inLive, groupLoad, "", m.cannotControlLoad, m.switchLoad},
		{keys("space", "hold the load, or resume it", "space"), inLive, groupLoad, "hold", m.cannotControlLoad, m.holdLoad},
		{keys("r", "record live traffic to a profile, or stop", "r"), inLive | inProfiles, groupLoad, "", m.cannotRecord, m.record},
		{keys("w", "measure the model alone; holds the load", "w"), inLive, groupLoad, "", m.cannotMeasure, m.bare},
		{keys("t", "operator times: time per operator in a run", "t"), inLive, groupLoad, "", m.cannotShowOperators, m.openOperators},
		{keys("v", "P99, latencies over time, histogram", "v"), inLive, groupLoad, "", m.cannotUseCharts, m.nextLatencyView},
		{keys("g", "utilization, or the batches of each worker", "g"), inLive, groupLoad, "", m.cannotUseCharts, m.toggleBatches},
		{keys("z", "expand the next chart; esc shows all", "z"), inLive, groupLoad, "", m.cannotUseCharts, m.expand},
		{keys("- +", "shorter or longer time axis of the charts", "-"), inLive, groupLoad, "", m.cannotUseCharts, zoom(-1)},
		{secondKey("+"), inLive, groupLoad, "", m.cannotUseCharts, zoom(1)},
	}
}

func (m *model) sweepKeys() []binding {
	return []binding{
		{keys("s", "start a sweep, or show the running one", "s"), inAll, groupSweep, "sweep", m.cannotSweep, m.startOrShowSweep},
		{keys("p", "pause it to change knobs, or resume it", "p"), inAll, groupSweep, "pause", m.cannotControlSweep, m.togglePause},
		{keys("X", "abort it (asks first)", "X", "shift+x"), inAll, groupSweep, "abort", m.cannotControlSweep, m.askAbort},
		{keys("R", "restart an engine that is down or hangs", "R", "shift+r"), inLive | inProfiles, groupSweep, "restart", m.cannotRestart, m.restart},
	}
}

func (m *model) trialKeys() []binding {
	move := func(n int) func() tea.Cmd {
		return func() tea.Cmd { m.moveSelection(n); return nil }
	}
	const page, all = 10, 1 << 20
	return []binding{
		{keys("↑↓", "select a trial", "up", "k"), inSweep, groupTrials, "trial", m.cannotUseTrial, move(-1)},
		{secondKey("down", "j"), inSweep, groupTrials, "", m.cannotUseTrial, move(1)},
		{keys("pgup pgdn", "ten trials up or down", "pgup"), inSweep, groupTrials, "", m.cannotUseTrial, move(-page)},
		{secondKey("pgdown"), inSweep, groupTrials, "", m.cannotUseTrial, move(page)},
		{keys("home end", "first or last trial", "home"), inSweep, groupTrials, "", m.cannotUseTrial, move(-all)},
		{secondKey("end"), inSweep, groupTrials, "", m.cannotUseTrial, move(all)},
		{keys("enter", "make the trial's settings pending in Live", "enter"), inSweep, groupTrials, "load in Live", m.cannotUseTrial, m.stageTrial},
		{keys("e", "export the trial's settings", "e"), inSweep, groupTrials, "export", m.cannotUseTrial, m.export},
		{keys("R", "measure it again; restart the engine when it is down", "R", "shift+r"), inSweep, groupTrials, "measure", m.cannotMeasureTrial, m.measureTrial},
		{keys("o", "next order: rank, throughput, P99, settings, every trial", "o"), inSweep, groupTrials, "sort", m.cannotSort, m.nextOrder},
		{keys("/", "filter the rows: w2 b8 pass", "/"), inSweep, groupTrials, "filter", m.cannotSort, m.openFilter},
		{keys("b", "breakdown of the row, or the scatter chart", "b"), inSweep, groupTrials, "breakdown", m.cannotUseSide, m.nextSidePanel},
	}
}

func (m *model) commonKeys() []binding {
	show := func(v view) func() tea.Cmd {
		return func() tea.Cmd { m.view = v; return m.openedView() }
	}
	next := func() tea.Cmd {
		if m.view++; int(m.view) == len(viewNames) {
			m.view = m.firstView()
		}
		return m.openedView()
	}
	mouse := func() tea.Cmd { m.mouse = !m.mouse; return nil }
	return []binding{
		{keys("1 2 3 4", "Live, Sweep, Frontier, Profiles", "1"), inAll, groupAll, "", nil, show(liveView)},
		{secondKey("2"), inAll, groupAll, "", nil, show(sweepView)},
		{secondKey("3"), inAll, groupAll, "", nil, show(frontierView)},
		{secondKey("4"), inAll, groupAll, "", nil, show(profilesView)},
		{keys("tab", "the next view", "tab"), inAll &^ inFrontier, groupAll, "", nil, next},
		{keys(";", "jump: a letter for each thing to click", ";"), inAll, groupAll, "", nil, m.openJump},
		{keys(".", "actions for what is selected", "."), inAll, groupAll, "", nil, m.openVerbs},
		{keys("y", "copy the verdict, or the trial's figures", "y"), inAll, groupAll, "", nil, m.copyVerdict},
		{keys("f", "freeze the picture; the load continues", "f"), inAll, groupAll, "", nil, m.freeze},
		{keys("!", "message log", "!"), inAll, groupAll, "", nil, m.openLog},
		{keys("?", "this list: type to filter, enter does it", "?", ":"), inAll, groupAll, "help", nil, m.openHelp},
		{keys("M", "mouse on or off (off: terminal selects text)", "M", "shift+m"), inAll, groupAll, "", nil, mouse},
		{keys("ctrl+l", "redraw the screen", "ctrl+l"), inAll, groupAll, "", nil, func() tea.Cmd { return tea.ClearScreen }},
		{keys("ctrl+z", "suspend the program; holds the load", "ctrl+z"), inAll, groupAll, "", m.cannotSuspend, m.suspend},
		{keys("q", "quit (asks first if a sweep runs)", "q"), inAll, groupAll, "quit", nil, m.quit},
		{keys("Q", "quit and leave the picture on the terminal", "Q", "shift+q"), inAll, groupAll, "", nil, m.leave},
		{keys("ctrl+c", "quit; twice within 2 s without asking", "ctrl+c"), inAll, groupAll, "", nil, m.interrupt},
	}
}

// find returns the binding of a key in the open view, or nil.
func (m *model) find(k tea.KeyPressMsg) *binding {
	for i := range m.bindings {
		if b := &m.bindings[i]; b.views&(1<<m.view) != 0 && key.Matches(k, b.Binding) {
			return b
		}
	}
	return nil
}

// disabledReason is why a key does not work now, or "".
func (b *binding) disabledReason() string {
	if b.disabled == nil {
		return ""
	}
	return b.disabled()
}

// primaryKey is the label of the most important key in the current state, or "".
// The footer shows it first.
func (m *model) primaryKey() string {
	switch {
	case m.engineDown() || m.view == liveView && m.cannotRestart() == "":
		return "R"
	case m.view == frontierView && m.cannotUsePoint() == "" || m.view == profilesView && m.cannotUseProfile() == "":
		return "enter"
	case m.cannotControlSweep() == "" && (m.view == sweepView || m.sweepActive()):
		return "p"
	case m.view == liveView && m.cannotApply() == "":
		return "enter"
	case m.view == sweepView && m.cannotSweep() == "":
		return "s"
	}
	return ""
}

// drawFooter shows the keys that work now: first the primary key, then the others in
// the order of the table, as many as fit. Help and quit are always shown.
func (m *model) drawFooter(p pane) {
	gap := 1
	if p.w >= wideWidth {
		gap = 2
	}
	primary := m.primaryKey()
	first := m.footers(gap, styleAccent, func(b *binding) bool { return b.Help().Key == primary })
	last := m.footers(gap, styleBold, alwaysShown)
	rest := m.footers(gap, styleBold, func(b *binding) bool { return b.Help().Key != primary && !alwaysShown(b) })
	avail := p.w - 1 - spansWidth(first) - spansWidth(last)
	if spansWidth(rest) > avail {
		more := dim("…" + strings.Repeat(" ", gap)) // help shows the others
		for len(rest) > 0 && spansWidth(rest)+width(more.s) > avail {
			rest = rest[:len(rest)-2]
		}
		rest = append(rest, more)
	}
	x := p.line(1, 0, first...)
	x = p.line(x, 0, rest...)
	p.line(x, 0, last...)
}

// alwaysShown reports whether the footer shows a key at any width.
func alwaysShown(b *binding) bool { return b.footer == "help" || b.footer == "quit" }

// footers is the footer's text of the keys that work now and that include accepts:
// two spans for each key.
func (m *model) footers(gap int, style styleID, include func(*binding) bool) []span {
	var out []span
	for i := range m.bindings {
		b := &m.bindings[i]
		if b.footer != "" && b.views&(1<<m.view) != 0 && include(b) && b.disabledReason() == "" {
			out = append(out, span{b.Help().Key, style}, dim(" "+m.footerText(b)+strings.Repeat(" ", gap)))
		}
	}
	return out
}

// footerText is what a key does in the current state.
func (m *model) footerText(b *binding) string {
	switch b.footer {
	case "pause":
		if s := m.snap.Sweep; s != nil && pausingOrPaused(s) {
			return "resume"
		}
	case "measure":
		if m.engineDown() {
			return "restart"
		}
	case "hold":
		if !m.snap.LoadOn {
			return "resume"
		}
	}
	return b.footer
}
