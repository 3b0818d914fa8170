package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// rows are the settings of the sweep, all runs of one under a load together, in the
// order of the table: passes first, then close calls, then failures, each with most
// throughput first. As tried, each trial is a row of its own.
func (m *model) rows() []*trial.Trial {
	s := m.snap.Sweep
	if s == nil {
		return nil
	}
	if m.inOrder {
		out := make([]*trial.Trial, len(s.Trials))
		for i := range out {
			out[i] = &s.Trials[i]
		}
		return out
	}
	var out []*trial.Trial
	for _, r := range rank.Rows(s.Trials) {
		out = append(out, standing(s, r))
	}
	best := leadOf(s)
	slices.SortStableFunc(out, func(a, b *trial.Trial) int {
		return cmp.Or(
			cmp.Compare(rankOf(a, best), rankOf(b, best)),
			-cmp.Compare(a.Throughput.Value.Or(-1), b.Throughput.Value.Or(-1)),
		)
	})
	return out
}

// standing is the trial that stands for a row, with the figures of all its runs.
func standing(s *session.Sweep, r rank.Row) *trial.Trial {
	if len(r.Runs) == 1 {
		return &s.Trials[r.Representative]
	}
	return &r.Joined
}

// rankOf is the class a row is sorted by. The sweep's own ranking knows more
// than throughput, so its best comes first.
func rankOf(t, best *trial.Trial) int {
	switch {
	case best != nil && t.N == best.N:
		return 0
	case t.Error != "":
		return 4
	case t.Verdict.Likely() == trial.Pass:
		return 1
	case t.Verdict.Likely() == trial.Undecided:
		return 2
	}
	return 3
}

// cursor is the index of the selected trial in rows.
func (m *model) cursor(rows []*trial.Trial) int {
	return max(slices.IndexFunc(rows, func(t *trial.Trial) bool { return t.N == m.pick }), 0)
}

// picked is the selected trial, or nil.
func (m *model) picked() *trial.Trial {
	rows := m.rows()
	if len(rows) == 0 {
		return nil
	}
	return rows[m.cursor(rows)]
}

func (m *model) movePick(n int) {
	rows := m.rows()
	m.pick = rows[min(max(m.cursor(rows)+n, 0), len(rows)-1)].N
}

// column is one column of the trial table. Columns of lower need go first when
// room is scarce.
type column struct {
	name  string
	width int // with the blank before it
	need  int
	text  func(t *trial.Trial) string
}

func (m *model) columns(w int) []column {
	all := []column{
		{"#", 4, 9, func(t *trial.Trial) string { return strconv.Itoa(t.N) }},
		{"wrk", 4, m.needOf(knob.Workers, 9), func(t *trial.Trial) string { return value(t.Settings, knob.Workers) }},
		{"bat", 5, m.needOf(knob.BatchSize, 9), func(t *trial.Trial) string { return value(t.Settings, knob.BatchSize) }},
		{"delay", 9, m.needOf(knob.BatchDelay, 8), delayText},
		{"FP16", 5, m.needOf(knob.FP16, 7), func(t *trial.Trial) string { return value(t.Settings, knob.FP16) }},
		{"P50", 7, 2, func(t *trial.Trial) string { return na(t.Latency.P50.Value) }},
		{"P99", 7, 9, func(t *trial.Trial) string { return na(t.Latency.P99.Value) }},
		{"±95%", 6, 6, func(t *trial.Trial) string { return plusMinus(t.Latency.P99) }},
		{"/s", 7, 9, func(t *trial.Trial) string { return na(t.Throughput.Value) }},
		{"runs", 5, 5, m.runs},
		{"range", 11, 4, func(t *trial.Trial) string { return between(t.Throughput) }},
		{"batch", 6, 3, func(t *trial.Trial) string { return t.Batches.Mean.Text(1) }},
		m.busyColumn(),
		{"err", 5, 5, func(t *trial.Trial) string { return group(errorsOf(t.Counts)) }},
	}
	if s := m.snap.Sweep; s != nil && len(s.Plan.Loads) > 1 {
		load := column{"load", 22, 8, func(t *trial.Trial) string { return t.Load.String() }}
		all = slices.Insert(all, 5, load)
	}
	all = slices.Insert(all, 5, m.ownColumns()...)
	for tableWidth(all) > w && len(all) > 0 {
		least := slices.MinFunc(all, func(a, b column) int { return cmp.Compare(a.need, b.need) })
		all = slices.DeleteFunc(all, func(c column) bool { return c.name == least.name })
	}
	return all
}

// needOf is how much a knob's column is needed: not at all where no trial tells it.
func (m *model) needOf(n knob.Name, usual int) int {
	s := m.snap.Sweep
	if s == nil || len(s.Trials) == 0 || slices.ContainsFunc(s.Trials, func(t trial.Trial) bool { return t.Settings.Has(n) }) {
		return usual
	}
	return 1
}

