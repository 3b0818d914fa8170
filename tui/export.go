package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// exportDialog previews an export, and writes it when the user confirms. Nothing is overwritten
// and no failing settings are written without a question.
type exportDialog struct {
	sources []exportSource
	source  int
	format  int // index of preview.Formats, -1 is the usual one
	path    string
	field   exportField
	typed   bool // the path was typed

	preview   session.Exported
	problem   string    // why there is no preview, or the last error
	loading   bool      // a preview is being made
	shown     time.Time // when the preview was made
	again     bool      // the fields have changed meanwhile
	confirmed bool      // enter was pressed meanwhile

	showText bool // the whole file instead of the differences
	scroller
	question string // asked before writing; "" is none
	writing  bool
}

// exportSource is something that can be exported.
type exportSource struct {
	name    string
	options session.ExportOptions
}

// exportField is a field of the dialog.
type exportField uint8

const (
	sourceField exportField = iota
	formatField
	pathField
	exportFieldCount
)

// openExport opens the dialog. The first source is selected.
func (m *model) openExport(sources ...exportSource) tea.Cmd {
	d := &exportDialog{format: -1}
	for _, s := range sources { // the best trial may be the selected one too
		known := false
		for _, o := range d.sources {
			known = known || o.options.Trial == s.options.Trial && o.options.Settings == nil && s.options.Settings == nil && o.options.Profile == s.options.Profile
		}
		if !known {
			d.sources = append(d.sources, s)
		}
	}
	m.dialog = d
	return d.load(m)
}

// export opens the export dialog for the settings in force, or in the Sweep view for those of the
// selected row.
func (m *model) export() tea.Cmd {
	var out []exportSource
	if t := m.selectedTrial(); m.view == sweepView && t != nil {
		out = append(out, trialSource(t, "trial"))
	}
	if !m.Follow {
		out = append(out, exportSource{name: "in force: " + shortSettings(m.snap.Settings)})
		if len(m.pending) > 0 {
			s := m.pendingSettings()
			out = append(out, exportSource{"pending: " + shortSettings(s), session.ExportOptions{Settings: &s}})
		}
	}
	if best := validatedBest(m.snap.Sweep); best != nil {
		out = append(out, trialSource(best, "★ best, trial"))
	}
	return m.openExport(out...)
}

func trialSource(t *trial.Trial, what string) exportSource {
	return exportSource{fmt.Sprintf("%s #%d: %s", what, t.N, shortSettings(t.Settings)), session.ExportOptions{Trial: t.N}}
}

// exportPoint opens the dialog for the selected point of the Frontier view.
func (m *model) exportPoint() tea.Cmd {
	p := m.selectedPoint()
	if from := m.frontier.profile; from != nil {
		return m.openExport(exportSource{"the choice of " + from.name, session.ExportOptions{Profile: from.path}})
	}
	if p.measured() {
		return m.openExport(trialSource(&p.row.Joined, "point "+p.label+", trial"))
	}
	s := p.settings
	return m.openExport(exportSource{"predicted only: " + shortSettings(s), session.ExportOptions{Settings: &s}})
}

// exportProfile opens the dialog for the choice of the selected profile.
func (m *model) exportProfile() tea.Cmd {
	p := m.selectedProfile()
	return m.openExport(exportSource{"the choice of " + profileName(*p), session.ExportOptions{Profile: p.Path}})
}

// options are the options of the fields.
func (d *exportDialog) options() session.ExportOptions {
	o := d.sources[d.source].options
	if d.format >= 0 && d.format < len(d.preview.Formats) {
		o.Format = d.preview.Formats[d.format]
	}
	if d.typed {
		o.Path = strings.TrimSpace(d.path)
	}
	return o
}

// load makes a preview of the fields. While one is being made, only the next one waits.
func (d *exportDialog) load(m *model) tea.Cmd {
	if d.loading {
		d.again = true
		return nil
	}
	d.loading, d.again = true, false
	o := d.options()
	o.Preview = true
	var out session.Exported
	return m.enqueue(action{
		name: "export", quiet: true,
		run: func() (session.Exported, error) {
			var err error
			out, err = m.Workbench.Export(o)
			return session.Exported{}, err
		},
		done: func(_ session.Exported, err error) { d.show(m, out, err) },
	})
}

// show shows a preview or its error.
func (d *exportDialog) show(m *model, out session.Exported, err error) {
	d.loading, d.problem, d.shown = false, "", m.now
	if err != nil {
		d.problem = firstLine(err.Error())
		d.preview = session.Exported{Formats: d.preview.Formats}
	} else {
		d.preview = out
		for i, f := range out.Formats {
			if f == out.Format {
				d.format = i
			}
		}
		if !d.typed {
			d.path = out.Path
		}
		d.from = d.firstValue()
	}
	// What is started here waits for the end of this action.
	if d.again {
		d.load(m)
		return
	}
	confirmed := d.confirmed
	d.confirmed = false
	if confirmed && d.problem == "" && m.dialog == dialog(d) {
		d.confirm(m)
	}
}

