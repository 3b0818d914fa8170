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

// notice is the message in the status line.
type notice struct {
	session.Message
	at              time.Time
	duplicateSuffix string // a message of the workbench with this suffix reports the same event
	keyPressed      bool   // since it was shown
}

const noticeDuration = 6 * time.Second

// visible reports whether the notice is shown. An error stays until a key is pressed.
func (n notice) visible(now time.Time) bool {
	if n.Text == "" {
		return false
	}
	return now.Sub(n.at) < noticeDuration || n.Level == session.Error && !n.keyPressed
}

// report shows a message in the status line; if logged, or if it does not fit there, it is added to the
// log too.
func (m *model) report(level session.Level, logged bool, text string) {
	msg := session.Message{At: m.now, Level: level, Text: text}
	m.notice = notice{Message: msg, at: m.now}
	if logged || width(text) > m.w-statusMargin {
		m.addToLog(msg)
	}
}

// statusMargin is the part of the status line beside the notice: its sign, and the number of unread
// messages.
const statusMargin = 20

// addToLog adds a message of the screen itself to the log.
func (m *model) addToLog(msg session.Message) {
	const maxMessages = 500
	m.ownMessages = append(m.ownMessages, msg)
	m.ownMessages = m.ownMessages[max(len(m.ownMessages)-maxMessages, 0):]
	m.countUnread(msg)
}

// countUnread counts the messages that the user should read: warnings and errors.
func (m *model) countUnread(msg session.Message) {
	if msg.Level != session.Note {
		m.unread++
	}
}

// showNew shows the newest of the workbench's new messages. A note does not replace
// an error that is visible.
func (m *model) showNew(old, all []session.Message) {
	for _, msg := range newMessages(old, all) {
		m.countUnread(msg)
		duplicate := m.notice.duplicateSuffix != "" && strings.HasSuffix(msg.Text, m.notice.duplicateSuffix)
		if duplicate || msg.Level == session.Note && m.notice.Level == session.Error && m.notice.visible(m.now) {
			continue
		}
		m.notice = notice{Message: msg, at: m.now}
	}
}

// newMessages is the messages in all that are not in old. The workbench drops its
// oldest messages, so the last message of old is searched from the end.
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

// allMessages is the log: the messages of the workbench and of the screen, oldest first.
func (m *model) allMessages() []session.Message {
	out := slices.Concat(m.snap.Messages, m.ownMessages)
	slices.SortStableFunc(out, func(a, b session.Message) int { return a.At.Compare(b.At) })
	return out
}

// glyph is the sign and the style of a level. The sign is there because colour must
// not have a meaning alone.
func glyph(l session.Level) (string, styleID) {
	switch l {
	case session.Warning:
		return "!", styleWarn
	case session.Error:
		return "✗", styleFail
	default:
		return "•", styleText
	}
}

// drawStatus draws the line above the footer: the notice or the running apply, and the
// number of unread messages.
func (m *model) drawStatus(p pane) {
	end := p.w
	if m.unread > 0 {
		end = p.alignRight(0, 0, warning("! "+plural(m.unread, "message")+" "))
	}
	left := p.sub(0, 0, end-1, 1)
	switch {
	case m.notice.visible(m.now):
		sign, i := glyph(m.notice.Level)
		x := left.line(1, 0, span{sign + " ", i})
		left.text(x, 0, fitting(left.w-x, firstLine(m.notice.Text), m.notice.Short), styleText)
	case m.snap.Applying != nil:
		x := left.line(1, 0, plain(m.spinner()+" "))
		short := fmt.Sprintf("applying %s, %s", plural(m.applyingCount(), "change"), tenths(m.now.Sub(m.snap.Applying.Since)))
		left.text(x, 0, fitting(left.w-x, m.applyingText(), short), styleText)
	case m.snap.Comparing != nil:
		c := m.snap.Comparing
		x := left.line(1, 0, plain(m.spinner()+" "))
		short := fmt.Sprintf("A%d: comparing, %s of at most 30s", c.N, wholeSeconds(m.now.Sub(c.Since)))
		left.text(x, 0, fitting(left.w-x, m.comparingText(), short), styleText)
	}
}

// fitting is the text, or the short one if that does not fit into w cells. If none fits, it is the short one
// up to the end of a part or of a word, with the key that shows all.
func fitting(w int, text, short string) string {
	const more = "… (! shows all)"
	switch {
	case width(text) <= w:
		return text
	case short == "":
		short = text
	case width(short) <= w:
		return short
	}
	head, _ := cut(short, max(w-width(more), 1))
	end := strings.LastIndexAny(head, ";,(")
	if end < len(head)*2/3 {
		end = strings.LastIndexByte(head, ' ')
	}
	if end > 0 {
		head = head[:end]
	}
	return strings.TrimRight(head, " ;:,(") + more
}

