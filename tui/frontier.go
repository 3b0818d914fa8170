package tui

import (
	"errors"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
)

// frontierState is the state of the Frontier view.
type frontierState struct {
	selected pointKey // of no point: the first one is selected
	panel    frontierPanel
	figure   mapFigure
	whatIf   whatIf
	profile  *shownProfile // in place of the sweep of this session; nil for that
}

// pointKey identifies a point, also when the points are sorted anew.
type pointKey struct {
	settings knob.Settings
	load     load.Spec
}

func (p *settingPoint) key() pointKey { return pointKey{p.settings, p.load} }

// frontierPanel is the panel that a layout shows if it has no room for all.
type frontierPanel uint8

const (
	scatterChartPanel frontierPanel = iota
	mapPanel
	pointPanel
	frontierPanelCount
)

var frontierPanelNames = [frontierPanelCount]string{"chart", "map", "point"}

// mapFigure is the figure in the cells of the map.
type mapFigure uint8

const (
	mapPercentile mapFigure = iota
	mapThroughput
	mapCPU
	mapFigureCount
)

// whatIf is a load for which the settings are only predicted.
type whatIf struct {
	on      bool
	load    load.Spec // as the user has set it
	shown   load.Spec // of points
	points  []settingPoint
	problem string // why nothing is predicted
	running bool
}

// frontierPoints are the points of the view: those of the sweep, or those of the what-if load.
func (m *model) frontierPoints() []settingPoint {
	if w := m.frontier.whatIf; w.on {
		return w.points
	}
	return m.measuredPoints()
}

// selectedPointIndex is the index of the selected point.
func (m *model) selectedPointIndex(points []settingPoint) int {
	at := func(same func(pointKey) bool) int {
		return slices.IndexFunc(points, func(p settingPoint) bool { return same(p.key()) })
	}
	i := at(func(k pointKey) bool { return k == m.frontier.selected })
	if i < 0 { // under a what-if load: the same settings
		i = at(func(k pointKey) bool { return k.settings == m.frontier.selected.settings })
	}
	return max(i, 0)
}

// selectedPoint is the selected point, nil without points.
func (m *model) selectedPoint() *settingPoint {
	points := m.frontierPoints()
	if len(points) == 0 {
		return nil
	}
	return &points[m.selectedPointIndex(points)]
}

func (m *model) movePoint(n int) {
	points := m.frontierPoints()
	if len(points) > 0 {
		m.frontier.selected = points[min(max(m.selectedPointIndex(points)+n, 0), len(points)-1)].key()
	}
}

// sliceOf is what the points of one map have in common: all knobs but the workers and the batch
// size.
func sliceOf(s knob.Settings) knob.Settings {
	s.Workers, s.BatchSize = 0, 0
	return s
}

// slices are the slices of the points, in the order of the settings.
func pointSlices(points []settingPoint) []knob.Settings {
	var out []knob.Settings
	for i := range points {
		if s := sliceOf(points[i].settings); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b knob.Settings) int {
		switch {
		case a.Precision != b.Precision:
			return int(a.Precision) - int(b.Precision)
		case a.BatchDelay != b.BatchDelay:
			return int((a.BatchDelay - b.BatchDelay) / time.Microsecond)
		}
		return a.Own.Compare(b.Own)
	})
	return out
}

// moveSlice selects the first point of the next (n 1) or the previous (n -1) slice.
func (m *model) moveSlice(n int) {
	points := m.frontierPoints()
	if len(points) == 0 {
		return
	}
	all := pointSlices(points)
	now := sliceOf(points[m.selectedPointIndex(points)].settings)
	next := all[(slices.Index(all, now)+n+len(all))%len(all)]
	for i := range points {
		if sliceOf(points[i].settings) == next {
			m.frontier.selected = points[i].key()
			return
		}
	}
}

// cannotUsePoint is why the keys for points do not work now, or "".
func (m *model) cannotUsePoint() string {
	switch {
	case m.selectedPoint() != nil:
		return ""
	case m.frontier.whatIf.on:
		return "nothing is predicted for this load: esc shows the measured load"
	case m.Follow:
		return "no trial yet"
	}
	return "no setting is measured or predicted yet: s starts a sweep"
}

func (m *model) stagePoint() tea.Cmd {
	p := m.selectedPoint()
	if from := m.frontier.profile; from != nil {
		m.stage(p.settings, 0, "the settings of "+p.label+" of "+from.name)
		return nil
	}
	if !p.measured() {
		m.stage(p.settings, 0, "these settings, which are only predicted,")
		return nil
	}
	m.stage(p.settings, p.row.Joined.N, "the settings of "+p.label)
	return nil
}

