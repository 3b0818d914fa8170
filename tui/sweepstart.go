package tui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
)

// startDialog is the dialog that starts a sweep: its promise, load, settings and budget, and what
// they lead to. Every field is a text that can be typed or changed by steps.
type startDialog struct {
	fields  []startField
	index   int  // of the selected field
	typed   bool // the text of the selected field was typed, so that a key appends to it
	plan    plan.Plan
	problem string // why plan cannot be started; "" if it can
	points  []plan.Point
	skipped int
}

// startField is one value of a plan.
type startField struct {
	group, label string
	text         string
	fixed        string // why it cannot be changed; "" if it can
	name         knob.Name
	set          func(p *plan.Plan, text string) error
	step         func(text string, dir int) string
	unit         string
}

// openStart opens the dialog with the plan of the next sweep.
func (m *model) openStart() tea.Cmd {
	d := &startDialog{plan: m.snap.Plan}
	d.fields = append(d.fields, promiseFields(d.plan)...)
	d.fields = append(d.fields, startField{group: "load", label: "clients", text: loadFieldText(m.currentLoad()), set: setLoadField, step: stepLoadField, unit: "or a rate such as 50/s, or matched"})
	for i, k := range m.shownKnobs() {
		d.fields = append(d.fields, m.knobField(k, i == 0))
	}
	d.fields = append(d.fields, startField{group: "budget", label: "time", text: durationText(d.plan.Budget.Time), set: setBudget, step: stepBudget, unit: "0 is no limit"})
	d.check(m)
	m.dialog = d
	return nil
}

func promiseFields(p plan.Plan) []startField {
	return []startField{
		{
			group: "promise", label: "percentile", text: strconv.FormatFloat(p.SLA.Percentile, 'f', -1, 64), unit: "of " + p.SLA.Latency.String() + " latency",
			set: func(p *plan.Plan, text string) (err error) {
				p.SLA.Percentile, err = strconv.ParseFloat(strings.TrimPrefix(strings.ToUpper(text), "P"), 64)
				if err != nil || !(p.SLA.Percentile >= 50 && p.SLA.Percentile <= 99.99) {
					return fmt.Errorf("percentile %q: want 50 to 99.99", text)
				}
				return nil
			},
			step: stepIn("50", "90", "95", "99", "99.9"),
		},
		{
			label: "limit", text: durationText(p.SLA.Limit), unit: "such as 20ms",
			set: func(p *plan.Plan, text string) (err error) {
				p.SLA.Limit, err = parseDuration(text, time.Millisecond)
				if err != nil || p.SLA.Limit <= 0 {
					return fmt.Errorf("limit %q: want a time such as 20ms", text)
				}
				return nil
			},
			step: func(text string, dir int) string {
				v, err := parseDuration(text, time.Millisecond)
				if err != nil {
					return text
				}
				return plainMS(max(loadSteps.next(float64(v)/1e6, dir), 1)) + "ms"
			},
		},
	}
}

// parseDuration reads a time such as 20ms; a number without a unit is in the given unit.
func parseDuration(text string, unit time.Duration) (time.Duration, error) {
	text = strings.ReplaceAll(text, " ", "")
	if v, err := strconv.ParseFloat(text, 64); err == nil && v >= 0 && v < 1e9 {
		return time.Duration(v * float64(unit)), nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%s is below 0", text)
	}
	return d, err
}

// durationText is a time without units of 0: 3m instead of 3m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func setBudget(p *plan.Plan, text string) (err error) {
	p.Budget.Time, err = parseDuration(text, time.Minute)
	if err != nil {
		return fmt.Errorf("time %q: want a time such as 3m; 0 is no limit", text)
	}
	return nil
}

func stepBudget(text string, dir int) string {
	return stepIn("1m", "2m", "3m", "5m", "10m", "20m", "30m", "1h")(text, dir)
}

// stepIn steps through a list; from a text that is not in it to its middle.
func stepIn(list ...string) func(text string, dir int) string {
	return func(text string, dir int) string {
		i := slices.Index(list, text)
		if i < 0 {
			return list[len(list)/2]
		}
		return list[min(max(i+dir, 0), len(list)-1)]
	}
}

// loadFieldText is the text of a load as the dialog reads it: 10, 50/s, matched.
func loadFieldText(l load.Spec) string {
	switch {
	case l.Mode == load.Open:
		return strconv.FormatFloat(l.Rate, 'f', -1, 64) + "/s"
	case l.Matched:
		return "matched"
	case l.Mode == load.Closed:
		return strconv.Itoa(l.Concurrency)
	}
	return l.String()
}

// parseLoad reads a load: a number of clients, a rate such as 50/s, or matched.
func parseLoad(text string) (load.Spec, error) {
	if text == "matched" {
		return load.Spec{Matched: true}, nil
	}
	if number, ok := strings.CutSuffix(text, "/s"); ok {
		rate, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err == nil && rate > 0 && rate <= 1e6 {
			return load.Spec{Mode: load.Open, Rate: rate}, nil
		}
	} else if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= 10000 {
		return load.Spec{Concurrency: n}, nil
	}
	return load.Spec{}, fmt.Errorf("load %q: want 1-10000 clients, a rate such as 50/s, or matched", text)
}

func setLoadField(p *plan.Plan, text string) error {
	if len(p.Loads) == 1 && p.Loads[0].String() == text {
		return nil // a trace or a ramp stays as it is
	}
	l, err := parseLoad(text)
	if err != nil {
		return err
	}
	if len(p.Loads) == 1 && l.Mode == load.Open {
		l.Arrivals = p.Loads[0].Arrivals
	}
	p.Loads = []load.Spec{l}
	return nil
}

