package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/spinner"

	"sweetspot/engine/knob"
	"sweetspot/sweep/session"
)

// toast is the text of the status line.
type toast struct {
	session.Message
	at   time.Time
	echo string // a message that ends so tells the same again
	seen bool   // a key was pressed since
}

const toastFor = 6 * time.Second

// showing tells whether the toast is still up: trouble stays until a key.
func (t toast) showing(now time.Time) bool {
	if t.Text == "" {
		return false
	}
	return now.Sub(t.at) < toastFor || t.Level == session.Trouble && !t.seen
}

// report shows a message, and keeps it in the log if logged.
func (m *model) report(level session.Level, logged bool, text string) {
	msg := session.Message{At: m.now, Level: level, Text: text}
	m.toast = toast{Message: msg, at: m.now}
	if logged {
		m.keep(msg)
	}
}

// keep adds to the log what the screen itself has to say.
func (m *model) keep(msg session.Message) {
	const most = 500
	m.own = append(m.own, msg)
	m.own = m.own[max(len(m.own)-most, 0):]
	m.count(msg)
}

// count counts what the person should read in the log.
func (m *model) count(msg session.Message) {
	if msg.Level != session.Note {
		m.unread++
	}
}

// read makes a toast of the newest of the workbench's new messages. A note
// doesn't hide trouble that is still up.
func (m *model) read(old, all []session.Message) {
	for _, msg := range newMessages(old, all) {
		m.count(msg)
		echoed := m.toast.echo != "" && strings.HasSuffix(msg.Text, m.toast.echo)
		if echoed || msg.Level == session.Note && m.toast.Level == session.Trouble && m.toast.showing(m.now) {
			continue
		}
		m.toast = toast{Message: msg, at: m.now}
	}
}

// newMessages is what all has beyond old. The log drops its oldest lines, so
// the last one known is looked for from the end.
func newMessages(old, all []session.Message) []session.Message {
	if len(old) == 0 {
		return all
	}
	last := old[len(old)-1]
	for i := len(all) - 1; i >= 0; i-- {
		if all[i] == last {
			return all[i+1:]
		}
	}
	return all
}

// log is everything said, oldest first.
func (m *model) log() []session.Message {
	out := slices.Concat(m.snap.Messages, m.own)
	slices.SortStableFunc(out, func(a, b session.Message) int { return a.At.Compare(b.At) })
	return out
}

// glyph doubles a level's colour.
func glyph(l session.Level) (string, ink) {
	switch l {
	case session.Warning:
		return "!", inkWarn
	case session.Trouble:
		return "✗", inkFail
	default:
		return "•", inkText
	}
}

// drawStatus is the line above the footer: what is going on, or the toast, and
// how many messages wait.
func (m *model) drawStatus(p pane) {
	end := p.w
	if m.unread > 0 {
		end = p.right(0, 0, warning("! "+plural(m.unread, "message")+" "))
	}
	left := p.sub(0, 0, end-1, 1)
	switch {
	case m.toast.showing(m.now):
		sign, i := glyph(m.toast.Level)
		left.line(1, 0, span{sign + " ", i}, plain(firstLine(m.toast.Text)))
	case m.snap.Applying != nil:
		left.line(1, 0, plain(m.spin()+" "+m.applyingText()))
	}
}

// spin is one picture of the spinner, or a still sign.
func (m *model) spin() string {
	if m.ReduceMotion {
		return "…"
	}
	frames := spinner.MiniDot
	if m.ASCII {
		frames = spinner.Line
	}
	n := int(m.now.Sub(m.began)/lively) % len(frames.Frames)
	return frames.Frames[max(n, 0)]
}

// drawHead is the first line: model, state, background work, views.
func (m *model) drawHead(p pane) {
	x := p.line(1, 0, bold("sweetspot"), plain("  "))
	x = p.line(x, 0, m.modelName(), plain("  "), m.phase())
	views := p.w
	if !m.Follow {
		views = m.tabs(p)
	}
	if wide := p.w >= wideWidth; wide && m.snap.Info.Model.Name != "" && m.snap.Settings.Has(knob.BatchSize) {
		x = p.line(x, 0, dim("  "+m.snap.Info.Limits.Rule.String()+" rule"))
	}
	if r := m.snap.Recorded; r != nil {
		x = p.line(x, 0, span{"  ● rec " + clock(m.now.Sub(r.Since)), inkFail})
	}
	if s := m.snap.Sweep; s != nil {
		p.sub(0, 0, views-2, 1).right(x+2, 0, m.sweepBadge(s)...)
	}
}

func (m *model) modelName() span {
	if name := m.snap.Info.Model.Name; name != "" {
		return plain(name)
	}
	return dim("(no model yet)")
}

func (m *model) phase() span {
	if m.Follow {
		return m.followed()
	}
	switch m.snap.Phase {
	case session.Starting:
		return span{m.spin() + " starting", inkWarn}
	case session.Down:
		return span{"✗ down", inkFail}
	case session.Sweeping:
		return span{"● sweeping", inkAccent}
	default:
		return span{"● serving", inkPass}
	}
}

// tabs draws the views at the right and returns their first column.
func (m *model) tabs(p pane) int {
	x := p.w - 1
	for v := len(viewNames) - 1; v >= 0; v-- {
		name := fmt.Sprintf(" %d %s ", v+1, viewNames[v])
		i := inkDim
		if view(v) == m.view {
			name, i = fmt.Sprintf("[%d %s]", v+1, viewNames[v]), inkTab
		}
		x -= len(name)
		p.text(x, 0, name, i)
		p.sub(x, 0, len(name), 1).click(func() { m.view = view(v) })
	}
	return x
}

// sweepBadge is the sweep in a few words, for every view.
func (m *model) sweepBadge(s *session.Sweep) []span {
	text := fmt.Sprintf("sweep %v %d/%d", s.State, len(s.Trials), max(s.Total, len(s.Trials)))
	if m.Follow {
		text = fmt.Sprintf("%v, %s", s.State, plural(len(s.Trials), "trial"))
	}
	i := inkAccent
	switch {
	case s.State == session.Failed:
		i = inkFail
	case s.State.Ended():
		i = inkText
	case s.ETA > 0:
		text += "  ETA " + clock(s.ETA)
	}
	return []span{{text, i}}
}
