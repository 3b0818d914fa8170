package profiles

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// Prediction has simulated figures of the settings of a profile under an open load with
// Poisson arrivals. The load need not have been measured. It is data.
type Prediction struct {
	Predicted bool        `json:"predicted"` // always true: no figure was measured
	Profile   string      `json:"profile"`   // ID
	Model     string      `json:"model"`
	Rate      float64     `json:"rate_rps"`
	SLA       *trial.SLA  `json:"sla"`      // nil if there is no promise
	Settings  []Predicted `json:"settings"` // best first
	Unknown   int         `json:"unknown"`  // number of settings without known service times, workers or batch size
}

// Predicted is one setting of a Prediction. Times are in ms.
type Predicted struct {
	N            int           `json:"n"` // number of a trial with these settings
	Settings     knob.Settings `json:"settings"`
	Chosen       bool          `json:"chosen"` // it is the choice of the profile
	Throughput   float64       `json:"throughput_rps"`
	P50          trial.Num     `json:"p50_ms"`
	P99          trial.Num     `json:"p99_ms"`
	Promised     trial.Num     `json:"promised_ms"` // the percentile of the promise
	Utilization  float64       `json:"utilization"` // share of the time in which the workers execute
	Refused      float64       `json:"refused"`     // share of the requests that are refused
	Overloaded   bool          `json:"overloaded"`  // the workers cannot answer as many requests as arrive, so that it keeps no promise
	KeepsPromise *bool         `json:"holds"`       // whether it keeps the promise; nil if there is none
}

// predictedRequests is the number of simulated requests per setting. Requests in the
// first predictedWarmup of the time are not counted.
const (
	predictedRequests = 30_000
	predictedWarmup   = .1
)

// Predict simulates the settings of all trials of p with rate requests per second, all
// with the same arrivals. It needs probes, or trials with batch sizes and execution
// times.
func Predict(p *Profile, rate float64) (Prediction, error) {
	out := Prediction{Predicted: true, Profile: p.Header.ID, Model: p.Header.Model.Name, Rate: rate}
	times := p.ServiceTimes()
	switch {
	case len(p.Trials) == 0:
		return out, fmt.Errorf("profiles: %s: no trials, so that there are no settings to simulate; choose the profile of a sweep", p.Header.ID)
	case len(times) == 0:
		return out, fmt.Errorf("profiles: %s: neither probes nor trials with the times of batches, so that nothing can be simulated; "+
			"make a sweep with a target that reports them (local, virtual)", p.Header.ID)
	}
	if sla, ok := p.SLA(); ok {
		out.SLA = &sla
	}
	arrivals := load.Plan(load.Spec{Mode: load.Open, Rate: rate}, p.Header.Seed, math.MaxInt64, predictedRequests)
	sim := predict.New(predict.Config{Settings: knob.Default(knob.Eager), Service: servicetime.Line(time.Millisecond, 0), Plan: arrivals[:0]})
	chosen, _ := p.Choice()
	seen := map[knob.Settings]bool{}
	for _, t := range p.Trials {
		if seen[t.Settings] {
			continue
		}
		seen[t.Settings] = true
		curve, known := times[CurveKeyOf(t.Settings)]
		if !known || !canSimulate(t) {
			out.Unknown++
			continue
		}
		c := predict.Config{
			Settings: t.Settings, Rule: t.Options.Rule, Service: curve, Plan: arrivals, Seed: p.Header.Seed, Detail: true,
			Warm: time.Duration(predictedWarmup * float64(arrivals[len(arrivals)-1])),
		}
		sim.Reset(c)
		sim.Run()
		row := predicted(sim, t.Settings, out.SLA, !predict.KeepsUp(c, rate))
		row.N, row.Chosen = t.N, chosen.N > 0 && chosen.Settings == t.Settings
		out.Settings = append(out.Settings, row)
	}
	if len(out.Settings) == 0 {
		return out, fmt.Errorf("profiles: %s: no probe has the settings of a trial; choose a profile of trials with the times of batches", p.Header.ID)
	}
	slices.SortStableFunc(out.Settings, Predicted.compare)
	return out, nil
}

