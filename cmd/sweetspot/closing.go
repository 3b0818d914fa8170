package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// closing is the answer in words: the verdict in its first line, and under it
// what it rests on.
func closing(p plan.Plan, info sweep.Info, st session.Sweep) []trial.Line {
	how := ""
	if st.Problem != "" {
		how = fmt.Sprintf(" (%s after %d trials)", st.Problem, len(st.Trials))
	}
	left := leftOut(p, info)
	var out []trial.Line
	switch {
	case st.Choice != nil:
		why := st.Choice.Why
		why.Lines = slices.Clone(why.Lines)
		why.Add("left out", left)
		if l := st.Trials[st.Best].Lengths; l != nil {
			why.Add("lengths", l.String())
		}
		return append([]trial.Line{{Text: chosenText(p, st, how)}}, why.Lines...)
	case session.ExitCode(st) == exitNo:
		out = []trial.Line{{Text: fmt.Sprintf("no setting keeps %v at %v%s", p.SLA, asked(p), how)}, {Text: noneText(p, st)}}
	case st.Unconfirmed >= 0 && st.Unconfirmed < len(st.Trials):
		out = openText(p, st, how)
	default:
		out = unknownText(p, st, how)
	}
	if out[len(out)-1].Text == "" {
		out = out[:len(out)-1]
	}
	if left != "" {
		out = append(out, trial.Line{Text: "not tried: " + left})
	}
	if text := search.OptionEffects(st.Trials, st.Unconfirmed); text != "" {
		out = append(out, trial.Line{Label: "options", Text: text})
	}
	if text := session.FP16Text(st); text != "" {
		out = append(out, trial.Line{Label: "fp16", Text: strings.TrimPrefix(text, "fp16 ")})
	}
	return out
}

// chosenText is the verdict line of a choice: its setting, what all its runs did
// together, and what is promised with the kind of latency that it binds.
func chosenText(p plan.Plan, st session.Sweep, how string) string {
	row := rank.RowOf(st.Trials, st.Best)
	t := row.Joined
	did := rateText(row)
	if p.Question == plan.Capacity {
		did = fmt.Sprintf("highest load %g requests/s, plan for %s", t.Load.Rate, st.Choice.Why.PlanRPS.Text(1))
	}
	text := fmt.Sprintf("best: %v%s: %s, %s, within %v", st.Choice.Settings, how, did, t.Verdict.Describe(), p.SLA.Limit)
	if p.SLA.Latency == trial.ModelLatency {
		text += fmt.Sprintf("; requests took P99 %s ms", t.Latency.P99.Value.Text(1))
	}
	return text
}

// rateText is the throughput of a row: "951.0 requests/s (930.0-960.0, 3 runs)".
func rateText(row rank.Row) string {
	e := row.Range
	text := e.Value.Text(1) + " requests/s"
	var about []string
	if e.Low.OK() && e.High.OK() {
		about = append(about, e.Low.Text(1)+"-"+e.High.Text(1))
	}
	if n := len(row.Runs); n > 1 {
		about = append(about, fmt.Sprintf("%d runs", n))
	}
	if about == nil {
		return text
	}
	return text + " (" + strings.Join(about, ", ") + ")"
}

// openText is said where a setting may keep the promise and no validation showed
// it: which one, why it was left open, and what would settle it.
func openText(p plan.Plan, st session.Sweep, how string) []trial.Line {
	row := rank.RowOf(st.Trials, st.Unconfirmed)
	t := row.Joined
	why := "it was not validated"
	if row.Validations > 0 {
		why = "its validation was left open"
		if v := row.Verdict().Why; v != "" {
			why += ": " + v
		}
	}
	verdict := fmt.Sprintf("cannot tell%s: most promising is %v: %s, %s, to be within %v; %s",
		how, t.Settings, rateText(row), t.Verdict.Describe(), p.SLA.Limit, why)
	cost := search.CostOf(p, trial.History{Trials: st.Trials})
	next := cost.HowToDecide(t)
	switch {
	case p.Trial.Requests > 0:
		next = fmt.Sprintf("trials of this plan have %d requests: more would tell (--requests %d or trial: requests in the plan)",
			p.Trial.Requests, max(cost.Answers, 2*p.Trial.Requests))
	case p.Trial.Duration > 0:
		next = fmt.Sprintf("trials of this plan last %v: longer ones would tell (trial: duration in the plan)", p.Trial.Duration)
	}
	return []trial.Line{{Text: verdict}, {Label: "next", Text: next}}
}

// noneText is why no setting keeps the promise, "" where nothing tells.
func noneText(p plan.Plan, st session.Sweep) string {
	if st.Impossible != "" {
		return st.Impossible
	}
	return search.ExplainNone(st.Trials, p.SLA)
}

// unknownText is said where no setting even looks like keeping the promise, and
// none is known not to.
func unknownText(p plan.Plan, st session.Sweep, how string) []trial.Line {
	if how == "" && st.Untried > 0 {
		how = fmt.Sprintf(" (%d settings that may keep it were not tried: --load-tests %d looks at more)", st.Untried, 2*max(p.Budget.LoadTests, 1))
	}
	out := []trial.Line{{Text: fmt.Sprintf("cannot tell: no setting is known to keep %v at %v%s", p.SLA, asked(p), how)}}
	if search.AllOverLimit(st.Trials) {
		if why := search.ExplainNone(st.Trials, p.SLA); why != "" {
			return append(out, trial.Line{Text: why}) // more answers would hardly change it
		}
	}
	if more := st.Cost.MissingAnswers(st.Trials); more != "" && p.Trial.Requests == 0 {
		out = append(out, trial.Line{Text: "it takes " + more})
	}
	return out
}

// hanging breaks a line at the width; what goes on below its label is set in under
// its text. Width 0 breaks nothing.
func hanging(l trial.Line, width int) string {
	line := l.String()
	if width <= 0 {
		return line
	}
	indent := len(line) - len(l.Text)
	text := ansi.Wordwrap(l.Text, max(width-indent, 20), "")
	return line[:indent] + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", indent))
}
