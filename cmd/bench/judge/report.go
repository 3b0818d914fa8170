package judge

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"sweetspot/sweep/stat"
)

// The exit codes of a command that prints a Report.
const (
	ExitOK         = 0 // no figure falls short
	ExitError      = 1
	ExitFallsShort = 2 // a figure falls short
)

// Machine describes the machine, which absolute figures depend on.
type Machine struct {
	CPU     string
	Cores   int           // of the container
	System  string        // such as linux/amd64
	AA      stat.Interval // of a fixed amount of work compared with itself
	Others  Disturbance   // during that comparison
	Pinning string        // which process may use which cores
}

// Run names one run of a figure set.
type Run struct {
	Name string   // the first part of its figures' names
	Mode string   // quick or full
	Only []string // the parts that were measured; empty for all
	Seed uint64
}

// Report prints the machine line, then for each run its figures, as soon as they
// are added, and the end line. As JSON it prints one object when it is closed.
type Report struct {
	w          io.Writer
	goals      Goals
	json       bool
	doc        document
	fallsShort bool
	err        error // the first
}

// NewReport returns a report that prints to w and judges by goals.
func NewReport(w io.Writer, goals Goals, asJSON bool) *Report {
	return &Report{w: w, goals: goals, json: asJSON, doc: document{Runs: []*run{}}}
}

// document is the JSON object. Unknown values are null.
type document struct {
	Machine *machine `json:"machine"`
	Runs    []*run   `json:"runs"`
}

type machine struct {
	CPU     string   `json:"cpu"`
	Cores   int      `json:"cores"`
	System  string   `json:"system"`
	AALow   *float64 `json:"aa_low"`
	AAHigh  *float64 `json:"aa_high"`
	Steal   *float64 `json:"steal"`
	Foreign *float64 `json:"foreign"`
	Pinning string   `json:"pinning"`
}

type run struct {
	Bench   string   `json:"bench"`
	Mode    string   `json:"mode"`
	Seed    uint64   `json:"seed"`
	Seconds *float64 `json:"seconds"` // null: it did not finish
	Figures []figure `json:"figures"`

	partial bool // not all parts were measured
}