// cannotMeasurePoint is why the selected point cannot be measured now, or "".
func (m *model) cannotMeasurePoint() string {
	if m.engineDown() {
		return "" // the key restarts the engine
	}
	if why := m.cannotUsePoint(); why != "" {
		return why
	}
	p := m.selectedPoint()
	switch {
	case m.frontier.profile != nil:
		return m.ofProfile()
	case m.frontier.whatIf.on:
		return "a what-if load is only predicted: esc shows the measured load; s sweeps under another"
	case m.snap.Sweep.Plan.Question.SeeksRate() && !p.measured():
		return "the sweep itself chooses the rates of a search for the highest load"
	}
	return m.cannotMeasureAgain()
}

// cannotMeasureAgain is why nothing can be measured again now, or "". A running sweep measures it
// next.
func (m *model) cannotMeasureAgain() string {
	if s := m.snap.Sweep; s != nil && (s.State == session.Running || pausingOrPaused(s)) {
		return ""
	}
	return m.cannotChangeSettings()
}

// cannotMeasureTrial is why the selected row cannot be measured again now, or "".
func (m *model) cannotMeasureTrial() string {
	if m.engineDown() {
		return ""
	}
	if why := m.cannotUseTrial(); why != "" {
		return why
	}
	return m.cannotMeasureAgain()
}

func (m *model) measurePoint() tea.Cmd {
	if m.engineDown() {
		return m.restart()
	}
	p := m.selectedPoint()
	return m.measureAgain(p.settings, p.load)
}

func (m *model) measureTrial() tea.Cmd {
	if m.engineDown() {
		return m.restart()
	}
	t := m.selectedTrial()
	return m.measureAgain(t.Settings, t.Load)
}

func (m *model) measureAgain(s knob.Settings, l load.Spec) tea.Cmd {
	m.report(session.Note, false, "measuring "+shortSettings(s)+" under "+l.String())
	return m.enqueueFunc("measure", func() error { return m.Workbench.Measure(s, l) })
}

// cannotPredict is why other loads cannot be predicted, or "".
func (m *model) cannotPredict() string {
	switch s := m.snap.Sweep; {
	case m.frontier.profile != nil:
		return m.ofProfile()
	case s == nil || len(s.Trials) == 0:
		return "a sweep must measure something first: s starts one"
	case s.Plan.Question.SeeksRate():
		return "the sweep searched the highest load of each setting"
	}
	return ""
}

// changeWhatIf changes the what-if load by a step. The first step starts at the measured load.
func (m *model) changeWhatIf(dir int) tea.Cmd {
	l := m.frontier.whatIf.load
	if !m.frontier.whatIf.on {
		l = m.measuredLoad()
	}
	next, err := parseLoad(stepLoadField(loadFieldText(l), dir))
	if err != nil {
		m.report(session.Note, false, l.String()+" has no steps: = types another load")
		return nil
	}
	next.Arrivals = l.Arrivals
	return m.setWhatIf(next)
}

// measuredLoad is the load of the selected point, or of the plan.
func (m *model) measuredLoad() load.Spec {
	if p := m.selectedPoint(); p != nil {
		return p.load
	}
	return m.snap.Sweep.Plan.Loads[0]
}

// typeWhatIf opens a dialog to type the what-if load.
func (m *model) typeWhatIf() tea.Cmd {
	m.dialog = &input{heading: "What if", title: "the load is", hint: "10 (clients), 50/s, matched", effect: "predicts it", then: func(text string) (tea.Cmd, error) {
		l, err := parseLoad(text)
		if err != nil {
			return nil, err
		}
		return m.setWhatIf(l), nil
	}}
	return nil
}

// setWhatIf shows the predictions for a load. While one load is being predicted, the newest other
// one waits.
func (m *model) setWhatIf(l load.Spec) tea.Cmd {
	w := &m.frontier.whatIf
	w.on, w.load = true, l
	if w.running {
		return nil
	}
	return m.predictWhatIf()
}

func (m *model) predictWhatIf() tea.Cmd {
	w := &m.frontier.whatIf
	w.running = true
	l := w.load
	var found []search.Prediction
	return m.enqueue(action{
		name: "what if", quiet: true,
		run: func() (out session.Exported, err error) {
			found, err = m.Workbench.WhatIf(l)
			return out, err
		},
		done: func(_ session.Exported, err error) { m.showWhatIf(l, found, err) },
	})
}