// firstValue is the first line to show: a file begins with many comments, and its values matter most.
func (d *exportDialog) firstValue() int {
	if d.showsDiff() {
		return 0
	}
	for i, l := range d.lines() {
		if l != "" && !strings.HasPrefix(l, "#") {
			return max(i-2, 0)
		}
	}
	return 0
}

func (d *exportDialog) insert(s string) {
	if d.field != pathField || d.question != "" {
		return
	}
	const longest = 300
	for _, r := range s {
		if r, n := displayRune(r); n > 0 && len([]rune(d.path)) < longest {
			d.path, d.typed, d.confirmed = d.path+string(r), true, false
		}
	}
}

func (d *exportDialog) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	if d.question != "" {
		return d.answer(m, k.String())
	}
	d.confirmed = false
	switch k.String() {
	case "esc":
		m.dialog = nil
		return nil
	case "enter":
		return d.confirm(m)
	case "tab":
		d.field = (d.field + 1) % exportFieldCount
	case "shift+tab":
		d.field = (d.field + exportFieldCount - 1) % exportFieldCount
	case "left", "right":
		return d.change(m, k.String() == "right")
	case "up", "down", "pgup", "pgdown", "home", "end":
		d.scroll(k, len(d.lines()), d.previewRows(m))
	case "backspace":
		if r := []rune(d.path); d.field == pathField && len(r) > 0 {
			d.path, d.typed = string(r[:len(r)-1]), true
			return d.load(m)
		}
	case "ctrl+u":
		if d.field == pathField {
			d.path, d.typed = "", true
			return d.load(m)
		}
	default:
		if d.field != pathField {
			d.showText = d.showText != (k.String() == "d")
			return nil
		}
		d.insert(typedText(k))
		return d.load(m)
	}
	return nil
}

// change selects the next or the previous source or format.
func (d *exportDialog) change(m *model, next bool) tea.Cmd {
	step := func(i, n int) int {
		if n == 0 {
			return i
		}
		if next {
			return (i + 1) % n
		}
		return (max(i, 0) - 1 + n) % n
	}
	switch d.field {
	case sourceField:
		d.source = step(d.source, len(d.sources))
	case formatField:
		d.format = step(d.format, len(d.preview.Formats))
	default:
		return nil
	}
	d.from = 0
	return d.load(m)
}

// maxPreviewAge is how old a preview may be when its file is written. The verdict of live traffic may be another one by then, so
// an older preview is made again first.
const maxPreviewAge = 5 * time.Second

// confirm writes the file, or asks first. While a preview is being made, it waits for that: an apply
// that takes long holds it up, and a key must not be lost.
func (d *exportDialog) confirm(m *model) tea.Cmd {
	switch {
	case d.loading:
		d.confirmed = true
		return nil
	case d.writing:
		return nil
	case d.problem != "" || m.now.Sub(d.shown) > maxPreviewAge: // the problem may be gone
		d.confirmed = true
		return d.load(m)
	case d.confirmText() != "":
		d.question = d.confirmText()
		return nil
	}
	return d.write(m)
}

// confirmText is the question before the file is written; "" if there is none.
func (d *exportDialog) confirmText() string {
	p := d.preview
	question := ""
	switch v := p.Verdict; {
	case v.Result == trial.Fail:
		question = "FAIL now: export anyway?"
	case v.Result == trial.Undecided && v.ValueMS.OK():
		question = "undecided (" + v.Label() + "): export anyway?"
	case v.Result == trial.Undecided:
		question = "not measured: export anyway?"
	}
	if p.Refused != "" {
		question = strings.TrimSuffix(p.Refused, "; --force writes it anyway") + ": export anyway?"
	}
	if d.typed && p.Exists && p.Diff != "" {
		overwrite := fmt.Sprintf("%s exists, with %s: overwrite it?", p.Path, plural(lineCount(p.Existing), "line"))
		question = strings.TrimSpace(strings.TrimSuffix(question, " export anyway?") + " " + overwrite)
	}
	return question
}

// answer handles a key while a question is asked. The safe answer is the default.
func (d *exportDialog) answer(m *model, key string) tea.Cmd {
	switch key {
	case "y":
		d.question = ""
		return d.write(m)
	case "n", "esc", "enter", "q":
		d.question = ""
	}
	return nil
}

// write writes the file. The questions about it have been answered.
func (d *exportDialog) write(m *model) tea.Cmd {
	d.writing = true
	o := d.options()
	o.Overwrite, o.Force = d.typed && d.preview.Exists, d.preview.Refused != ""
	return m.enqueue(action{
		name: "export", logged: true,
		run: func() (session.Exported, error) { return m.Workbench.Export(o) },
		done: func(_ session.Exported, err error) {
			d.writing = false
			if err != nil {
				d.problem = firstLine(err.Error())
				return
			}
			if m.dialog == dialog(d) {
				m.dialog = nil
			}
		},
	})
}
