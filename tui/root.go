package tui

import (
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/tui/chart"
)

// model is the only tea.Model. Update changes it, View only reads it.
type model struct {
	Deps
	table []binding

	w, h    int
	now     time.Time // of the message at hand
	began   time.Time
	keyAt   time.Time // last key
	blurred bool
	mouse   bool
	theme   *theme

	snap   *session.Snapshot
	since  time.Time // when the phase began, as seen from here
	view   view
	over   overlay   // open dialog, or nil
	stopAt time.Time // last ctrl+c

	knob   int                  // selected, index into turned
	edits  map[knob.Name]string // pending values of the knobs that were turned
	failed string               // why the last apply did not come about
	steer  steering
	zoom   int // index into timeSpans
	data   series
	axes   struct{ p99, rps, busy chart.Axis }
	before *comparison // open until the last change has settled

	pick    int // number of the selected trial, 0 follows the first
	inOrder bool

	toast  toast
	own    []session.Message // what the screen itself has said
	unread int

	queue   []verb
	calling bool
}

// steering is the load the person asked for, ahead of the snapshot that will
// have it.
type steering struct {
	want   *load.Spec
	at     time.Time
	closed load.Spec // last one of each mode, to switch back to
	open   load.Spec
}

func newModel(d Deps) *model {
	m := &model{Deps: d, mouse: d.Mouse, theme: newTheme(true), edits: map[knob.Name]string{}}
	m.table = m.keyTable()
	if d.Follow {
		m.table, m.view = readingKeys(m.table), sweeps
	}
	m.snap = &session.Snapshot{}
	m.now = d.Now()
	m.began, m.since = m.now, m.now
	m.resize(0, 0)
	m.look()
	return m
}

// Init starts the tick and asks the terminal for its background.
func (m *model) Init() tea.Cmd { return tea.Batch(m.tick(), tea.RequestBackgroundColor) }

// Update routes a message to its method.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.Now()
	switch msg := msg.(type) {
	case tickMsg:
		m.look()
		return m, m.tick()
	case doneMsg:
		return m, m.done(msg)
	case tea.KeyPressMsg:
		return m, m.press(msg)
	case tea.PasteMsg:
		if in, ok := m.over.(*input); ok {
			in.typed(msg.Content)
		}
	case tea.MouseClickMsg:
		m.click(msg.X, msg.Y)
	case tea.MouseWheelMsg:
		return m, m.wheel(msg)
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.BackgroundColorMsg:
		m.theme = newTheme(msg.IsDark())
	case tea.FocusMsg:
		m.blurred = false
		m.look()
	case tea.BlurMsg:
		m.blurred = true
	}
	return m, nil
}

// resize takes the terminal's size; one that tells none gets 80x24.
func (m *model) resize(w, h int) {
	if w <= 0 || h <= 0 {
		w, h = compactWidth, compactHeight
	}
	m.w, m.h = w, h
}

// press gives a key to whoever is to have it.
func (m *model) press(k tea.KeyPressMsg) tea.Cmd {
	m.keyAt = m.now
	m.toast.seen = true
	b := m.find(k)
	small := sizeOf(m.w, m.h) == tooSmall
	switch {
	case k.String() == "ctrl+c":
		return m.interrupt()
	case m.over != nil:
		return m.over.key(m, k)
	case b == nil:
		return nil
	case small && b.foot != "help" && b.foot != "quit":
		return nil // blind keys do harm
	}
	if why := b.refusal(); why != "" {
		m.report(session.Note, false, why)
		return nil
	}
	return b.do()
}

// click does what the zone under the pointer does; later ones lie on top.
func (m *model) click(x, y int) {
	if m.over != nil {
		return
	}
	for _, z := range slices.Backward(m.frame().zones) {
		if z.holds(x, y) {
			z.hit()
			return
		}
	}
}

func (m *model) wheel(msg tea.MouseWheelMsg) tea.Cmd {
	switch msg.Button {
	case tea.MouseWheelUp:
		return m.press(tea.KeyPressMsg{Code: tea.KeyUp})
	case tea.MouseWheelDown:
		return m.press(tea.KeyPressMsg{Code: tea.KeyDown})
	default:
		return nil
	}
}

// look takes the workbench's latest snapshot.
func (m *model) look() {
	s := m.Bench.Snapshot()
	if s == nil || s == m.snap {
		return
	}
	old := m.snap
	m.snap = s
	if s.Phase != old.Phase {
		m.since = m.now
	}
	m.read(old.Messages, s.Messages)
	m.settle(old)
	m.prune(old)
	m.remember(s.Load)
	m.follow(old)
	m.data = m.series()
	m.scale()
}

// done ends a verb and lets the next one go.
func (m *model) done(d doneMsg) tea.Cmd {
	m.look()
	switch {
	case d.err != nil:
		m.report(session.Error, !d.verb.logged, d.verb.name+": "+d.err.Error())
		m.toast.echo = d.err.Error()
		if d.verb.name == verbLoad {
			m.steer.want = nil
		}
	case d.out.Path != "":
		m.exported(d)
	}
	return m.next()
}

// exported tells where an export went. What its format has no key for goes into
// the log, and the status line says that there is something to read.
func (m *model) exported(d doneMsg) {
	text := "exported to " + d.out.Path
	for _, n := range d.out.Notes {
		m.keep(session.Message{At: m.now, Text: "export: " + n})
	}
	if n := len(d.out.Notes); n > 0 {
		text += fmt.Sprintf("; %s on what has no key there: !", plural(n, "note"))
	}
	m.report(session.Note, !d.verb.logged, text)
	m.toast.echo = d.out.Path
	if m.Exported != nil {
		m.Exported(d.out.Path)
	}
}

// View draws a frame.
func (m *model) View() tea.View {
	v := tea.NewView(m.frame().render(m.theme, m.ASCII))
	v.AltScreen = true
	v.ReportFocus = true
	if m.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	v.WindowTitle = "sweetspot"
	if name := m.snap.Info.Model.Name; name != "" {
		v.WindowTitle += " " + printable(name)
	}
	if s := m.snap.Sweep; s != nil && !s.State.Ended() && !m.Follow {
		v.ProgressBar = tea.NewProgressBar(tea.ProgressBarDefault, int(progress(s)))
	}
	return v
}

// frame is the screen as cells.
func (m *model) frame() *canvas {
	c := newCanvas(m.w, m.h)
	p := c.all()
	f := frameOf(m.w, m.h)
	room := sizeOf(m.w, m.h)
	if room == tooSmall {
		m.drawTooSmall(p)
	} else {
		m.drawHead(p.at(f.head))
		m.drawStatus(p.at(f.status))
		m.drawFooter(p.at(f.footer))
		m.drawBody(p, room)
	}
	if m.over != nil {
		m.over.draw(m, p)
	}
	return c
}

func (m *model) drawBody(p pane, room size) {
	switch {
	case m.view == live && room == tiny:
		m.drawLiveTiny(p)
	case m.view == live:
		m.drawLive(p, room)
	case room == tiny:
		m.drawSweepTiny(p)
	default:
		m.drawSweep(p, room)
	}
}

func (m *model) drawTooSmall(p pane) {
	text := []string{
		"Terminal too small",
		fmt.Sprintf("needs %d x %d, is %d x %d", minWidth, minHeight, m.w, m.h),
		"q quits, ? helps",
	}
	for i, s := range text {
		p.text(max((p.w-width(s))/2, 0), max((p.h-len(text))/2, 0)+i, s, inkText)
	}
}