// showWhatIf shows the predictions for l, unless the user left the what-if load meanwhile.
func (m *model) showWhatIf(l load.Spec, found []search.Prediction, err error) {
	w := &m.frontier.whatIf
	w.running = false
	switch {
	case !w.on:
		return
	case err == nil && len(found) == 0:
		err = errors.New("the simulator predicts none of the settings")
	}
	w.points, w.shown, w.problem = nil, l, ""
	if err != nil {
		w.problem, found = err.Error(), nil
	}
	for i := range found {
		p := &found[i]
		w.points = append(w.points, settingPoint{settings: p.Settings, load: p.Load, pass: p.Pass, throughput: p.Throughput, value: p.ValueMS, predicted: p})
	}
	sortPredicted(w.points)
	if w.load != l {
		m.predictWhatIf() // waits for the end of this action
	}
}

func (m *model) cannotLeaveWhatIf() string {
	if !m.frontier.whatIf.on {
		return "the load shown is the measured one: [ ] show others"
	}
	return ""
}

func (m *model) leaveWhatIf() tea.Cmd {
	running := m.frontier.whatIf.running
	m.frontier.whatIf = whatIf{running: running}
	return nil
}

// frontierKeys are the keys of the Frontier view.
func (m *model) frontierKeys() []binding {
	move := func(n int) func() tea.Cmd { return func() tea.Cmd { m.movePoint(n); return nil } }
	slice := func(n int) func() tea.Cmd { return func() tea.Cmd { m.moveSlice(n); return nil } }
	load := func(dir int) func() tea.Cmd { return func() tea.Cmd { return m.changeWhatIf(dir) } }
	panel := func() tea.Cmd { m.frontier.panel = (m.frontier.panel + 1) % frontierPanelCount; return nil }
	figure := func() tea.Cmd { m.frontier.figure = (m.frontier.figure + 1) % mapFigureCount; return nil }
	const page, all = 10, 1 << 20
	const in, group = inFrontier, groupFrontier
	return []binding{
		{keys("↑↓", "select a setting", "up", "k"), in, group, "setting", m.cannotUsePoint, move(-1)},
		{secondKey("down", "j"), in, group, "", m.cannotUsePoint, move(1)},
		{keys("pgup pgdn", "ten settings up or down", "pgup"), in, group, "", m.cannotUsePoint, move(-page)},
		{secondKey("pgdown"), in, group, "", m.cannotUsePoint, move(page)},
		{keys("home end", "first or last setting", "home"), in, group, "", m.cannotUsePoint, move(-all)},
		{secondKey("end"), in, group, "", m.cannotUsePoint, move(all)},
		{keys("enter", "make its values pending in Live", "enter"), in, group, "load in Live", m.cannotUsePoint, m.stagePoint},
		{keys("R", "measure it, or measure it again; restart the engine when it is down", "R", "shift+r"), in, group, "measure", m.cannotMeasurePoint, m.measurePoint},
		{keys("tab", "next panel: chart, map, point", "tab"), in, group, "panel", nil, panel},
		{keys("←→", "previous or next slice of the map: delay, FP16", "left", "h"), in, group, "slice", m.cannotUsePoint, slice(-1)},
		{secondKey("right", "l"), in, group, "", m.cannotUsePoint, slice(1)},
		{keys("v", "figure in the map: P99, throughput, cpu", "v"), in, group, "figure", m.cannotUsePoint, figure},
		{keys("[ ]", "what if the load is less or more: predicted", "["), in, group, "what if", m.cannotPredict, load(-1)},
		{secondKey("]"), in, group, "", m.cannotPredict, load(1)},
		{keys("=", "what if: type a load", "="), in, group, "", m.cannotPredict, m.typeWhatIf},
		{keys("esc", "back to the measured load, or from a profile to Profiles", "esc"), in, group, "back", m.cannotLeave, m.leaveFrontier},
		{keys("e", "export it", "e"), in, group, "export", m.cannotExportPoint, m.exportPoint},
	}
}

// whatIfText describes the what-if load.
func (m *model) whatIfText() string {
	w := m.frontier.whatIf
	text := fmt.Sprintf("what if %v: predicted by the simulator, nothing measured", w.load)
	if w.running {
		text += "  …"
	}
	return text
}
