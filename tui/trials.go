package tui

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// rows are the rows of the table of trials that the filter shows, in the order of the table.
// Usually a row is all runs of one setting under one load.
func (m *model) rows() []*trial.Trial {
	s := m.snap.Sweep
	if s == nil {
		return nil
	}
	var out []*trial.Trial
	if m.table.perSetting() {
		for i := range m.joined {
			out = append(out, rowTrial(s, &m.joined[i]))
		}
	} else {
		for i := range s.Trials {
			out = append(out, &s.Trials[i])
		}
	}
	if m.table.filter != "" {
		out = slices.DeleteFunc(out, func(t *trial.Trial) bool { return !matches(m.table.filter, rowText(t)) })
	}
	m.table.sortRows(out)
	return out
}

// rowTrial is the trial that the table shows for a row: its values are of all runs.
func rowTrial(s *session.Sweep, r *rank.Row) *trial.Trial {
	if len(r.Runs) == 1 {
		return &s.Trials[r.Representative]
	}
	return &r.Joined
}

// rowsInOrder are the rows of a sweep by rank, as all views show them. The best row of the sweep is first, or
// without one the most promising row: it is not always that of the rank, because a validation counts more.
func rowsInOrder(s *session.Sweep) []rank.Row {
	if s == nil {
		return nil
	}
	k := rank.New(rank.RulesOf(s.Plan), s.Trials)
	rows := k.InOrder()
	first, ok := promisingRow(s)
	if !ok {
		first, ok = k.Unconfirmed()
	}
	if i := slices.IndexFunc(rows, func(r rank.Row) bool { return ok && slices.Contains(r.Runs, first.Representative) }); i > 0 {
		rows = slices.Insert(slices.Delete(rows, i, i+1), 0, first)
	}
	return rows
}

// selectedIndex is the index of the selected trial in rows.
func (m *model) selectedIndex(rows []*trial.Trial) int {
	return max(slices.IndexFunc(rows, func(t *trial.Trial) bool { return t.N == m.selectedN }), 0)
}

// selectedTrial is the trial of the selected row, or nil.
func (m *model) selectedTrial() *trial.Trial {
	rows := m.rows()
	if len(rows) == 0 {
		return nil
	}
	return rows[m.selectedIndex(rows)]
}

// moveSelection selects the row n rows further down.
func (m *model) moveSelection(n int) {
	rows := m.rows()
	if len(rows) == 0 {
		return
	}
	m.selectedN = rows[min(max(m.selectedIndex(rows)+n, 0), len(rows)-1)].N
}

// column is one column of the table of trials.
type column struct {
	name     string
	width    int // with the blank before it
	priority int // columns of low priority are left out first if not all fit
	text     func(t *trial.Trial) string
}

// columns are the columns of a table of w cells.
func (m *model) columns(w int) []column {
	all := []column{
		{"#", 4, 9, func(t *trial.Trial) string { return strconv.Itoa(t.N) }},
		{shortLabels[knob.Workers], 4, m.knobPriority(knob.Workers, 9), func(t *trial.Trial) string { return knobValue(t.Settings, knob.Workers) }},
		{shortLabels[knob.BatchSize], 5, m.knobPriority(knob.BatchSize, 9), func(t *trial.Trial) string { return knobValue(t.Settings, knob.BatchSize) }},
		{shortLabels[knob.BatchDelay], 9, m.knobPriority(knob.BatchDelay, 8), delayText},
		{shortLabels[knob.FP16], 5, m.knobPriority(knob.FP16, 7), func(t *trial.Trial) string { return knobValue(t.Settings, knob.FP16) }},
		{"P50", 7, 2, func(t *trial.Trial) string { return na(t.Latency.P50.Value) }},
		{"P99", 7, 9, func(t *trial.Trial) string { return na(t.Latency.P99.Value) }},
		m.intervalColumn(),
		{"/s", 7, 9, func(t *trial.Trial) string { return na(t.Throughput.Value) }},
		{"runs", 5, 5, m.runCount},
		{"range", 11, 4, func(t *trial.Trial) string { return estimateRange(t.Throughput) }},
		{"batch", 6, 3, func(t *trial.Trial) string { return t.Batches.Mean.Text(1) }},
		m.utilizationColumn(),
		{"err", 5, 5, func(t *trial.Trial) string { return groupDigits(errorsOf(t.Counts)) }},
	}
	if s := m.snap.Sweep; s != nil && len(s.Plan.Loads) > 1 {
		load := column{"load", 22, 8, func(t *trial.Trial) string { return t.Load.String() }}
		all = slices.Insert(all, 5, load)
	}
	if c, ok := m.promiseColumn(); ok {
		// The P99 is left out early then, and its interval would be read as that of the column before.
		all = slices.DeleteFunc(all, func(o column) bool { return o.name == c.name || o.name == intervalName })
		i := slices.IndexFunc(all, func(o column) bool { return o.name == "P99" })
		all[i].priority = 3
		all = slices.Insert(all, 5, c)
	}
	all = slices.Insert(all, 5, m.ownColumns()...)
	for tableWidth(all) > w && len(all) > 0 {
		least := 0
		for i, c := range all {
			if c.priority < all[least].priority {
				least = i
			}
		}
		all = slices.Delete(all, least, least+1) // not by name: a target's own knob may be called "batch"
	}
	return all
}

