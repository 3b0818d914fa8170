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

// decide returns the outcome of all pairs and its reason: a regression if one pair is a
// regression, else cannot tell if one pair is that.
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

// describe says how the figure changed, for the reason of an outcome.
func (f Compared) describe(tolerance float64) string {
	low, high := f.Ratio.Low, f.Ratio.High
	if f.Unit == Share {
		if !f.Ratio.Value.OK() {
			return "errors: nothing was sent"
		}
		return fmt.Sprintf("%s more of the requests fail (%s to %s)", percent(f.Ratio.Value.Or(0)), percent(low.Or(0)), percent(high.Or(0)))
	}
	direction := "higher"
	worse := f.Ratio
	if f.Unit == PerSecond {
		direction = "lower"
		worse = trial.Estimate{Value: f.Ratio.Value, Low: f.Ratio.High, High: f.Ratio.Low} // the end that is worse is High
	}
	if f.Outcome == Regression {
		return fmt.Sprintf("%s is %s %s (%s to %s)", f.Name, deviation(worse.Value), direction, deviation(worse.Low), deviation(worse.High))
	}
	if !worse.High.OK() {
		return fmt.Sprintf("%s: too few answers to say how much worse it may be; use longer trials", f.Name)
	}
	advice := "longer trials can decide it"
	if tolerance == 0 { // equal values have no interval that ends at 1
		advice = "a tolerance above 0 can decide it"
	}
	return fmt.Sprintf("%s may be %s %s, and %s is tolerated; %s", f.Name, deviation(worse.High), direction, percent(tolerance), advice)
}

// deviation formats the distance of a ratio from 1; "?" is an open end.
func deviation(r trial.Num) string {
	v, ok := r.Get()
	if !ok {
		return "?"
	}
	return percent(math.Abs(v - 1))
}

// percent formats a share with two significant digits: 8.3%, 12%.
func percent(share float64) string {
	p := 100 * share
	if a := math.Abs(p); a == math.Trunc(a) || a >= 9.95 {
		return fmt.Sprintf("%.0f%%", p)
	}
	return strconv.FormatFloat(p, 'g', 2, 64) + "%"
}

// WriteComparison writes a comparison as text: the figures of each pair, what was left out,
// and the outcome.
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
	equal, different := c.knobs()
	for _, p := range c.Pairs {
		t.rows = append(t.rows, p.rows(different)...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "A         %s\nB         %s\n", printable(c.A), printable(c.B))
	if len(c.Pairs) > 0 && len(equal) > 0 {
		b.WriteString(s.wrap("settings  ", settings(c.Pairs[0].A.Settings, equal)))
	}
	b.WriteByte('\n')
	if err := t.write(&b, s); err != nil {
		return err
	}
	b.WriteByte('\n')
	if n := len(c.Pairs); n > 1 {
		b.WriteString(s.wrap("", fmt.Sprintf("%d pairs: the intervals hold for all of them together", n)))
	}
	for _, d := range c.Differences {
		b.WriteString(s.wrap("not comparable: ", d))
	}
	for _, n := range c.Notes {
		b.WriteString(s.wrap("", n))
	}
	b.WriteString(s.wrap(c.Outcome.String()+": ", c.Why))
	_, err := io.WriteString(w, b.String())
	return err
}

// knobs returns the knobs whose value is equal in all trials of a comparison, and those
// with different values. A knob that no trial knows is left out.
func (c Comparison) knobs() (equal, different []knob.Knob) {
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
			different = append(different, k)
		} else {
			equal = append(equal, k)
		}
	}
	return equal, different
}

// settings formats the values of these knobs: workers 2, batch_size 8.
func settings(s knob.Settings, ks []knob.Knob) string {
	parts := make([]string, len(ks))
	for i, k := range ks {
		parts[i] = fmt.Sprintf("%s %s", k.Name, s.Display(k.Name))
	}
	return strings.Join(parts, ", ")
}

// rows returns the rows of the pair in the table. Trials, settings and load are only in
// the first. different are the knobs to show.
func (p Pair) rows(different []knob.Knob) [][]string {
	var out [][]string
	for i, f := range p.Figures {
		row := []string{"", "", "", "", f.Name + " " + string(f.Unit), FormatFigure(f.A.Value), FormatFigure(f.B.Value), "-", "-", string(f.Change), ""}
		if f.Unit == Share {
			row[4], row[5], row[6] = f.Name, percent(f.A.Value.Or(0)), percent(f.B.Value.Or(0))
		} else if f.Ratio.Value.OK() {
			row[7], row[8] = decimals(f.Ratio.Value), decimals(f.Ratio.Low)+"-"+decimals(f.Ratio.High)
		}
		if f.Judged {
			row[10] = []string{CannotTell: "?", NoRegression: "no", Regression: "YES"}[f.Outcome]
		}
		if i == 0 {
			row[0], row[1], row[2], row[3] = strconv.Itoa(p.A.Trial), strconv.Itoa(p.B.Trial), settings(p.A.Settings, different), p.Load.String()
			if p.A.Settings != p.B.Settings {
				row[2] += " -> " + settings(p.B.Settings, different)
			}
		}
		out = append(out, row)
	}
	return out
}

// decimals formats a ratio with three decimals; "?" is an open end.
func decimals(n trial.Num) string {
	if !n.OK() {
		return "?"
	}
	return n.Text(3)
}

// WriteComparisonJSON writes a comparison as one JSON object.
func WriteComparisonJSON(w io.Writer, c Comparison) error { return writeJSON(w, c) }
