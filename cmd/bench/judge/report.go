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
	ExitFine  = 0 // nothing falls short
	ExitError = 1
	ExitShort = 2 // something falls short
)

// Machine is what absolute figures depend on.
type Machine struct {
	CPU     string
	Cores   int           // the container's
	System  string        // such as linux/amd64
	AA      stat.Interval // a fixed piece of work against itself
	Others  Disturbance   // meanwhile
	Pinning string        // which process may run where
}

// Run names one run of a figure set.
type Run struct {
	Name string // the first part of its figures' names
	Mode string // quick, full
	Seed uint64
}

// Report prints figures as they come: the machine line, then for each run its
// figures and the end line; or, as JSON, one object when it is closed.
type Report struct {
	w     io.Writer
	goals Goals
	json  bool
	doc   document
	short bool
	err   error // the first
}

// NewReport prints to w, and judges by goals.
func NewReport(w io.Writer, goals Goals, asJSON bool) *Report {
	return &Report{w: w, goals: goals, json: asJSON, doc: document{Runs: []*run{}}}
}

// document is the JSON form. What is not known is null.
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

// known is v, or nil for what JSON cannot hold.
func known(v float64) *float64 {
	if v-v != 0 {
		return nil
	}
	return &v
}

// Machine prints the machine line.
func (r *Report) Machine(m Machine) {
	r.doc.Machine = &machine{
		m.CPU, m.Cores, m.System, known(m.AA.Low), known(m.AA.High),
		known(m.Others.Steal), known(m.Others.Foreign), m.Pinning,
	}
	cores := "cores"
	if m.Cores == 1 {
		cores = "core"
	}
	r.printf("# %s, %d %s, %s, A/A %s, others %s, steal %s, %s\n", m.CPU, m.Cores, cores, m.System,
		span(m.AA), percent(m.Others.Foreign), percent(m.Others.Steal), m.Pinning)
}

// Begin opens a run; the figures added next are its.
func (r *Report) Begin(b Run) {
	r.doc.Runs = append(r.doc.Runs, &run{Bench: b.Name, Mode: b.Mode, Seed: b.Seed, Figures: []figure{}})
}

// Add judges a figure of the run and prints its line.
func (r *Report) Add(f Figure) {
	goal := r.goals.Find(f.Name)
	w := figure{
		Name: f.Name, Value: known(f.Value), Unit: f.Unit, Goal: goal.String(), Status: f.Status(goal), Detail: f.Detail,
	}
	detail := f.Detail
	if f.Interval != nil {
		w.Low, w.High = known(f.Interval.Low), known(f.Interval.High)
		detail = join("95% "+span(*f.Interval), detail)
	}
	if f.AA != nil {
		w.AALow, w.AAHigh = known(f.AA.Low), known(f.AA.High)
		detail = join(detail, "A/A "+span(*f.AA))
	}
	r.short = r.short || w.Status == FallsShort
	last := r.last()
	last.Figures = append(last.Figures, w)
	r.printf("%-31s %-7s %-6s %-8s %-12s (%s)\n", f.Name, Number(f.Value), f.Unit, goal, w.Status, detail)
}

// End closes the run with its end line. A goal of the run that no figure has
// met is an error: one of the two was misspelt.
func (r *Report) End(took time.Duration) {
	last := r.last()
	last.Seconds = new(took.Seconds())
	var n [FallsShort + 1]int
	for _, f := range last.Figures {
		n[f.Status]++
	}
	r.printf("end %s %d figures, %d ok, %d undecided, %d falls short, %d without goal, %.0f s, %s, seed %d\n",
		last.Bench, len(last.Figures), n[OK], n[Undecided], n[FallsShort], n[NoGoal], took.Seconds(), last.Mode, last.Seed)
	for _, g := range r.goals {
		if strings.HasPrefix(g.Name, last.Bench+".") && !last.has(g) {
			r.fail(fmt.Errorf("goal %s: no figure of that name", g.Name))
		}
	}
}

func (r *run) has(g Goal) bool {
	for _, f := range r.Figures {
		if g.names(f.Name) {
			return true
		}
	}
	return false
}

func (r *Report) last() *run {
	if len(r.doc.Runs) == 0 {
		panic("judge: a figure or an end before Begin")
	}
	return r.doc.Runs[len(r.doc.Runs)-1]
}

// Close prints the JSON object, if that is the form, and returns the first
// error since the beginning.
func (r *Report) Close() error {
	if r.json {
		enc := json.NewEncoder(r.w)
		enc.SetEscapeHTML(false)
		r.fail(enc.Encode(r.doc))
	}
	return r.err
}

// Code is the exit code after Close returned no error.
func (r *Report) Code() int {
	if r.short {
		return ExitShort
	}
	return ExitFine
}

func (r *Report) printf(format string, args ...any) {
	if r.json {
		return
	}
	_, err := fmt.Fprintf(r.w, format, args...)
	r.fail(err)
}

func (r *Report) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Number writes a figure with three digits or all before the point, whichever
// is more, and without needless zeros. Below 1 it has three decimals, as shares
// and ratios want; what would vanish there keeps three digits.
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

// span writes an interval: 0.80-0.89, -0.3 to 0.4, 0.8-open.
func span(iv stat.Interval) string {
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

// join puts the parts of a detail together, leaving out empty ones.
func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p != "" && b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p)
	}
	return b.String()
}
