package tui

import (
	"cmp"
	"slices"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/trial"
)

// rowOrder is the order of the rows of a table of trials.
type rowOrder uint8

const (
	orderByRank       rowOrder = iota // that of rowsInOrder
	orderByThroughput                 // descending
	orderByPercentile                 // ascending
	orderByWorkers                    // ascending, then by batch size
	everyTrial                        // a row for every trial, in the order of measurement
	orderCount
)

var orderNames = [orderCount]string{"by rank", "by throughput", "by P99", "by settings", "every trial, in order"}

// sidePanel is what the Sweep view shows beside its table, or over it in a small terminal.
type sidePanel uint8

const (
	defaultPanel sidePanel = iota // the scatter chart in the wide layout, nothing in others
	breakdownPanel
	scatterPanel
	sidePanelCount
)

// tableState is the state of the table of trials.
type tableState struct {
	order  rowOrder
	filter string
	side   sidePanel
}

// perSetting reports whether a row of the table has all runs of a setting.
func (s tableState) perSetting() bool { return s.order != everyTrial }

// sortRows sorts rows in place that are in the order of rank, or of measurement.
func (s tableState) sortRows(rows []*trial.Trial) {
	descending := func(n trial.Num) float64 { return -n.Or(-1) }
	key := map[rowOrder]func(a, b *trial.Trial) int{
		orderByThroughput: func(a, b *trial.Trial) int {
			return cmp.Compare(descending(a.Throughput.Value), descending(b.Throughput.Value))
		},
		orderByPercentile: func(a, b *trial.Trial) int {
			const last = 1e300
			return cmp.Compare(a.Latency.P99.Value.Or(last), b.Latency.P99.Value.Or(last))
		},
		orderByWorkers: func(a, b *trial.Trial) int {
			x, y := a.Settings, b.Settings
			return cmp.Or(
				cmp.Compare(x.Workers, y.Workers), cmp.Compare(x.BatchSize, y.BatchSize),
				cmp.Compare(x.BatchDelay, y.BatchDelay), cmp.Compare(x.Precision, y.Precision), x.Own.Compare(y.Own),
			)
		},
	}[s.order]
	if key != nil {
		slices.SortStableFunc(rows, key)
	}
}

// rowText is the text of a row for the filter: "w2 b8 d5 workers 2 batch 8 ... pass".
func rowText(t *trial.Trial) string {
	verdict := t.Verdict.Label()
	if t.Error != "" {
		verdict = "error"
	}
	return shortSettings(t.Settings) + " " + settingsText(t.Settings) + " " + t.Load.String() + " " + verdict
}

func (m *model) nextOrder() tea.Cmd {
	m.table.order = (m.table.order + 1) % orderCount
	return nil
}

// nextSidePanel shows the next panel. In the wide layout there is always one.
func (m *model) nextSidePanel() tea.Cmd {
	m.table.side = (m.table.side + 1) % sidePanelCount
	if sizeClassOf(m.w, m.h) == wide && m.table.side == scatterPanel {
		m.table.side = defaultPanel
	}
	return nil
}

// filterDialog changes a filter while it is typed. The view stays visible.
type filterDialog struct {
	text  *string
	shown func() (n, of int) // rows that match, of how many
}

func (m *model) openFilter() tea.Cmd {
	m.dialog = &filterDialog{&m.table.filter, func() (int, int) {
		f := m.table.filter
		n := len(m.rows())
		m.table.filter = ""
		all := len(m.rows())
		m.table.filter = f
		return n, all
	}}
	return nil
}

func (d *filterDialog) insert(s string) {
	const longest = 40
	for _, r := range s {
		if r, n := displayRune(r); n == 1 && len(*d.text) < longest {
			*d.text += string(r)
		}
	}
}

func (d *filterDialog) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		*d.text = ""
		m.dialog = nil
	case "enter":
		m.dialog = nil
	case "backspace":
		if r := []rune(*d.text); len(r) > 0 {
			*d.text = string(r[:len(r)-1])
		}
	case "ctrl+u":
		*d.text = ""
	default:
		d.insert(typedText(k))
	}
	return nil
}

func (d *filterDialog) draw(m *model, p pane) {
	f := frameLayoutOf(m.w, m.h)
	line := p.at(f.status)
	line.clear()
	n, of := d.shown()
	x := line.line(1, 0, span{"/", styleAccent}, plain(*d.text), span{" ", styleTab})
	line.line(x, 0, dim("  "+groupDigits(n)+" of "+plural(of, "row")+"   "), bold("enter"), dim(" keeps it  "), bold("esc"), dim(" shows all"))
}