// canSimulate reports whether the trial has all values that the simulation needs. Another server may
// not report them.
func canSimulate(t trial.Trial) bool {
	s := t.Settings
	return s.Has(knob.Workers) && s.Has(knob.BatchSize) && s.Has(knob.BatchDelay) && t.Options.Rule != knob.RuleUnreported
}

// predicted returns the figures of a simulated run. In an overload the queue grows for longer than a simulation lasts, and
// the model latency does not show it at all.
func predicted(sim *predict.Sim, s knob.Settings, sla *trial.SLA, overloaded bool) Predicted {
	row := Predicted{Settings: s, Overloaded: overloaded}
	var requests, models []float64
	var busy, first, last time.Duration
	for i, r := range sim.Samples() {
		if i == 0 {
			first = r.Planned
		}
		first, last = min(first, r.Planned), max(last, r.Planned+r.Latency)
		if r.Outcome != load.OK {
			continue
		}
		busy += r.Model / time.Duration(r.Batch)
		requests, models = append(requests, float64(r.Latency)/1e6), append(models, float64(r.Model)/1e6)
	}
	span := (last - first).Seconds()
	if n := len(sim.Samples()); n > 0 && span > 0 {
		row.Throughput = float64(len(requests)) / span
		row.Utilization = min(1, busy.Seconds()/span/float64(s.Workers))
		row.Refused = 1 - float64(len(requests))/float64(n)
	}
	slices.Sort(requests)
	row.P50, row.P99 = quantile(requests, .5), quantile(requests, .99)
	if sla == nil {
		return row
	}
	if sla.Latency == trial.ModelLatency {
		slices.Sort(models)
		requests = models
	}
	row.Promised = quantile(requests, sla.Percentile/100)
	v, ok := row.Promised.Get()
	keeps := !overloaded && ok && v <= float64(sla.Limit)/1e6 && row.Refused <= sla.MaxErrorRate
	row.KeepsPromise = &keeps
	return row
}

// quantile returns the quantile q of sorted values, by the index rule of package latency;
// with fewer than 1/(1-q) values it is not measured.
func quantile(sorted []float64, q float64) trial.Num {
	n := float64(len(sorted))
	if n*(1-q) < 1-1e-9 {
		return trial.Num{}
	}
	return trial.NumOf(sorted[max(int(math.Ceil(q*n-1e-9*n)), 1)-1])
}

// compare orders the settings: first those that keep the promise, then those that keep up, then by refused
// requests, by the percentile of the promise, and by the cost of the settings. Those that do not keep up are ordered by
// what they answer.
func (a Predicted) compare(b Predicted) int {
	broken := func(p Predicted) int {
		if p.KeepsPromise != nil && !*p.KeepsPromise {
			return 1
		}
		return 0
	}
	if a.Overloaded && b.Overloaded && a.Throughput != b.Throughput {
		return cmp.Compare(b.Throughput, a.Throughput)
	}
	overload := func(p Predicted) int {
		if p.Overloaded {
			return 1
		}
		return 0
	}
	percentile := func(p Predicted) float64 { return p.Promised.Or(p.P99.Or(math.Inf(1))) }
	return cmp.Or(
		cmp.Compare(broken(a), broken(b)),
		cmp.Compare(overload(a), overload(b)),
		cmp.Compare(a.Refused, b.Refused),
		cmp.Compare(percentile(a), percentile(b)),
		cmp.Compare(a.Settings.Workers, b.Settings.Workers),
		cmp.Compare(a.Settings.BatchSize, b.Settings.BatchSize),
		cmp.Compare(a.Settings.Precision, b.Settings.Precision),
		cmp.Compare(a.Settings.BatchDelay, b.Settings.BatchDelay),
		a.Settings.Own.Compare(b.Settings.Own),
		cmp.Compare(a.N, b.N),
	)
}

