package profiles

import (
	"errors"
	"fmt"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Outcome says whether the second of two profiles is worse.
type Outcome uint8

// The outcomes. CannotTell is the zero value, because it is the safe answer.
const (
	CannotTell Outcome = iota
	NoRegression
	Regression
)

var outcomeNames = []string{CannotTell: "cannot tell", NoRegression: "no regression", Regression: "regression"}

func (o Outcome) String() string { return outcomeNames[o] }

// MarshalText returns the outcome in words.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText parses the words of an outcome.
func (o *Outcome) UnmarshalText(b []byte) error {
	for i, n := range outcomeNames {
		if n == string(b) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("outcome %q: want cannot tell, no regression or regression", b)
}

// DefaultTolerance is the tolerance of a comparison for which nobody has set one, with and without a
// screen. With 0, no length of the trials could show that two equal profiles are equal.
const DefaultTolerance = .05

// CompareOptions say what is compared, and how.
type CompareOptions struct {
	Choice     bool    // compare the two choices, even if their settings differ; else all trials with equal settings and load
	Percentile float64 // of request latency, 50-99.99; 0 is that of the promise, or 99
	Tolerance  float64 // share by which a figure may be worse without being a regression, 0-1
	OtherModel bool    // also compare different models
	Force      bool    // also compare profiles that are not comparable
}

func (o CompareOptions) validate() error {
	var errs []error
	if p := o.Percentile; p != 0 && !(p >= 50 && p <= 99.99) {
		errs = append(errs, fmt.Errorf("profiles: percentile %g is outside 50-99.99", p))
	}
	if t := o.Tolerance; !(t >= 0 && t <= 1) {
		errs = append(errs, fmt.Errorf("profiles: tolerance %g is outside 0-1 (0%%-100%%)", t))
	}
	return errors.Join(errs...)
}

// Comparison is the comparison of profile B with profile A. It is data.
type Comparison struct {
	A           string   `json:"a"` // IDs
	B           string   `json:"b"`
	Tolerance   float64  `json:"tolerance"`
	Differences []string `json:"unlike"` // why the profiles are not comparable, in words
	Pairs       []Pair   `json:"pairs"`
	Notes       []string `json:"notes"` // what was left out
	Outcome     Outcome  `json:"outcome"`
	Why         string   `json:"why"`
}

// Pair is the comparison of two trials.
type Pair struct {
	A       Side        `json:"a"`
	B       Side        `json:"b"`
	Load    load.Spec   `json:"load"`
	Figures []Compared  `json:"figures"`
	Caveats []string    `json:"doubts,omitempty"` // why the figures are not reliable
	Outcome Outcome     `json:"outcome"`
	Why     string      `json:"why"`
	k       float64     // factor of the widths of the intervals; see widening
	n       int         // number of pairs whose intervals must hold together
	a, b    trial.Trial // the two trials
}

// Side is one of the two trials of a pair.
type Side struct {
	Trial    int           `json:"trial"`
	Settings knob.Settings `json:"settings"`
	Verdict  trial.Answer  `json:"verdict"`
}

// Change says whether a figure became better or worse; "~" means that the data cannot
// tell the two values apart.
type Change string

// The changes.
const (
	Better   Change = "better"
	Worse    Change = "worse"
	NoChange Change = "~" // none that the data shows
)

// Unit is the unit of a compared figure.
type Unit string

// The units.
const (
	PerSecond    Unit = "req/s"
	Milliseconds Unit = "ms"
	Share        Unit = "share" // of the requests
)

// Compared is one figure of a pair. The ratio is B / A; for the error rate it is the
// difference B - A.
type Compared struct {
	Name    string         `json:"name"` // throughput, P99, model P99, errors
	Unit    Unit           `json:"unit"`
	A       trial.Estimate `json:"a"`
	B       trial.Estimate `json:"b"`
	Ratio   trial.Estimate `json:"ratio"`
	Change  Change         `json:"change"`
	Judged  bool           `json:"judged"` // whether it decides the outcome of the pair; others are shown only
	Outcome Outcome        `json:"outcome"`
}

// Compare compares b with a. For profiles that are not comparable (another machine class,
// another model, no trials with the same settings) it returns an error that wraps
// ErrNotComparable and says what differs; OtherModel allows another model, and Force all of
// them but the last. With
// such an error the Comparison has only the differences and the reason.
func Compare(a, b *Profile, o CompareOptions) (Comparison, error) {
	models, refused := modelDifferences(a.Header.Model, b.Header.Model), differences(a.Header, b.Header)
	c := Comparison{
		A: a.Header.ID, B: b.Header.ID, Tolerance: o.Tolerance,
		Differences: append(append([]string{}, models...), refused...), Pairs: []Pair{}, Notes: []string{},
	}
	if !o.OtherModel {
		refused = c.Differences
	}
	if err := o.validate(); err != nil {
		return c, err
	}
	var err error
	c.Pairs, c.Notes, err = matchTrials(a, b, o.Choice)
	switch {
	case err != nil:
		err = fmt.Errorf("profiles: %s and %s: %w: %w", c.A, c.B, ErrNotComparable, noPairs{err})
	case len(refused) > 0 && !o.Force:
		err = fmt.Errorf("profiles: %s and %s: %w: %s", c.A, c.B, ErrNotComparable, strings.Join(refused, "; "))
	}
	if err != nil {
		c.Pairs, c.Why = []Pair{}, err.Error()
		return c, err
	}
	for i := range c.Pairs {
		c.Pairs[i].judge(o)
	}
	c.Outcome, c.Why = c.decide()
	return c, nil
}

// judge compares the figures of the pair and sets its outcome. A regression is a promise
// that was kept and is now broken, a server that failed, or a figure that is certainly worse, and possibly by
// more than the tolerance. If A breaks the promise it cannot be recommended anyway, so
// that B is no regression.
func (p *Pair) judge(o CompareOptions) {
	p.Figures = p.figures(o)
	p.Outcome, p.Why = NoRegression, ""
	switch before, after := p.a.Verdict.Result, p.b.Verdict.Result; {
	case before == trial.Fail:
		p.Why = "the promise was not kept before"
		for i := range p.Figures {
			p.Figures[i].Judged = false
		}
		return
	case serverFailed(p.b):
		p.Outcome, p.Why = Regression, "the server failed: "+p.b.Error
		return
	case before == trial.Pass && after == trial.Fail && samePromise(p.a.Verdict, p.b.Verdict):
		p.Outcome, p.Why = Regression, "the promise was kept before and is broken now"
		return
	}
	for _, f := range p.Figures {
		if !f.Judged || f.Outcome == NoRegression || p.Outcome == Regression {
			continue
		}
		p.Outcome, p.Why = f.Outcome, f.describe(o.Tolerance)
	}
	if len(p.Caveats) > 0 && !o.Force {
		p.Outcome, p.Why = CannotTell, p.Caveats[0]
	}
}

func samePromise(a, b trial.Verdict) bool {
	return a.Latency == b.Latency && a.Percentile == b.Percentile && a.LimitMS == b.LimitMS
}

// figures returns the compared figures of the pair.
func (p *Pair) figures(o CompareOptions) []Compared {
	a, b := p.a, p.b
	out := []Compared{p.figure("throughput", PerSecond, a.Throughput, b.Throughput, o.Tolerance)}
	judged := 99.
	model := false
	switch {
	case o.Percentile > 0:
		judged = o.Percentile
	case a.Verdict.Percentile > 0 && a.Verdict.Percentile == b.Verdict.Percentile && a.Verdict.Latency == b.Verdict.Latency:
		judged, model = a.Verdict.Percentile, a.Verdict.Latency == trial.ModelLatency
	}
	request := func(q float64, judged bool) {
		f := p.figure(fmt.Sprintf("P%g", q), Milliseconds, percentile(a, q), percentile(b, q), o.Tolerance)
		f.Judged = judged
		out = append(out, f)
	}
	if judged != 50 {
		request(50, false)
	}
	request(judged, !model)
	if model {
		out = append(out, p.figure(fmt.Sprintf("model P%g", judged), Milliseconds, verdictEstimate(a.Verdict), verdictEstimate(b.Verdict), o.Tolerance))
	}
	return append(out, p.errors())
}

// verdictEstimate returns the promised percentile of a verdict.
func verdictEstimate(v trial.Verdict) trial.Estimate {
	return trial.Estimate{Value: v.ValueMS, Low: v.LowMS, High: v.HighMS}
}

// figure compares two values. Throughput is worse if it is lower.
func (p *Pair) figure(name string, unit Unit, a, b trial.Estimate, tolerance float64) Compared {
	f := Compared{Name: name, Unit: unit, A: a, B: b, Ratio: ratio(a, b, p.k), Change: NoChange, Judged: true}
	worse := f.Ratio
	if unit == PerSecond {
		worse = inverse(worse)
	}
	low, high := worse.Low.Or(0), worse.High
	switch {
	case low > 1:
		f.Change = Worse
	case high.OK() && high.Or(0) < 1:
		f.Change = Better
	}
	switch {
	case high.OK() && high.Or(0) <= 1+tolerance:
		f.Outcome = NoRegression
	case low > 1:
		f.Outcome = Regression
	}
	return f
}

// errors compares the shares of requests that were refused or failed. More errors are a
// regression only if the promise does not allow them. If the verdict of B is pass, it
// allows them.
func (p *Pair) errors() Compared {
	a, b := errorRate(p.a.Counts, p.n), errorRate(p.b.Counts, p.n)
	f := Compared{Name: "errors", Unit: Share, A: a, B: b, Ratio: difference(a, b), Change: NoChange, Judged: true}
	switch {
	case f.Ratio.Low.Or(0) > 0:
		f.Change = Worse
	case f.Ratio.High.Or(0) < 0:
		f.Change = Better
	}
	switch {
	case !f.Ratio.Value.OK():
	case f.Change == Worse && p.b.Verdict.Result != trial.Pass:
		f.Outcome = Regression
	default:
		f.Outcome = NoRegression
	}
	return f
}