func delayText(t *trial.Trial) string {
	if !t.Settings.Has(knob.BatchDelay) {
		return value(t.Settings, knob.BatchDelay)
	}
	return t.Settings.Get(knob.BatchDelay) + " ms"
}

// longestColumn is the width of a column of a target's own knob at most.
const longestColumn = 16

// ownColumns are those of the target's own knobs: a trial is known by them.
func (m *model) ownColumns() []column {
	var out []column
	s := m.snap.Sweep
	for _, k := range m.knobs().Own() {
		name := ansi.Truncate(string(k.Name), longestColumn-1, "…")
		w := width(name)
		for i := 0; s != nil && i < len(s.Trials); i++ {
			w = max(w, width(s.Trials[i].Settings.Display(k.Name)))
		}
		out = append(out, column{name, min(w, longestColumn-1) + 1, 9, func(t *trial.Trial) string { return t.Settings.Display(k.Name) }})
	}
	return out
}

func (m *model) busyColumn() column {
	if hasGPU(m.snap) {
		return column{"gpu%", 6, 4, func(t *trial.Trial) string { return na(t.Use.GPU.PercentMean) }}
	}
	return column{"cpu%", 6, 4, func(t *trial.Trial) string { return na(t.Use.CPUPercent) }}
}

// runs is how many runs a row has.
func (m *model) runs(t *trial.Trial) string {
	if m.inOrder {
		return "1"
	}
	return strconv.Itoa(len(rowOf(m.snap.Sweep, t).Runs))
}

// rowOf is the row that a trial is a run of.
func rowOf(s *session.Sweep, t *trial.Trial) rank.Row {
	i := slices.IndexFunc(s.Trials, func(o trial.Trial) bool { return o.N == t.N })
	if i < 0 {
		return rank.Row{Joined: *t}
	}
	return rank.RowOf(s.Trials, i)
}

// between is an interval, or the hull of those of all runs.
func between(e trial.Estimate) string {
	if !e.Low.OK() || !e.High.OK() {
		return ""
	}
	return na(e.Low) + "-" + na(e.High)
}

const verdictWidth = 10 // "  pass? ★ "

func tableWidth(columns []column) int {
	n := 1 + verdictWidth
	for _, c := range columns {
		n += c.width
	}
	return n
}

// plusMinus is the wider half of a 95% interval, or how it is open.
func plusMinus(e trial.Estimate) string {
	v, ok := e.Value.Get()
	low, okLow := e.Low.Get()
	high, okHigh := e.High.Get()
	switch {
	case !ok:
		return "n/a"
	case !okLow || !okHigh:
		return "open"
	}
	return na(trial.NumOf(max(high-v, v-low)))
}

// drawTable is the trial table with the trial at hand as its last row. It
// returns how many rows lie below what is shown.
func (m *model) drawTable(p pane) int {
	cols := m.columns(p.w)
	x := 1
	for _, c := range cols {
		x = p.text(x, 0, fmt.Sprintf("%*s", c.width, c.name), inkDim)
	}
	p.text(x, 0, "  SLA", inkDim)
	rows := m.rows()
	room := p.h - 1
	now := m.snap.Sweep.Current
	if now != nil {
		room--
	}
	room = max(room, 0)
	at := m.cursor(rows)
	from := min(max(at-room/2, 0), max(len(rows)-room, 0))
	end := min(from+room, len(rows))
	for i, t := range rows[from:end] {
		line := p.sub(0, 1+i, p.w, 1)
		line.click(func() { m.pick = t.N })
		m.drawRow(line, cols, t, from+i == at)
	}
	if now != nil {
		text := fmt.Sprintf(" %4d %s: %s", now.N, now.Stage, settingsText(now.Point.Settings))
		if now.Point.Role == trial.RoleProbe {
			text = fmt.Sprintf(" probe %d: %s", now.N, now.Point.Reason)
		}
		p.text(0, 1+end-from, text, inkAccent)
	}
	return len(rows) - end
}

func (m *model) drawRow(p pane, cols []column, t *trial.Trial, selected bool) {
	style := inkText
	if selected {
		p.text(0, 0, "▸", inkAccent)
		style = inkBold
	}
	x := 1
	for _, c := range cols {
		text := c.text(t)
		p.sub(0, 0, x+c.width, 1).text(max(x+c.width-width(text), x+1), 0, text, style)
		x += c.width
	}
	x = p.line(x, 0, plain("  "), trialWord(t))
	if m.starred(t) {
		p.text(x, 0, " ★", inkPass)
	}
}

// trialWord is the verdict in a word, or error.
func trialWord(t *trial.Trial) span {
	if t.Error != "" {
		return span{"error", inkFail}
	}
	return span{t.Verdict.Label(), verdictInk(t.Verdict.Result)}
}

// starred tells whether a row is the best, which only a validated one can be.
func (m *model) starred(t *trial.Trial) bool {
	best := bestOf(m.snap.Sweep)
	return best != nil && best.N == t.N
}