// ParseRate parses a rate: 80rps, 80/s or 80. It is 0.001 to 1000000 requests per second.
func ParseRate(text string) (float64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(text, "rps"), "/s")
	rate, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(rate >= 1e-3 && rate <= 1e6) {
		return 0, fmt.Errorf("rate %q: want requests per second from 0.001 to 1000000, such as 80rps", text)
	}
	return rate, nil
}

// shownPredicted is the number of settings that WritePrediction shows, besides the chosen
// one.
const shownPredicted = 10

// WritePrediction writes a prediction as text for people.
func WritePrediction(w io.Writer, p Prediction, s Style) error {
	l := load.Spec{Mode: load.Open, Rate: p.Rate}
	if _, err := fmt.Fprintf(w, "predicted by the simulator, not measured: %s at %v, from %s\n\n", printable(p.Model), l, printable(p.Profile)); err != nil {
		return err
	}
	t := table{columns: []column{
		{title: "trial"},
		{title: "workers"},
		{title: "batch"},
		{title: "delay ms"},
		{title: "precision", left: true, drop: 5},
		{title: "device", left: true, drop: 6},
		{title: "predicted req/s"},
		{title: "predicted P50 ms", drop: 4},
		{title: "predicted P99 ms"},
		{title: "predicted busy", drop: 3},
		{title: "promise", left: true},
		{title: "note", left: true, drop: 1},
	}}
	var shown []knob.Settings
	for i, r := range p.Settings {
		if i < shownPredicted || r.Chosen {
			t.rows, shown = append(t.rows, r.row(i == 0)), append(shown, r.Settings)
		}
	}
	if err := withOwnKnobs(t, shown).write(w, s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n"+p.answer())
	return err
}

// row returns the row of a setting in the table.
func (a Predicted) row(first bool) []string {
	promise := "n/a"
	if a.KeepsPromise != nil {
		promise = map[bool]string{true: "kept", false: "BROKEN"}[*a.KeepsPromise]
	}
	var notes []string
	if a.Chosen {
		notes = append(notes, "chosen")
	}
	switch {
	case first && (a.KeepsPromise == nil && !a.Overloaded || a.KeepsPromise != nil && *a.KeepsPromise):
		notes = append(notes, "predicted best")
	case first:
		notes = append(notes, "nearest")
	}
	if a.Overloaded {
		notes = append(notes, "does not keep up")
	}
	if a.Refused > 0 {
		notes = append(notes, trial.Percent(a.Refused)+" refused")
	}
	s := a.Settings
	return []string{
		strconv.Itoa(a.N), s.Display(knob.Workers), s.Display(knob.BatchSize), s.Display(knob.BatchDelay),
		s.Display(knob.FP16), s.Display(knob.Device), FormatFigure(trial.NumOf(a.Throughput)), FormatFigure(a.P50), FormatFigure(a.P99),
		fmt.Sprintf("%.0f%%", 100*a.Utilization), promise, strings.Join(notes, "; "),
	}
}

// answer says which setting is predicted to be the best one.
func (p Prediction) answer() string {
	var b strings.Builder
	if len(p.Settings) > shownPredicted {
		fmt.Fprintf(&b, "the best %d of %d settings\n", shownPredicted, len(p.Settings))
	}
	if p.Unknown > 0 {
		fmt.Fprintf(&b, "%d settings left out: the profile does not have their service times\n", p.Unknown)
	}
	best := p.Settings[0]
	switch {
	case p.SLA == nil:
		fmt.Fprintf(&b, "predicted fastest at %g requests/s: %v\n", p.Rate, best.Settings)
	case !*best.KeepsPromise:
		fmt.Fprintf(&b, "predicted: no setting recorded keeps %v at %g requests/s; nearest is %v\n", p.SLA, p.Rate, best.Settings)
	default:
		fmt.Fprintf(&b, "predicted best at %g requests/s: %v, P%g %s ms within %v\n",
			p.Rate, best.Settings, p.SLA.Percentile, best.Promised.Text(1), p.SLA.Limit)
	}
	return b.String()
}

// WritePredictionJSON writes a prediction as one JSON object.
func WritePredictionJSON(w io.Writer, p Prediction) error { return writeJSON(w, p) }
