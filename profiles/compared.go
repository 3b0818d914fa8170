package profiles

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/trial"
)

// decide is the outcome of all pairs, and why: one regression is enough, and
// then one that cannot be told.
func (c Comparison) decide() (Outcome, string) {
	for _, o := range []Outcome{Regression, CannotTell} {
		var whys []string
		for _, p := range c.Pairs {
			if p.Outcome == o {
				whys = append(whys, fmt.Sprintf("trial %d: %s", p.B.Trial, p.Why))
			}
		}
		const shown = 3
		if len(whys) > shown {
			whys = append(whys[:shown], fmt.Sprintf("and %d more", len(whys)-shown))
		}
		if len(whys) > 0 {
			return o, strings.Join(whys, "; ")
		}
	}
	return NoRegression, fmt.Sprintf("nothing is worse by more than %s", percent(c.Tolerance))
}

// words say what became of the figure, when it decides something.
func (f Compared) words(tolerance float64) string {
	low, high := f.Ratio.Low, f.Ratio.High
	if f.Unit == Share {
		if !f.Ratio.Value.OK() {
			return "errors: nothing was sent"
		}
		return fmt.Sprintf("%s more of the requests fail (%s to %s)", percent(f.Ratio.Value.Or(0)), percent(low.Or(0)), percent(high.Or(0)))
	}
	way := "higher"
	worse := f.Ratio
	if f.Unit == PerSecond {
		way = "lower"
		worse = trial.Estimate{Value: f.Ratio.Value, Low: f.Ratio.High, High: f.Ratio.Low} // the far end last
	}
	if f.Outcome == Regression {
		return fmt.Sprintf("%s is %s %s (%s to %s)", f.Name, off(worse.Value), way, off(worse.Low), off(worse.High))
	}
	if !worse.High.OK() {
		return fmt.Sprintf("%s: too few answers to say how much worse it may be; longer trials would", f.Name)
	}
	return fmt.Sprintf("%s may be %s %s, and %s is tolerated; longer trials would tell", f.Name, off(worse.High), way, percent(tolerance))
}

// off is how far a ratio is from 1; "?" at an open end.
func off(r trial.Num) string {
	v, ok := r.Get()
	if !ok {
		return "?"
	}
	return percent(math.Abs(v - 1))
}

// percent is a share with two digits that count: 8.3%, 12%.
func percent(share float64) string {
	p := 100 * share
	if a := math.Abs(p); a == math.Trunc(a) || a >= 9.95 {
		return fmt.Sprintf("%.0f%%", p)
	}
	return strconv.FormatFloat(p, 'g', 2, 64) + "%"
}

// WriteComparison draws a comparison: the figures of each pair, what was left
// out, the outcome.
func WriteComparison(w io.Writer, c Comparison, s Style) error {
	t := table{columns: []column{
		{title: "A"},
		{title: "B"},
		{title: "settings", left: true, drop: 1},
		{title: "load", left: true, drop: 3},
		{title: "figure", left: true},
		{title: "in A"},
		{title: "in B"},
		{title: "B/A"},
		{title: "95%", left: true},
		{title: "change", left: true},
		{title: "regression", left: true, drop: 2},
	}}
	same, other := c.knobs()
	for _, p := range c.Pairs {
		t.rows = append(t.rows, p.rows(other)...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "A         %s\nB         %s\n", clean(c.A), clean(c.B))
	if len(c.Pairs) > 0 && len(same) > 0 {
		b.WriteString(s.line("settings  ", settings(c.Pairs[0].A.Settings, same)))
	}
	b.WriteByte('\n')
	if err := t.write(&b, s); err != nil {
		return err
	}
	b.WriteByte('\n')
	if n := len(c.Pairs); n > 1 {
		b.WriteString(s.line("", fmt.Sprintf("%d pairs: the intervals hold for all of them together", n)))
	}
	for _, u := range c.Unlike {
		b.WriteString(s.line("not alike: ", u))
	}
	for _, n := range c.Notes {
		b.WriteString(s.line("", n))
	}
	b.WriteString(s.line(c.Outcome.String()+": ", c.Why))
	_, err := io.WriteString(w, b.String())
	return err
}

// knobs are those that all trials of a comparison have at one value, and those
// that they do not. What no trial tells is left out.
func (c Comparison) knobs() (same, other []knob.Knob) {
	var all []knob.Settings
	for _, p := range c.Pairs {
		all = append(all, p.A.Settings, p.B.Settings)
	}
	for _, k := range knob.TableOf(all...) {
		if len(all) > 0 && !slices.ContainsFunc(all, func(s knob.Settings) bool { return s.Has(k.Name) }) {
			continue
		}
		values := map[string]bool{}
		for _, p := range c.Pairs {
			values[p.A.Settings.Get(k.Name)] = true
			values[p.B.Settings.Get(k.Name)] = true
		}
		if len(values) > 1 {
			other = append(other, k)
		} else {
			same = append(same, k)
		}
	}
	return same, other
}

// settings are the values of these knobs: workers 2, batch_size 8.
func settings(s knob.Settings, ks []knob.Knob) string {
	parts := make([]string, len(ks))
	for i, k := range ks {
		parts[i] = fmt.Sprintf("%s %s", k.Name, s.Display(k.Name))
	}
	return strings.Join(parts, ", ")
}

// rows are the pair's lines in the table; what they share stands in the first.
// Of the settings it shows those that differ between trials.
func (p Pair) rows(other []knob.Knob) [][]string {
	var out [][]string
	for i, f := range p.Figures {
		row := []string{"", "", "", "", f.Name + " " + string(f.Unit), Figure(f.A.Value), Figure(f.B.Value), "-", "-", string(f.Change), ""}
		if f.Unit == Share {
			row[4], row[5], row[6] = f.Name, percent(f.A.Value.Or(0)), percent(f.B.Value.Or(0))
		} else if f.Ratio.Value.OK() {
			row[7], row[8] = third(f.Ratio.Value), third(f.Ratio.Low)+"-"+third(f.Ratio.High)
		}
		if f.Judged {
			row[10] = []string{CannotTell: "?", NoRegression: "no", Regression: "YES"}[f.Outcome]
		}
		if i == 0 {
			row[0], row[1], row[2], row[3] = strconv.Itoa(p.A.Trial), strconv.Itoa(p.B.Trial), settings(p.A.Settings, other), p.Load.String()
			if p.A.Settings != p.B.Settings {
				row[2] += " -> " + settings(p.B.Settings, other)
			}
		}
		out = append(out, row)
	}
	return out
}

// third is a ratio with three decimals; "?" at an open end.
func third(n trial.Num) string {
	if !n.OK() {
		return "?"
	}
	return n.Text(3)
}

// WriteComparisonJSON writes a comparison as one JSON object.
func WriteComparisonJSON(w io.Writer, c Comparison) error { return writeJSON(w, c) }
