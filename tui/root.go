package tui

import (
	"fmt"
	"os/exec"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// model is the only tea.Model. Update changes it, View only reads it.
type model struct {
	Deps
	bindings []binding

	w, h      int       // of the terminal, in cells
	now       time.Time // when the current message was received
	startedAt time.Time
	lastKey   time.Time // when the last key was pressed
	blurred   bool      // the terminal has no focus
	mouse     bool
	theme     *theme

	snap          *session.Snapshot
	phaseSince    time.Time // when the first snapshot of this phase was polled
	view          view
	dialog        dialog    // nil if none is open
	frozenAt      time.Time // since when the picture is frozen; zero if it is not
	expanded      chartPanel
	leaveFrame    bool                                      // the last frame stays on the terminal
	runEditor     func(*exec.Cmd, tea.ExecCallback) tea.Cmd // tea.ExecProcess, except in tests
	lastInterrupt time.Time                                 // when ctrl+c was last pressed

	knobIndex  int                  // of the selected knob, in shownKnobs
	pending    map[knob.Name]string // changed values that are not applied yet
	applyError string               // why the last apply failed
	stagedN    int                  // number of the trial whose settings were made pending; 0 for none
	dropAsked  time.Time            // when esc was pressed first
	liveLoad   liveLoad

	heldToSuspend bool // suspend has held the load

	zoom        int // index into timeSpans
	data        series
	latencyView latencyView
	showBatches bool    // in place of the utilization
	events      []event // for the marks of the charts, oldest first
	isDown      bool    // the engine has ended and not started again
	axes        struct{ p99, throughput, utilization chart.Axis }

	selectedN int // number of the selected trial; 0 selects the first row
	table     tableState
	points    []settingPoint // of the sweep, measured and predicted
	joined    []rank.Row     // of the sweep, in the order of their first trials
	noPass    string         // why nothing passed in a sweep that has ended
	undecided *trial.Trial   // the row of such a sweep that may pass if it is measured longer
	frontier  frontierState
	profiles  profilesState

	notice      notice
	ownMessages []session.Message // messages of the screen itself
	unread      int               // warnings and errors since the log was last open

	actions       []action // waiting, oldest first
	actionRunning bool
}

// liveLoad is the load that the user requested, and earlier ones.
type liveLoad struct {
	requested   *load.Spec // nil if the snapshot has it already
	requestedAt time.Time
	lastClosed  load.Spec // the last load of each mode, used when the mode is changed
	lastOpen    load.Spec
}

func newModel(d Deps) *model {
	m := &model{Deps: d, runEditor: tea.ExecProcess, mouse: d.Mouse, theme: newTheme(true), pending: map[knob.Name]string{}}
	m.bindings = m.allBindings()
	if d.Follow {
		m.bindings, m.view = readOnlyBindings(m.bindings), sweepView
	}
	m.snap = &session.Snapshot{}
	m.now = d.Now()
	m.profiles.stale = true
	m.startedAt, m.phaseSince = m.now, m.now
	m.resize(0, 0)
	m.poll()
	if d.Follow && m.snap.Sweep != nil {
		m.profiles.selected = m.snap.Sweep.ID
	}
	return m
}

// Init starts the ticks and queries the background colour of the terminal.
func (m *model) Init() tea.Cmd {
	return tea.Batch(m.tick(), tea.RequestBackgroundColor, m.awaitSuspend())
}

// Update calls the method for the type of the message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.Now()
	switch msg := msg.(type) {
	case tickMsg:
		m.poll()
		return m, tea.Batch(m.tick(), m.refreshProfiles())
	case actionDoneMsg:
		return m, m.finish(msg)
	case tea.KeyPressMsg:
		return m, m.handleKey(msg)
	case tea.PasteMsg:
		if in, ok := m.dialog.(inserter); ok {
			in.insert(msg.Content)
		}
	case tea.MouseClickMsg:
		m.handleClick(msg.X, msg.Y)
	case tea.MouseWheelMsg:
		return m, m.handleWheel(msg)
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.BackgroundColorMsg:
		m.theme = newTheme(msg.IsDark())
	case suspendMsg:
		return m, tea.Batch(m.suspend(), m.awaitSuspend())
	case editedMsg:
		m.edited(msg)
	case tea.ResumeMsg:
		return m, m.resumed()
	case tea.FocusMsg:
		m.blurred = false
		m.poll()
	case tea.BlurMsg:
		m.blurred = true
	}
	return m, nil
}

// resize sets the size of the screen, 80x24 if the terminal reports none.
func (m *model) resize(w, h int) {
	if w <= 0 || h <= 0 {
		w, h = compactWidth, compactHeight
	}
	m.w, m.h = w, h
}

// handleKey passes a key to the open dialog, or else calls the function of its binding.
func (m *model) handleKey(k tea.KeyPressMsg) tea.Cmd {
	m.lastKey = m.now
	m.notice.keyPressed = true
	b := m.find(k)
	small := sizeClassOf(m.w, m.h) == tooSmall
	switch {
	case k.String() == "ctrl+c":
		return m.interrupt()
	case m.dialog != nil:
		return m.dialog.key(m, k)
	case k.String() == "esc" && m.expanded != noChart:
		m.expanded = noChart
		return nil
	case b == nil:
		m.report(session.Note, false, unknownKey(k))
		return nil
	case small && b.footer != "help" && b.footer != "quit":
		return nil // the effect would not be visible
	}
	if why := b.disabledReason(); why != "" {
		m.report(session.Note, false, why)
		return nil
	}
	return b.do()
}