// comparingText is how long the traffic after a change has been compared with that before it.
func (m *model) comparingText() string {
	c := m.snap.Comparing
	return fmt.Sprintf("A%d: comparing %s with the traffic before it, at most 30s", c.N, wholeSeconds(m.now.Sub(c.Since)))
}

// spinnerFrame is how long a frame of the spinner is shown.
const spinnerFrame = 100 * time.Millisecond

// spinner is the frame of the spinner for the current time. With reduced motion it does
// not move.
func (m *model) spinner() string {
	if m.ReduceMotion {
		return "…"
	}
	frames := spinner.MiniDot
	if m.ASCII {
		frames = spinner.Line
	}
	n := int(m.now.Sub(m.startedAt)/spinnerFrame) % len(frames.Frames)
	return frames.Frames[max(n, 0)]
}

// drawHeader draws the first line: model, phase, batching rule, recording, sweep, tabs.
func (m *model) drawHeader(p pane) {
	left := []span{bold("sweetspot"), plain("  "), m.modelName(), plain("  "), m.phase()}
	if 1+spansWidth(left)+m.tabsWidth() > p.w { // the names of the views say more than that of the program
		left = left[2:]
	}
	tabs := m.drawTabs(p, 1+spansWidth(left))
	x := p.sub(0, 0, tabs, 1).line(1, 0, left...)
	if wide := p.w >= wideWidth; wide && m.snap.Info.Model.Name != "" && m.snap.Info.Limits.Rule != knob.RuleUnreported {
		x = p.line(x, 0, dim("  "+m.snap.Info.Limits.Rule.Describe()))
	}
	x = p.line(x, 0, m.frozenSpans()...)
	if r := m.snap.Recording; r != nil {
		x = p.line(x, 0, span{"  ● rec " + wholeSeconds(m.now.Sub(r.Since)), styleFail})
	}
	if s := m.snap.Sweep; s != nil {
		p.sub(0, 0, tabs-2, 1).alignRight(x+2, 0, m.sweepStatus(s)...)
	}
}

func (m *model) modelName() span {
	if name := m.snap.Info.Model.Name; name != "" {
		if isSimulated(m.snap.Info.Runtime) {
			name += " (simulated)"
		}
		return plain(name)
	}
	return dim("(no model yet)")
}

// isSimulated reports whether a runtime computes nothing: a simulated backend, or the target without an engine.
func isSimulated(runtime string) bool { return runtime == "simulated" || runtime == "virtual device" }

func (m *model) phase() span {
	if m.Follow {
		return m.followState()
	}
	switch m.snap.Phase {
	case session.Starting:
		return span{m.spinner() + " starting", styleWarn}
	case session.Down:
		return span{"✗ down", styleFail}
	case session.Sweeping:
		return span{"● sweeping", styleAccent}
	case session.Serving:
		if m.isSilent() {
			return warning("! " + silentText(m.snap))
		}
	}
	return span{"● serving", stylePass}
}

// drawTabs draws a tab for each view at the right and returns the first column of the tabs. If there is no
// room for the names and the state of a sweep to the right of column left, only the open view has
// its name.
func (m *model) drawTabs(p pane, left int) int {
	need := m.tabsWidth()
	x := p.w - 1
	for v := len(viewNames) - 1; v >= int(m.firstView()); v-- {
		name := fmt.Sprintf(" %d %s ", v+1, viewNames[v])
		if left+need > p.w {
			name = fmt.Sprintf(" %d ", v+1)
		}
		i := styleDim
		if view(v) == m.view {
			name, i = fmt.Sprintf("[%d %s]", v+1, viewNames[v]), styleTab
		}
		x -= len(name)
		p.text(x, 0, name, i)
		p.sub(x, 0, len(name), 1).onClick(func() { m.view = view(v) })
	}
	return x
}

// tabsWidth is the room that the tabs with the names of the views need, and beside them the state of a sweep.
func (m *model) tabsWidth() int {
	n := 1
	for _, name := range viewNames[m.firstView():] {
		n += len(name) + len(" 1  ")
	}
	if s := m.snap.Sweep; s != nil && (m.Follow || !s.State.Ended()) {
		n += spansWidth(m.sweepStatus(s)) + 4
	}
	return n
}

// sweepStatus is the state of the sweep in a few words.
func (m *model) sweepStatus(s *session.Sweep) []span {
	text := fmt.Sprintf("sweep %v %d/%d", s.State, len(s.Trials), max(s.Total, len(s.Trials)))
	if s.State == session.Running {
		text = fmt.Sprintf("sweep %d/%d", len(s.Trials), max(s.Total, len(s.Trials)))
	}
	if m.Follow {
		text = fmt.Sprintf("%v, %s", s.State, plural(len(s.Trials), "trial"))
	}
	i := styleAccent
	switch {
	case s.State == session.Failed:
		i = styleFail
	case s.State.Ended():
		i = styleText
	case s.ETA > 0:
		text += "  ETA " + wholeSeconds(s.ETA)
	}
	return []span{{text, i}}
}
