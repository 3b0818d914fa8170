package profiles

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/sweep/trial"
)

// Style says how a text is formatted. The zero value is for pipes and files.
type Style struct {
	Width int  // columns of the terminal; 0 is no limit
	Bold  bool // titles of tables in bold

	Trials bool // one row per trial, instead of one per setting
}

// wrap returns head and text without control characters. A text that is wider than the
// terminal is broken between words, and its other lines are indented to its beginning.
func (s Style) wrap(head, text string) string {
	head, text = printable(head), printable(text)
	if s.Width <= 0 {
		return head + text + "\n"
	}
	const minWidth = 20 // of the text, in columns
	indent := ansi.StringWidth(head)
	text = ansi.Wrap(text, max(minWidth, s.Width-indent), "")
	return head + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", indent)) + "\n"
}

// column is one column of a table.
type column struct {
	title string
	left  bool // aligned left; columns of numbers are aligned right
	drop  int  // columns with higher values are hidden first if the terminal is too narrow; 0 is never hidden
}

// table is a table with a line of titles. Its columns are separated by two blanks.
type table struct {
	columns []column
	rows    [][]string
}

// write writes the columns that fit, and names the hidden ones. If the table is still too
// wide, the lines are truncated.
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
		b.WriteString(s.wrap("", fmt.Sprintf("%d columns wide: not shown: %s", s.Width, strings.Join(hidden, ", "))))
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

// widths returns the widths of the columns.
func (t table) widths() []int {
	out := make([]int, len(t.columns))
	for i, c := range t.columns {
		out[i] = ansi.StringWidth(c.title)
		for _, row := range t.rows {
			out[i] = max(out[i], ansi.StringWidth(printable(row[i])))
		}
	}
	return out
}

// hide sets the widths of the hidden columns to -1 and returns their titles. Columns with
// the same value in all rows are hidden first, and their values are returned too. The
// last column may be truncated, so that only its title must fit.
func (t table) hide(widths []int, limit int) (hidden []string) {
	for limit > 0 && t.minWidth(widths) > limit {
		next, highest := -1, 0
		for i, c := range t.columns {
			r := c.drop
			if r > 0 && t.constant(i) {
				r += len(t.columns)
			}
			if widths[i] >= 0 && r > highest {
				next, highest = i, r
			}
		}
		if next < 0 {
			break
		}
		widths[next] = -1
		if name := t.hiddenName(next); name != "" {
			hidden = append(hidden, name)
		}
	}
	return hidden
}

// hiddenName returns the title of a hidden column, with its value if all rows have the same
// value; "" if the column is empty.
func (t table) hiddenName(i int) string {
	name := t.columns[i].title
	if !t.constant(i) {
		return name
	}
	value := printable(t.rows[0][i])
	if value == "" {
		return ""
	}
	return name + " (always " + value + ")"
}

// minWidth returns the minimum width of the columns that are not hidden.
func (t table) minWidth(widths []int) (total int) {
	for i, c := range t.columns {
		switch {
		case widths[i] < 0:
		case i == len(widths)-1:
			total += min(widths[i], max(8, ansi.StringWidth(c.title)))
		default:
			total += widths[i] + 2
		}
	}
	return total
}

// constant reports whether column i has the same value in all rows, and there are several
// rows.
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
		text = printable(text)
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

// printable removes escape sequences from a text, and replaces control characters by blanks.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 {
			return ' '
		}
		return r
	}, ansi.Strip(s))
}

// FormatFigure formats a number with three or four significant digits.
func FormatFigure(n trial.Num) string {
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

// plusMinus formats a figure with half the width of its interval: 528.2 ±9.05.
func plusMinus(e trial.Estimate) string {
	low, okLow := e.Low.Get()
	high, okHigh := e.High.Get()
	if !okLow || !okHigh {
		return FormatFigure(e.Value)
	}
	return FormatFigure(e.Value) + " ±" + FormatFigure(trial.NumOf((high-low)/2))
}

// FormatInterval formats a figure with its interval: 41.2 (39.4-43.1); with an open end:
// 41.2 (from 39.4), 41.2 (up to 43.1).
func FormatInterval(e trial.Estimate) string {
	low, high := e.Low.OK(), e.High.OK()
	switch {
	case low && high:
		return fmt.Sprintf("%s (%s-%s)", FormatFigure(e.Value), FormatFigure(e.Low), FormatFigure(e.High))
	case low:
		return fmt.Sprintf("%s (from %s)", FormatFigure(e.Value), FormatFigure(e.Low))
	case high:
		return fmt.Sprintf("%s (up to %s)", FormatFigure(e.Value), FormatFigure(e.High))
	}
	return FormatFigure(e.Value)
}

// LatencyCell formats the P99 of the request latency of a trial with its interval. If the
// promise is on that percentile, the verdict bounds an open end: a pass within 25 ms gives
// "up to 25".
func LatencyCell(t trial.Trial) string {
	e, v := t.Latency.P99, t.Verdict
	if !e.Value.OK() || v.Percentile != 99 || v.Latency != trial.RequestLatency || e.Low.OK() && e.High.OK() {
		return FormatInterval(e)
	}
	switch {
	case v.Result == trial.Pass && !e.High.OK():
		return fmt.Sprintf("%s (up to %g)", FormatFigure(e.Value), v.LimitMS)
	case v.Result == trial.Fail && !e.Low.OK() && e.Value.Or(0) > v.LimitMS:
		return fmt.Sprintf("%s (over %g)", FormatFigure(e.Value), v.LimitMS)
	}
	return FormatInterval(e)
}
