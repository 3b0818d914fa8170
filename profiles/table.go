package profiles

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/sweep/trial"
)

// Style is how a text is drawn. The zero value is for pipes and files.
type Style struct {
	Width int  // cells of the terminal; 0 is no limit
	Bold  bool // heads of tables in bold; never the only sign of anything

	Trials bool // every trial in a line of its own, where runs of a setting would be joined
}

// line is head and text, made safe to draw. What is wider than the terminal goes
// on below the beginning of the text, between words.
func (s Style) line(head, text string) string {
	head, text = clean(head), clean(text)
	if s.Width <= 0 {
		return head + text + "\n"
	}
	const least = 20 // cells, or it would be a column of syllables
	indent := ansi.StringWidth(head)
	text = ansi.Wrap(text, max(least, s.Width-indent), "")
	return head + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", indent)) + "\n"
}

// column is one column of a table.
type column struct {
	title string
	left  bool // aligned left; numbers are not
	drop  int  // the higher, the earlier it goes when the width is short; 0 stays
}

// table draws rows under heads, two blanks apart.
type table struct {
	columns []column
	rows    [][]string
}

// write draws what fits and says what did not: columns go by their drop, then
// the last one is cut.
func (t table) write(w io.Writer, s Style) error {
	widths := t.widths()
	hidden := t.hide(widths, s.Width)
	var b strings.Builder
	for i, row := range append([][]string{t.titles()}, t.rows...) {
		line := t.line(row, widths)
		if s.Width > 0 {
			line = ansi.Truncate(line, s.Width, "…")
		}
		if i == 0 && s.Bold {
			line = "\x1b[1m" + line + "\x1b[m"
		}
		b.WriteString(line + "\n")
	}
	if len(hidden) > 0 {
		b.WriteString(s.line("", fmt.Sprintf("%d columns wide: not shown: %s", s.Width, strings.Join(hidden, ", "))))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t table) titles() []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = c.title
	}
	return out
}

// widths are the columns' widths in cells.
func (t table) widths() []int {
	out := make([]int, len(t.columns))
	for i, c := range t.columns {
		out[i] = ansi.StringWidth(c.title)
		for _, row := range t.rows {
			out[i] = max(out[i], ansi.StringWidth(clean(row[i])))
		}
	}
	return out
}

// hide sets the widths of columns that have to go to -1 and names them. A column
// that says the same in every row goes first, and its value is named too. The
// last column may be cut, so it needs to show only its head.
func (t table) hide(widths []int, limit int) (hidden []string) {
	for limit > 0 && t.need(widths) > limit {
		victim, rank := -1, 0
		for i, c := range t.columns {
			r := c.drop
			if r > 0 && t.constant(i) {
				r += len(t.columns)
			}
			if widths[i] >= 0 && r > rank {
				victim, rank = i, r
			}
		}
		if victim < 0 {
			break
		}
		widths[victim] = -1
		if name := t.named(victim); name != "" {
			hidden = append(hidden, name)
		}
	}
	return hidden
}

// named is the head of a column that is not shown, with its value if that is one
// for all rows; "" if there is nothing in it.
func (t table) named(i int) string {
	name := t.columns[i].title
	if !t.constant(i) {
		return name
	}
	value := clean(t.rows[0][i])
	if value == "" {
		return ""
	}
	return name + " (always " + value + ")"
}

// need is the least width of the columns not hidden.
func (t table) need(widths []int) (cells int) {
	for i, c := range t.columns {
		switch {
		case widths[i] < 0:
		case i == len(widths)-1:
			cells += min(widths[i], max(8, ansi.StringWidth(c.title)))
		default:
			cells += widths[i] + 2
		}
	}
	return cells
}

// constant tells whether column i has one value, in several rows.
func (t table) constant(i int) bool {
	for _, row := range t.rows {
		if row[i] != t.rows[0][i] {
			return false
		}
	}
	return len(t.rows) > 1
}

func (t table) line(row []string, widths []int) string {
	var cells []string
	for i, text := range row {
		if widths[i] < 0 {
			continue
		}
		text = clean(text)
		pad := strings.Repeat(" ", max(0, widths[i]-ansi.StringWidth(text)))
		if t.columns[i].left {
			text += pad
		} else {
			text = pad + text
		}
		cells = append(cells, text)
	}
	return strings.TrimRight(strings.Join(cells, "  "), " ")
}

// clean makes a text from a file safe to draw: one line, no escapes.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 {
			return ' '
		}
		return r
	}, ansi.Strip(s))
}

// Figure formats a number with three to four digits that count.
func Figure(n trial.Num) string {
	v, ok := n.Get()
	if !ok {
		return "-"
	}
	switch a := math.Abs(v); {
	case a < 9.995:
		return fmt.Sprintf("%.2f", v)
	case a < 999.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// plusMinus is a figure with half its interval: 528.2 ±9.05.
func plusMinus(e trial.Estimate) string {
	low, okLow := e.Low.Get()
	high, okHigh := e.High.Get()
	if !okLow || !okHigh {
		return Figure(e.Value)
	}
	return Figure(e.Value) + " ±" + Figure(trial.NumOf((high-low)/2))
}

// Interval is a figure with its interval, 41.2 (39.4-43.1); an open end is said.
func Interval(e trial.Estimate) string {
	low, high := e.Low.OK(), e.High.OK()
	switch {
	case low && high:
		return fmt.Sprintf("%s (%s-%s)", Figure(e.Value), Figure(e.Low), Figure(e.High))
	case low:
		return fmt.Sprintf("%s (from %s)", Figure(e.Value), Figure(e.Low))
	case high:
		return fmt.Sprintf("%s (up to %s)", Figure(e.Value), Figure(e.High))
	}
	return Figure(e.Value)
}

// LatencyCell is a trial's P99 of request latency with its interval. Where that is
// what the verdict is about, an open end reads as the verdict bounds it: it says
// "at most 25" of a pass within 25 ms.
func LatencyCell(t trial.Trial) string {
	e, v := t.Latency.P99, t.Verdict
	if !e.Value.OK() || v.Percentile != 99 || v.Latency != trial.RequestLatency || e.Low.OK() && e.High.OK() {
		return Interval(e)
	}
	switch {
	case v.Result == trial.Pass && !e.High.OK():
		return fmt.Sprintf("%s (up to %g)", Figure(e.Value), v.LimitMS)
	case v.Result == trial.Fail && !e.Low.OK() && e.Value.Or(0) > v.LimitMS:
		return fmt.Sprintf("%s (over %g)", Figure(e.Value), v.LimitMS)
	}
	return Interval(e)
}