// handleClick calls the function of the click area under the pointer. If areas
// overlap, the last one is on top.
func (m *model) handleClick(x, y int) {
	c := m.frame()
	areas := c.clickAreas
	if m.dialog != nil {
		areas = areas[c.dialogFrom:]
	}
	for _, a := range slices.Backward(areas) {
		if a.contains(x, y) {
			a.onClick()
			return
		}
	}
}

func (m *model) handleWheel(msg tea.MouseWheelMsg) tea.Cmd {
	switch msg.Button {
	case tea.MouseWheelUp:
		return m.handleKey(tea.KeyPressMsg{Code: tea.KeyUp})
	case tea.MouseWheelDown:
		return m.handleKey(tea.KeyPressMsg{Code: tea.KeyDown})
	default:
		return nil
	}
}

// poll gets the latest snapshot of the workbench, and updates what depends on it.
func (m *model) poll() {
	s := m.Workbench.Snapshot()
	if s == nil || s == m.snap || !m.frozenAt.IsZero() {
		return
	}
	old := m.snap
	m.snap = s
	if s.Phase != old.Phase {
		m.phaseSince = m.now
	}
	m.showNew(old.Messages, s.Messages)
	m.dropApplied(old)
	m.noteLoad(s.Load)
	m.announceBest(old)
	m.updatePoints(old)
	m.noteCompleted(old)
	m.noteEvents(old)
	m.data = m.series()
	m.updateAxes()
}

// finish reports the result of an action and starts the next one.
func (m *model) finish(d actionDoneMsg) tea.Cmd {
	m.poll()
	switch {
	case d.err != nil && d.action.quiet:
	case d.err != nil:
		m.report(session.Error, !d.action.logged, d.action.name+": "+d.err.Error())
		m.notice.duplicateSuffix = d.err.Error()
		if d.action.name == loadAction {
			m.liveLoad.requested = nil
		}
	case d.out.Written:
		m.exported(d)
	}
	if d.action.done != nil {
		d.action.done(d.out, d.err)
	}
	return tea.Batch(d.action.then, m.startNext())
}

// exported reports the path of an export. The notes on settings for which the
// format has no key are long: they are in the log, and the status line counts them.
func (m *model) exported(d actionDoneMsg) {
	text := "exported to " + d.out.Path
	for _, n := range d.out.Notes {
		m.addToLog(session.Message{At: m.now, Text: "export: " + n})
	}
	if n := len(d.out.Notes); n > 0 {
		text += fmt.Sprintf("; ! shows %s on settings without a key", plural(n, "note"))
	}
	m.report(session.Note, !d.action.logged, text)
	m.notice.duplicateSuffix = d.out.Path
	if m.Exported != nil {
		m.Exported(d.out.Path)
	}
}

// unknownKey is the answer to a key without a meaning in the open view.
func unknownKey(k tea.KeyPressMsg) string {
	return printable(k.String()) + " does nothing here: ? lists the keys"
}

// View draws a frame as text. A program shows its frames by a painter.
func (m *model) View() tea.View {
	v := m.modes()
	v.Content = m.frame().render(m.theme, m.ASCII)
	return v
}

// modes is a view without a frame: what the terminal shows and reports beside it.
func (m *model) modes() tea.View {
	var v tea.View
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
		state := tea.ProgressBarDefault
		if s.State == session.Paused {
			state = tea.ProgressBarWarning
		}
		v.ProgressBar = tea.NewProgressBar(state, int(progressPercent(s)))
	}
	return v
}

// frame draws the screen on a canvas.
func (m *model) frame() *canvas {
	c := newCanvas(m.w, m.h)
	c.symbols = m.chartSymbols()
	p := c.all()
	f := frameLayoutOf(m.w, m.h)
	class := sizeClassOf(m.w, m.h)
	if class == tooSmall {
		m.drawTooSmall(p)
	} else {
		m.drawHeader(p.at(f.header))
		m.drawStatus(p.at(f.status))
		m.drawFooter(p.at(f.footer))
		m.drawBody(p, class)
	}
	c.dialogFrom = len(c.clickAreas)
	if m.dialog != nil {
		m.dialog.draw(m, p)
	}
	return c
}

func (m *model) drawBody(p pane, class sizeClass) {
	switch {
	case m.view == liveView && class == tiny:
		m.drawLiveTiny(p)
	case m.view == liveView:
		m.drawLive(p, class)
	case m.view == frontierView:
		m.drawFrontier(p, class)
	case m.view == profilesView:
		m.drawProfiles(p, class)
	case class == tiny:
		m.drawSweepTiny(p)
	default:
		m.drawSweep(p, class)
	}
}

func (m *model) drawTooSmall(p pane) {
	text := []string{
		"Terminal too small",
		fmt.Sprintf("needs %d x %d, is %d x %d", minWidth, minHeight, m.w, m.h),
		"q quits, ? shows help",
	}
	for i, s := range text {
		p.text(max((p.w-width(s))/2, 0), max((p.h-len(text))/2, 0)+i, s, styleText)
	}
}