// promiseColumn is the value that the promise of the sweep limits, if it is not the P99 of all tables.
func (m *model) promiseColumn() (column, bool) {
	if m.snap.Sweep == nil {
		return column{}, false
	}
	sla := m.snap.Sweep.Plan.SLA
	name := fmt.Sprintf("P%g", sla.Percentile)
	switch {
	case sla.Latency == trial.ModelLatency:
		name = "model " + name
	case sla.Percentile == 99:
		return column{}, false
	}
	return column{name, max(len(name)+1, 7), 9, func(t *trial.Trial) string { return na(percentileOf(t, sla)) }}, true
}

// knobPriority is the priority of the column of a standard knob. It is the lowest if the
// target does not report the knob, or if the value is n/a in all trials.
func (m *model) knobPriority(n knob.Name, usual int) int {
	s := m.snap.Sweep
	untold := slices.Contains(m.snap.Info.Limits.Unreported, n)
	if s != nil && len(s.Trials) > 0 {
		untold = !slices.ContainsFunc(s.Trials, func(t trial.Trial) bool { return t.Settings.Has(n) })
	}
	if untold {
		return 1
	}
	return usual
}

func delayText(t *trial.Trial) string {
	if !t.Settings.Has(knob.BatchDelay) {
		return knobValue(t.Settings, knob.BatchDelay)
	}
	return t.Settings.Get(knob.BatchDelay) + " ms"
}

// maxOwnColumn limits the width of the column of a target's own knob.
const maxOwnColumn = 16

// ownColumns are the columns of the target's own knobs.
func (m *model) ownColumns() []column {
	var out []column
	s := m.snap.Sweep
	for _, k := range m.knobs().Own() {
		name := ansi.Truncate(string(k.Name), maxOwnColumn-1, "…")
		w := width(name)
		for i := 0; s != nil && i < len(s.Trials); i++ {
			w = max(w, width(s.Trials[i].Settings.Display(k.Name)))
		}
		out = append(out, column{name, min(w, maxOwnColumn-1) + 1, 9, func(t *trial.Trial) string { return t.Settings.Display(k.Name) }})
	}
	return out
}

func (m *model) utilizationColumn() column {
	if hasGPU(m.snap) {
		return column{"gpu%", 6, 4, func(t *trial.Trial) string { return na(t.Use.GPU.PercentMean) }}
	}
	return column{"cpu%", 6, 4, func(t *trial.Trial) string { return na(t.Use.CPUPercent) }}
}

// runCount is the number of runs of a row.
func (m *model) runCount(t *trial.Trial) string {
	if !m.table.perSetting() {
		return "1"
	}
	return strconv.Itoa(len(rowOf(m.snap.Sweep, t).Runs))
}

// rowOf is the row to which a trial belongs.
func rowOf(s *session.Sweep, t *trial.Trial) rank.Row {
	i := slices.IndexFunc(s.Trials, func(o trial.Trial) bool { return o.N == t.N })
	if i < 0 {
		return rank.Row{Joined: *t}
	}
	return rank.RowOf(s.Trials, i)
}