type figure struct {
	Name   string   `json:"name"`
	Value  *float64 `json:"value"`
	Unit   string   `json:"unit"`
	Goal   string   `json:"goal"`
	Status Status   `json:"status"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
	AALow  *float64 `json:"aa_low"`
	AAHigh *float64 `json:"aa_high"`
	Detail string   `json:"detail"`
}

// finiteOrNil is v, or nil for NaN and infinities, which JSON cannot represent.
func finiteOrNil(v float64) *float64 {
	if v-v != 0 {
		return nil
	}
	return &v
}

// Machine prints the machine line.
func (r *Report) Machine(m Machine) {
	r.doc.Machine = &machine{
		m.CPU, m.Cores, m.System, finiteOrNil(m.AA.Low), finiteOrNil(m.AA.High),
		finiteOrNil(m.Others.Steal), finiteOrNil(m.Others.Foreign), m.Pinning,
	}
	cores := "cores"
	if m.Cores == 1 {
		cores = "core"
	}
	r.printf("# %s, %d %s, %s, A/A %s, others %s, steal %s, %s\n", m.CPU, m.Cores, cores, m.System,
		formatInterval(m.AA), percent(m.Others.Foreign), percent(m.Others.Steal), m.Pinning)
}

// Begin starts a run. The figures added next belong to it.
func (r *Report) Begin(b Run) {
	mode := b.Mode
	if len(b.Only) > 0 {
		mode += ", only " + strings.Join(b.Only, ",")
	}
	r.doc.Runs = append(r.doc.Runs, &run{Bench: b.Name, Mode: mode, Seed: b.Seed, Figures: []figure{}, partial: len(b.Only) > 0})
}

// Add judges a figure of the run and prints its line.
func (r *Report) Add(f Figure) {
	goal := r.goals.Find(f.Name)
	line := figure{
		Name: f.Name, Value: finiteOrNil(f.Value), Unit: f.Unit, Goal: goal.String(), Status: f.Status(goal), Detail: f.Detail,
	}
	detail := f.Detail
	if f.Interval != nil {
		line.Low, line.High = finiteOrNil(f.Interval.Low), finiteOrNil(f.Interval.High)
		detail = joinDetails("95% "+formatInterval(*f.Interval), detail)
	}
	if f.AA != nil {
		line.AALow, line.AAHigh = finiteOrNil(f.AA.Low), finiteOrNil(f.AA.High)
		detail = joinDetails(detail, "A/A "+formatInterval(*f.AA))
	}
	r.fallsShort = r.fallsShort || line.Status == FallsShort
	current := r.currentRun()
	current.Figures = append(current.Figures, line)
	r.printf("%-31s %-7s %-6s %-8s %-12s (%s)\n", f.Name, Number(f.Value), f.Unit, goal, line.Status, detail)
}

// End ends the run and prints its end line. A goal of the run without a figure is
// an error, because one of the two names must be misspelt, unless only parts were measured.
func (r *Report) End(took time.Duration) {
	current := r.currentRun()
	current.Seconds = new(took.Seconds())
	var n [FallsShort + 1]int
	for _, f := range current.Figures {
		n[f.Status]++
	}
	r.printf("end %s %d figures, %d ok, %d undecided, %d falls short, %d without goal, %.0f s, %s, seed %d\n",
		current.Bench, len(current.Figures), n[OK], n[Undecided], n[FallsShort], n[NoGoal], took.Seconds(), current.Mode, current.Seed)
	for _, g := range r.goals {
		if !current.partial && strings.HasPrefix(g.Name, current.Bench+".") && !current.hasFigure(g) {
			r.setErr(fmt.Errorf("goal %s: no figure of that name", g.Name))
		}
	}
}

func (r *run) hasFigure(g Goal) bool {
	for _, f := range r.Figures {
		if g.matches(f.Name) {
			return true
		}
	}
	return false
}

func (r *Report) currentRun() *run {
	if len(r.doc.Runs) == 0 {
		panic("judge: a figure or an end before Begin")
	}
	return r.doc.Runs[len(r.doc.Runs)-1]
}

// Close prints the JSON object, if the report is JSON, and returns the first
// error of the report.
func (r *Report) Close() error {
	if r.json {
		enc := json.NewEncoder(r.w)
		enc.SetEscapeHTML(false)
		r.setErr(enc.Encode(r.doc))
	}
	return r.err
}

// Code is the exit code after Close returned no error.
func (r *Report) Code() int {
	if r.fallsShort {
		return ExitFallsShort
	}
	return ExitOK
}

func (r *Report) printf(format string, args ...any) {
	if r.json {
		return
	}
	_, err := fmt.Fprintf(r.w, format, args...)
	r.setErr(err)
}

func (r *Report) setErr(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Number formats a value with three significant digits, or all digits before the
// point if those are more, without trailing zeros. Below 1 it has three decimals,
// which suits shares and ratios; a value that would become 0 keeps three digits.
func Number(v float64) string {
	size := math.Abs(v)
	decimals := 3
	switch {
	case v-v != 0:
		return "n/a"
	case size >= 100 || size == 0:
		decimals = 0
	case size >= 10:
		decimals = 1
	case size >= 1:
		decimals = 2
	case size < .0005:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if decimals > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// formatInterval formats an interval: 0.80-0.89, -0.3 to 0.4, 0.8-open.
func formatInterval(iv stat.Interval) string {
	end := func(v float64) string {
		if math.IsNaN(v) {
			return "open"
		}
		return Number(v)
	}
	dash := "-"
	if iv.Low < 0 || iv.High < 0 {
		dash = " to "
	}
	return end(iv.Low) + dash + end(iv.High)
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return "n/a"
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}

// joinDetails joins the parts of a detail with commas. It skips empty parts.
func joinDetails(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p != "" && b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p)
	}
	return b.String()
}
