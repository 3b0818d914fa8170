package report

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// markdown writes report.md in the structure of the suite: a title with the hardware, a date, a
// version, and for each plan a heading and a table with all columns of ab_report.csv. Before the
// table it has what the suite does not have: the promise, the recommendation with its reasons, and
// the rows in their order.
func (ss sections) markdown(w io.Writer) error {
	var b strings.Builder
	title := "TorchServe Benchmark on " + hardware(ss)
	fmt.Fprintf(&b, "%s\n%s\n\n", title, strings.Repeat("=", len(title)))
	if len(ss) > 0 {
		h := ss[0].profile.Header
		fmt.Fprintf(&b, "# Date: %s\n\n# TorchServe Version: %s\n\n", h.Created.UTC().Format("2006-01-02 15:04:05"), ss[0].server())
	}
	for i := range ss {
		ss[i].writeMarkdown(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// server says what was measured, where the suite has the version of TorchServe.
func (s *section) server() string {
	by := "measured by " + s.profile.Header.Tool
	if t := s.plan.Target; t == "local" || t == "virtual" {
		return "none, the engine of " + s.profile.Header.Tool
	}
	return "that of the server, " + by
}

func (s *section) writeMarkdown(b *strings.Builder) {
	h := s.profile.Header
	fmt.Fprintf(b, "## %s\n\n", s.group())
	for _, f := range [][2]string{
		{"Answer", s.answer()}, {"Promise", s.promise()}, {"Model", h.Model.Source}, {"Machine", h.Machine.String()}, {"Profile", h.ID},
	} {
		fmt.Fprintf(b, "- %s: %s\n", f[0], escapeCell(f[1]))
	}
	for _, l := range s.explanation() {
		fmt.Fprintf(b, "- %s\n", escapeCell(strings.TrimSpace(l.Label+": "+l.Text)))
	}
	b.WriteString("\n### Settings, best first\n\n")
	writeTable(b, append([][]string{s.orderTitles()}, s.orderRows(s.rows)...))
	b.WriteString("\n### All columns\n\n")
	rows := [][]string{append([]string{"version"}, abTitles()...)}
	for _, r := range s.byTrial {
		cells := append([]string{h.Tool}, abRow(s, r)...)
		for i := range cells {
			if cells[i] == notMeasured {
				cells[i] = "n/a"
			}
		}
		rows = append(rows, cells)
	}
	writeTable(b, rows)
	b.WriteString("\n")
}

// orderTitles are the titles of the table of rows, best first: the varied knobs and the figures that
// decide.
func (s *section) orderTitles() []string {
	titles := []string{"", "verdict"}
	for _, k := range s.varied {
		titles = append(titles, knobTitle(k))
	}
	if len(s.loads()) > 1 {
		titles = append(titles, "load")
	}
	return append(titles, "requests/s", s.percentileTitle(), "errors", "batch")
}

// knobTitle is the name of a knob in tables.
func knobTitle(k knob.Knob) string { return cmp.Or(k.Label, string(k.Name)) }

// percentileTitle is the title of the column of the percentile that the promise limits.
func (s *section) percentileTitle() string {
	if !s.hasSLA {
		return "P99 ms"
	}
	return fmt.Sprintf("P%g of %s ms", s.sla.Percentile, s.sla.Latency)
}

// orderRows are the rows of that table; the first column marks the choice.
func (s *section) orderRows(rows []rank.Row) [][]string {
	var out [][]string
	loads := len(s.loads()) > 1
	for i, r := range rows {
		t, v := r.Joined, r.Verdict()
		label := v.Label()
		if r.Validated {
			label += ", validated"
		}
		cells := []string{"", label}
		if s.choice >= 0 && i == s.choice {
			cells[0] = "->"
		}
		for _, k := range s.varied {
			cells = append(cells, t.Settings.Display(k.Name))
		}
		if loads {
			cells = append(cells, t.Load.String())
		}
		out = append(out, append(cells, withInterval(t.Throughput.Value, t.Throughput.Low, t.Throughput.High),
			withInterval(v.ValueMS, v.LowMS, v.HighMS), errorCell(r), figure(t.Batches.Mean)))
	}
	return out
}

// withInterval formats a figure and its interval.
func withInterval(value, low, high trial.Num) string {
	if ends := interval(low, high); ends != "" {
		return figure(value) + " (" + ends + ")"
	}
	return figure(value)
}

// errorCell is the share of requests without a valid answer.
func errorCell(r rank.Row) string {
	v, ok := r.Joined.Counts.ErrorRate().Get()
	if !ok {
		return "n/a"
	}
	return strconv.FormatFloat(100*v, 'g', 2, 64) + "%"
}

// writeTable writes a Markdown table with centred cells, as the suite does. The first row has the
// titles.
func writeTable(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		for _, cell := range row {
			fmt.Fprintf(b, "| %s ", escapeCell(cell))
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("| :---: ", len(row)) + "|\n")
		}
	}
}

// escapeCell keeps a text in its cell.
func escapeCell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(s)
}
