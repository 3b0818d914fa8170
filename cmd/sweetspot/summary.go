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

// summary returns the result of a sweep in words: the verdict in the first line, and its
// reasons in the others.
func summary(p plan.Plan, info sweep.Info, st session.Sweep) []trial.Line {
	problem := ""
	if st.Problem != "" {
		problem = fmt.Sprintf(" (%s after %d trials)", st.Problem, len(st.Trials))
	}
	untried := leftOut(p, info)
	var out []trial.Line
	switch {
	case st.Choice != nil:
		why := st.Choice.Why
		why.Lines = slices.Clone(why.Lines)
		why.Add("left out", untried)
		if l := st.Trials[st.Best].Lengths; l != nil {
			why.Add("lengths", l.String())
		}
		return append([]trial.Line{{Text: chosenText(p, st, problem)}}, why.Lines...)
	case session.ExitCode(st) == exitNo:
		out = []trial.Line{{Text: fmt.Sprintf("no setting keeps %v at %v%s", p.SLA, loadText(p), problem)}, {Text: noneText(p, st)}}
	case st.Unconfirmed >= 0 && st.Unconfirmed < len(st.Trials):
		out = undecidedText(p, st, problem)
	default:
		out = unknownText(p, st, problem)
	}
	if out[len(out)-1].Text == "" {
		out = out[:len(out)-1]
	}
	if untried != "" {
		out = append(out, trial.Line{Text: "not tried: " + untried})
	}
	if text := search.OptionEffects(st.Trials, st.Unconfirmed); text != "" {
		out = append(out, trial.Line{Label: "options", Text: text})
	}
	if text := session.FP16Text(st); text != "" {
		out = append(out, trial.Line{Label: "fp16", Text: strings.TrimPrefix(text, "fp16 ")})
	}
	return out
}

// chosenText returns the verdict line of a choice: its settings, the figures of all its
// runs, and the promise with its kind of latency.
func chosenText(p plan.Plan, st session.Sweep, problem string) string {
	row := rank.RowOf(st.Trials, st.Best)
	t := row.Joined
	rate := rateText(row)
	switch r := st.Choice.Why.Replicas; {
	case r != nil:
		rate = fmt.Sprintf("%d needed for %g requests/s, %d recommended, each up to %s/s", r.Needed, r.RPS, r.Recommended, r.EachRPS.Text(1))
	case p.Question.SeeksRate():
		rate = fmt.Sprintf("highest load %g requests/s, plan for %s", t.Load.Rate, st.Choice.Why.PlanRPS.Text(1))
	}
	text := fmt.Sprintf("best: %v%s: %s, %s, within %v", st.Choice.Settings, problem, rate, t.Verdict.Describe(), p.SLA.Limit)
	switch session.UnderAllLoads(st) {
	case trial.Fail:
		text += "; not under all loads of the plan"
	case trial.Undecided:
		text += "; cannot tell for all loads of the plan"
	}
	if p.SLA.Latency == trial.ModelLatency {
		text += fmt.Sprintf("; requests took P99 %s ms", t.Latency.P99.Value.Text(1))
	}
	return text
}

// rateText formats the throughput of a row: "951.0 requests/s (930.0-960.0, 3 runs)".
func rateText(row rank.Row) string {
	e := row.Range
	text := e.Value.Text(1) + " requests/s"
	var details []string
	if e.Low.OK() && e.High.OK() {
		details = append(details, e.Low.Text(1)+"-"+e.High.Text(1))
	}
	if n := len(row.Runs); n > 1 {
		details = append(details, fmt.Sprintf("%d runs", n))
	}
	if details == nil {
		return text
	}
	return text + " (" + strings.Join(details, ", ") + ")"
}

// undecidedText returns the lines for a setting that may keep the promise, but whose
// validation is missing or undecided: which setting it is, why, and what would decide it.
func undecidedText(p plan.Plan, st session.Sweep, problem string) []trial.Line {
	row := rank.RowOf(st.Trials, st.Unconfirmed)
	t := row.Joined
	why := "it was not validated"
	if row.Validations > 0 {
		why = "its validation is undecided"
		if v := row.Verdict().Why; v != "" {
			why += ": " + v
		}
	}
	verdict := fmt.Sprintf("cannot tell%s: most promising is %v: %s, %s, to be within %v; %s",
		problem, t.Settings, rateText(row), t.Verdict.Describe(), p.SLA.Limit, why)
	cost := search.CostOf(p, trial.History{Trials: st.Trials})
	next := longerTrials(p, cost)
	if next == "" || t.GeneratorLimited {
		next = cost.HowToDecide(t)
	}
	return []trial.Line{{Text: verdict}, {Label: "next", Text: next}}
}

// longerTrials says how trials of a fixed length are made longer; "" if the plan has none.
func longerTrials(p plan.Plan, cost search.Cost) string {
	switch {
	case p.Trial.Requests > 0:
		return fmt.Sprintf("trials of this plan have %d requests: more can decide it (--requests %d or trial: requests in the plan)",
			p.Trial.Requests, max(cost.Answers, 2*p.Trial.Requests))
	case p.Trial.Duration > 0:
		return fmt.Sprintf("trials of this plan last %v: longer ones can decide it (trial: duration in the plan)", p.Trial.Duration)
	}
	return ""
}

// noneText says why no setting keeps the promise; "" if that is not known.
func noneText(p plan.Plan, st session.Sweep) string {
	if st.Impossible != "" {
		return st.Impossible
	}
	return search.ExplainNone(st.Trials, p.SLA)
}

// unknownText returns the lines for a sweep without a setting that probably keeps the
// promise, but without certainty that none does.
func unknownText(p plan.Plan, st session.Sweep, problem string) []trial.Line {
	if problem == "" && st.Untried > 0 {
		problem = fmt.Sprintf(" (%d settings that may keep it were not tried: --load-tests %d tries more)", st.Untried, 2*max(p.Budget.LoadTests, 1))
	}
	out := []trial.Line{{Text: fmt.Sprintf("cannot tell: no setting is known to keep %v at %v%s", p.SLA, loadText(p), problem)}}
	if n := len(st.Trials); n > 0 && !slices.ContainsFunc(st.Trials, func(t trial.Trial) bool { return !t.GeneratorLimited }) {
		return append(out, trial.Line{Label: "next", Text: search.LimitedAdvice(st.Trials[n-1])})
	}
	if search.AllOverLimit(st.Trials) {
		if why := search.ExplainNone(st.Trials, p.SLA); why != "" {
			return append(out, trial.Line{Text: why}) // more answers would probably not change it
		}
	}
	cost := search.CostOf(p, trial.History{Trials: st.Trials})
	more := cost.MissingAnswers(st.Trials)
	if more == "" {
		return out
	}
	if longer := longerTrials(p, cost); longer != "" {
		return append(out, trial.Line{Label: "next", Text: longer})
	}
	return append(out, trial.Line{Text: "it takes " + more})
}

// wrapLine breaks a line at this width, with a hanging indent under its label. With width 0
// it does not break the line.
func wrapLine(l trial.Line, width int) string {
	line := l.String()
	if width <= 0 {
		return line
	}
	indent := len(line) - len(l.Text)
	text := ansi.Wordwrap(l.Text, max(width-indent, 20), "")
	return line[:indent] + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", indent))
}
