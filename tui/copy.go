package tui

import (
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// copyText copies text to the clipboard of the terminal by OSC 52, which also works over SSH.
// Terminals do not say whether they allow it.
func (m *model) copyText(what, text string) tea.Cmd {
	m.report(session.Note, true, what+" sent to the clipboard of the terminal")
	return tea.SetClipboard(text)
}

// copyVerdict copies the line to paste into a report: the verdict on the live traffic, or in the Sweep
// view the figures of the selected trial.
func (m *model) copyVerdict() tea.Cmd {
	if t := m.selectedTrial(); m.view == sweepView && t != nil {
		return m.copyText(fmt.Sprintf("trial #%d", t.N), m.trialLine(t))
	}
	return m.copyText("the verdict", m.verdictLine())
}

// verdictLine is the model, its settings and the whole verdict line as plain text.
func (m *model) verdictLine() string {
	c := newCanvas(200, 1)
	m.drawVerdict(c.all())
	verdict := strings.Join(strings.Fields(ansi.Strip(c.render(&theme{}, m.ASCII))), " ")
	return fmt.Sprintf("%s, %v: %s, %s/s", printable(m.snap.Info.Model.Name), m.inForce(), verdict, m.throughputText())
}

// trialLine is the figures of a trial as plain text.
func (m *model) trialLine(t *trial.Trial) string {
	sla := m.snap.Sweep.Plan.SLA
	return fmt.Sprintf("%s, %v, %v: %s %s ms of limit %s ms, %s/s, %s", printable(m.snap.Info.Model.Name), t.Settings, t.Load,
		percentileName(sla), na(percentileOf(t, sla)), plainMS(limitMS(sla)), na(t.Throughput.Value), t.Verdict.Label())
}

// copyCommand copies the command that measures settings without a screen: those of the selected trial
// in the Sweep view, otherwise those in force.
func (m *model) copyCommand() tea.Cmd {
	s, l := m.snap.Settings, m.currentLoad()
	if t := m.selectedTrial(); m.view == sweepView && t != nil {
		s, l = t.Settings, t.Load
	}
	return m.copyText("the command", m.command(s, l))
}

// command is the command line that measures settings under a load without a screen.
func (m *model) command(s knob.Settings, l load.Spec) string {
	words := []string{"sweetspot"}
	if source := m.snap.Info.Model.Source; source != "" {
		words = append(words, source)
	}
	words = append(words, "--sweep")
	sla := m.snap.SLA
	words = append(words, "--sla", sla.Limit.String())
	if sla.Percentile != 99 {
		words = append(words, "--percentile", strconv.FormatFloat(sla.Percentile, 'g', -1, 64))
	}
	if sla.Latency != trial.RequestLatency {
		words = append(words, "--latency", sla.Latency.String())
	}
	if sla.MaxErrorRate > 0 {
		words = append(words, "--max-errors", strconv.FormatFloat(sla.MaxErrorRate, 'g', -1, 64))
	}
	switch {
	case l.Mode == load.Open:
		words = append(words, "--rate", strconv.FormatFloat(l.Rate, 'g', -1, 64), "--arrivals", l.Arrivals.String())
	case l.Mode == load.Trace:
		words = append(words, "--trace", l.File)
	case l.Matched:
		words = append(words, "--concurrency", "matched")
	case l.Mode == load.Closed:
		words = append(words, "--concurrency", strconv.Itoa(l.Concurrency))
	}
	for _, k := range m.knobs() {
		if v := s.Get(k.Name); v != "" && s.Has(k.Name) {
			words = append(words, "--knob", string(k.Name)+"="+v)
		}
	}
	for i, w := range words {
		words[i] = shellQuote(w)
	}
	return strings.Join(words, " ")
}

// shellQuote quotes a word for a POSIX shell if it has other than harmless characters.
func shellQuote(w string) string {
	harmless := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r)
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !harmless(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// menu is a list of actions for what is selected. A letter or enter does one.
type menu struct {
	title    string
	items    []menuItem
	selected int
}

type menuItem struct {
	key, text string
	do        func() tea.Cmd
}

func (l *menu) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	switch name := k.String(); name {
	case "esc", "q", ".":
		m.dialog = nil
	case "up", "k":
		l.selected = max(l.selected-1, 0)
	case "down", "j":
		l.selected = min(l.selected+1, len(l.items)-1)
	case "enter":
		m.dialog = nil
		return l.items[l.selected].do()
	default:
		for _, item := range l.items {
			if item.key == k.Text {
				m.dialog = nil
				return item.do()
			}
		}
	}
	return nil
}

func (l *menu) draw(m *model, p pane) {
	in := p.at(centred(m.w, m.h, 60, len(l.items)+3)).box(l.title, dim("enter or letter · esc closes"))
	for i, item := range l.items {
		sign := plain(" ")
		if i == l.selected {
			sign = span{"▸", styleAccent}
		}
		in.line(1, i, sign, bold(pad(item.key, 4)), plain(item.text))
		in.sub(0, i, in.w, 1).onClick(func() { l.selected = i })
	}
}

// openVerbs opens the actions for what is selected: a trial, or the settings in force.
func (m *model) openVerbs() tea.Cmd {
	l := &menu{title: "Settings in force"}
	switch m.view {
	case frontierView:
		if p := m.selectedPoint(); p != nil {
			l.title = "Setting " + shortSettings(p.settings)
			m.addKeys(l, inFrontier, "enter", "R", "e")
		}
	case profilesView:
		if p := m.selectedProfile(); p != nil {
			l.title = "Profile " + profileName(*p)
			m.addKeys(l, inProfiles, "enter", "m", "i", "=", "n", "e", "d")
		}
	case liveView, sweepView:
	}
	if len(l.items) > 0 {
		m.dialog = l
		return nil
	}
	if t := m.selectedTrial(); m.view == sweepView && t != nil {
		l.title = fmt.Sprintf("Trial #%d", t.N)
		if !m.Follow {
			l.items = append(l.items, menuItem{"l", "make its settings pending in Live", m.stageTrial})
		}
	}
	if m.cannotExport() == "" {
		l.items = append(l.items, menuItem{"e", "export", m.export})
	}
	l.items = append(l.items,
		menuItem{"c", "copy as command line", m.copyCommand},
		menuItem{"y", "copy the verdict with its figures", m.copyVerdict},
	)
	m.dialog = l
	return nil
}

// addKeys adds the actions of keys of a view that work now. A key of several characters is named by its first one, and
// enter by the letter of the other views.
func (m *model) addKeys(l *menu, in viewSet, labels ...string) {
	for _, label := range labels {
		for i := range m.bindings {
			b := &m.bindings[i]
			if b.views&in == 0 || b.Help().Key != label || b.disabledReason() != "" {
				continue
			}
			key := label[:1]
			if label == "enter" {
				key = "l"
			}
			l.items = append(l.items, menuItem{key, b.Help().Desc, b.do})
			break
		}
	}
}