// estimateRange is the interval of a throughput; of a row with several runs it contains
// the intervals of all runs.
func estimateRange(e trial.Estimate) string {
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

// shortInterval is a 95% interval in few digits, rounded outwards: it does not seem to be within a limit that it reaches
// over. It is "n/a" if an end is not known.
func shortInterval(e trial.Estimate) string {
	low, okLow := e.Low.Get()
	high, okHigh := e.High.Get()
	if !okLow || !okHigh {
		return "n/a"
	}
	const noise = 1e-9 // of the product of a decimal fraction and its scale
	down, scale := fewDigits(low)
	up, scaleUp := fewDigits(high)
	return strconv.FormatFloat(math.Floor(low*scale+noise)/scale, 'f', down, 64) + "-" + strconv.FormatFloat(math.Ceil(high*scaleUp-noise)/scaleUp, 'f', up, 64)
}

// fewDigits is how many decimals a value gets: none from 10 on, at most two; and the power of ten of that.
func fewDigits(v float64) (decimals int, scale float64) {
	for decimals < 2 && v*math.Pow10(decimals) < 10 {
		decimals++
	}
	return decimals, math.Pow10(decimals)
}

// intervalColumn is the 95% interval of the P99. It is not written as ± its half, because it is often skewed.
func (m *model) intervalColumn() column {
	w := width(intervalName)
	if s := m.snap.Sweep; s != nil {
		for i := range s.Trials {
			w = max(w, width(shortInterval(s.Trials[i].Latency.P99)))
		}
	}
	return column{intervalName, w + 1, 6, func(t *trial.Trial) string { return shortInterval(t.Latency.P99) }}
}

const intervalName = "95%"

// drawTable draws the table of trials, the current trial as its last row, and in the border of its box the position.
func (m *model) drawTable(p, box pane) {
	cols := m.columns(p.w)
	x := 1
	for _, c := range cols {
		x = p.text(x, 0, fmt.Sprintf("%*s", c.width, c.name), styleDim)
	}
	p.text(x, 0, "  SLA", styleDim)
	rows := m.rows()
	if len(rows) == 0 && m.table.filter != "" {
		p.text(1, 1, "no row matches "+m.table.filter+": / changes the filter", styleWarn)
	}
	avail := p.h - 1
	current := m.snap.Sweep.Current
	if current != nil {
		avail--
	}
	avail = max(avail, 0)
	selected := m.selectedIndex(rows)
	from := min(max(selected-avail/2, 0), max(len(rows)-avail, 0))
	end := min(from+avail, len(rows))
	for i, t := range rows[from:end] {
		line := p.sub(0, 1+i, p.w, 1)
		line.onClick(func() { m.selectedN = t.N })
		m.drawRow(line, cols, t, from+i == selected)
	}
	if current != nil {
		text := fmt.Sprintf(" %4d %s: %s", current.N, current.Stage, settingsText(current.Point.Settings))
		if current.Point.Role == trial.RoleProbe {
			text = fmt.Sprintf(" %s: %s", currentName(current), current.Point.Reason)
		}
		p.text(0, 1+end-from, text, styleAccent)
	}
	var why []span
	if len(rows) > 0 {
		if text := undecidedWhy(rows[selected]); text != "" {
			why = append(why, plain(fmt.Sprintf("#%d ", rows[selected].N)), verdictSpan(rows[selected]), dim(" "+text))
		}
	}
	box.position(selected, len(rows), avail, why...)
}

// undecidedWhy is why the verdict of a row is undecided; "" if it is not.
func undecidedWhy(t *trial.Trial) string {
	if t.Error != "" || t.Verdict.Result != trial.Undecided {
		return ""
	}
	return t.Verdict.Why
}

// leastNote is the width from which the reason of an undecided verdict is shown beside it.
const leastNote = 16

func (m *model) drawRow(p pane, cols []column, t *trial.Trial, selected bool) {
	style := styleText
	if selected {
		p.text(0, 0, "▸", styleAccent)
		style = styleBold
	}
	x := 1
	for _, c := range cols {
		text := c.text(t)
		p.sub(0, 0, x+c.width, 1).text(max(x+c.width-width(text), x+1), 0, text, style)
		x += c.width
	}
	x = p.line(x, 0, plain("  "), verdictSpan(t))
	if m.isBest(t) {
		p.text(x, 0, " ★", stylePass)
	}
	if p.w-x-2 >= leastNote {
		p.text(x+2, 0, undecidedWhy(t), styleDim)
	}
}

// verdictSpan is the verdict of a trial in one word, or "error".
func verdictSpan(t *trial.Trial) span {
	if t.Error != "" {
		return span{"error", styleFail}
	}
	return span{t.Verdict.Label(), verdictStyle(t.Verdict.Result)}
}

// isBest reports whether a row is the best. Only a validated row can be the best.
func (m *model) isBest(t *trial.Trial) bool {
	best := validatedBest(m.snap.Sweep)
	return best != nil && best.N == t.N
}