func stepLoadField(text string, dir int) string {
	l, err := parseLoad(text)
	switch {
	case err != nil || l.Matched:
		return text
	case l.Mode == load.Open:
		l.Rate = max(loadSteps.next(l.Rate, dir), 1)
	default:
		n := loadSteps.next(float64(l.Concurrency), dir)
		for n != math.Trunc(n) {
			n = loadSteps.next(n, dir)
		}
		l.Concurrency = int(max(n, 1))
	}
	return loadFieldText(l)
}

// knobField is the field of the values of one knob.
func (m *model) knobField(k knob.Knob, first bool) startField {
	f := startField{label: k.Label, name: k.Name, fixed: m.fixedReason(k.Name)}
	if first {
		f.group = "settings"
	}
	now := m.snap.Settings.Get(k.Name)
	f.text = now
	if text, named := m.snap.Plan.Knobs[k.Name]; named && f.fixed == "" {
		f.text = text
	}
	choices := []string{now, knob.Auto}
	if k.Name == knob.FP16 {
		choices = []string{knob.FullPrecision.String(), knob.HalfPrecision.String(), knob.FullPrecision.String() + "," + knob.HalfPrecision.String()}
	}
	f.step = stepIn(choices...)
	f.set = func(p *plan.Plan, text string) error {
		if text == now {
			delete(p.Knobs, k.Name) // it keeps its value
			return nil
		}
		if text != knob.Auto {
			if _, err := m.knobs().Expand(k.Name, text); err != nil {
				return err
			}
		}
		p.Knobs[k.Name] = text
		return nil
	}
	return f
}

// mostPoints is the largest number of settings that the dialog accepts.
const mostPoints = 5000

// check makes the plan of the fields and finds what it leads to.
func (d *startDialog) check(m *model) {
	d.problem, d.points, d.skipped = "", nil, 0
	p := m.snap.Plan
	p.Knobs = map[knob.Name]string{}
	for n, text := range m.snap.Plan.Knobs {
		p.Knobs[n] = text
	}
	for _, f := range d.fields {
		if f.fixed != "" {
			continue
		}
		if err := f.set(&p, strings.TrimSpace(f.text)); err != nil {
			d.problem = firstLine(err.Error())
			return
		}
	}
	if err := p.Validate(); err != nil {
		d.problem = firstLine(err.Error())
		return
	}
	resolved, err := sweep.PlanFor(p, m.snap.Info)
	if err != nil {
		d.problem = firstLine(err.Error())
		return
	}
	d.plan = p
	if n := mostCombinations(p, m.knobs()); n > mostPoints {
		d.problem = fmt.Sprintf("%s settings are more than %s: use shorter ranges", groupDigits(n), groupDigits(mostPoints))
		return
	}
	points, skipped := resolved.Points(m.snap.Info.Limits, m.snap.Settings, m.snap.Info.Fixed)
	d.points, d.skipped = points, len(skipped)
	if len(points) == 0 {
		d.problem = "these ranges leave nothing to try"
		if len(skipped) > 0 {
			d.problem += ": " + skipped[0].Reason
		}
	}
}

// mostCombinations is the number of combinations of the values that the plan names. Ranges that
// the program chooses are short.
func mostCombinations(p plan.Plan, knobs knob.Table) int {
	n := 1
	for name, text := range p.Knobs {
		if text == knob.Auto {
			continue
		}
		if values, err := knobs.Expand(name, text); err == nil && n <= mostPoints {
			n *= max(len(values), 1)
		}
	}
	return n
}

// insert types text into the selected field.
func (d *startDialog) insert(s string) {
	f := &d.fields[d.index]
	if f.fixed != "" {
		return
	}
	if !d.typed {
		f.text, d.typed = "", true
	}
	const longest = 40
	for _, r := range s {
		if r, n := displayRune(r); n == 1 && len(f.text) < longest {
			f.text += string(r)
		}
	}
}

func (d *startDialog) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	f := &d.fields[d.index]
	switch k.String() {
	case "esc":
		m.dialog = nil
		return nil
	case "enter":
		return d.start(m)
	case "up", "shift+tab":
		d.index, d.typed = (d.index-1+len(d.fields))%len(d.fields), false
	case "down", "tab":
		d.index, d.typed = (d.index+1)%len(d.fields), false
	case "left", "right":
		dir := 1
		if k.String() == "left" {
			dir = -1
		}
		if f.fixed == "" {
			f.text, d.typed = f.step(f.text, dir), false
		}
	case "backspace":
		if r := []rune(f.text); len(r) > 0 && f.fixed == "" {
			f.text, d.typed = string(r[:len(r)-1]), true
		}
	case "ctrl+u":
		if f.fixed == "" {
			f.text, d.typed = "", true
		}
	default:
		d.insert(typedText(k))
	}
	d.check(m)
	return nil
}

// start starts the sweep, unless there is a problem.
func (d *startDialog) start(m *model) tea.Cmd {
	d.check(m) // the engine may have changed meanwhile
	if d.problem == "" {
		d.problem = m.cannotChangeSettings()
	}
	if d.problem != "" {
		return nil
	}
	m.dialog, m.selectedN = nil, 0
	m.table.filter = ""
	p := d.plan
	return m.enqueueFunc("sweep", func() error { return m.Workbench.StartSweep(p) })
}

// takeover says what happens to the live load while the sweep runs.
func (d *startDialog) takeover(s *session.Snapshot) string {
	now := s.Load.For(s.Settings.Workers * s.Settings.BatchSize)
	text := "Takes over your load of " + plural(now.Concurrency, "client")
	if now.Mode != load.Closed {
		text = "Takes over your load, " + now.String()
	}
	if !s.LoadOn {
		text = "Your load is held"
	}
	return text + ": Live only shows the sweep until it ends, or until p pauses it. Then your settings and your load come back."
}
