package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep/load"
)

// Limits of a plan. More points than maxPoints are probably a mistake.
const (
	maxLoads       = 64
	maxPoints      = 100_000
	maxConcurrency = 10_000
	minRate        = 0.001
	maxRate        = 1_000_000
)

// fieldError is an error in a plan: the path of the field, and a text with its value and the valid
// ones.
type fieldError struct{ path, text string }

// Validate returns all errors of a plan, joined, each with the field, its value and the
// valid values. It does not check whether model, input and target exist, or whether
// the strategy is implemented.
func (p Plan) Validate() error {
	var errs []error
	for _, e := range p.check() {
		errs = append(errs, errors.New(join(e.path, e.text)))
	}
	return errors.Join(errs...)
}

// fieldErrors collects errors.
type fieldErrors []fieldError

func (c *fieldErrors) add(path, format string, a ...any) {
	*c = append(*c, fieldError{path, fmt.Sprintf(format, a...)})
}

// checkCount checks a limit, for which 0 is no limit.
func (c *fieldErrors) checkCount(path string, v int) {
	if v < 0 {
		c.add(path, "%d is below 0; 0 is no limit", v)
	}
}

func (c *fieldErrors) checkOneOf(path, v string, allowed ...string) {
	if !slices.Contains(allowed, v) && v != "" {
		c.add(path, "%q: want %s", v, orList(allowed))
	}
}

// checkText checks that a text can be written to a file and a screen.
func (c *fieldErrors) checkText(path, v string) {
	if !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
		c.add(path, "%q contains a control character or is not UTF-8", v)
	}
}

// check returns all errors of the plan.
func (p Plan) check() []fieldError {
	var c fieldErrors
	c.checkText("model", p.Model)
	c.checkText("input", p.Input)
	if _, _, err := mime.ParseMediaType(p.ContentType); p.ContentType != "" && err != nil {
		c.add("content_type", "%q is not a content type such as image/jpeg", p.ContentType)
	}
	c.checkText("image", p.Image)
	c.checkText("handler", p.Handler)
	c.checkText("labels", p.Labels)
	c.checkText("vocab", p.Vocabulary)
	c.checkCount("max_request_size", p.MaxRequestSize)
	p.checkShapes(&c)
	p.checkValues(&c)
	p.checkPadding(&c)
	before := len(c)
	if checkTarget(&c, p.Target); len(c) == before {
		p.checkTaken(&c)
	}
	p.checkServer(&c)
	invalid := p.Options.Invalid()
	for _, name := range knob.OptionNames() {
		if err := invalid[name]; err != nil {
			c.add("options: "+name, "%v", err)
		}
	}
	p.checkSLA(&c)
	p.checkLoads(&c)
	p.checkKnobs(&c)
	c.checkOneOf("strategy", p.Strategy, "auto", "climb", "grid")
	c.checkCount("constraints: memory_mb", p.Constraints.MemoryMB)
	c.checkCount("constraints: gpu_memory_mb", p.Constraints.GPUMemoryMB)
	p.checkBudget(&c)
	p.checkHold(&c)
	return c
}

// The shortest and the longest hold.
const (
	minHold = time.Minute
	maxHold = 7 * 24 * time.Hour
)

// checkHold checks the time that the choice is held. A ramp is no load that can be held.
func (p Plan) checkHold(c *fieldErrors) {
	switch {
	case p.Hold == 0:
	case p.Hold < minHold || p.Hold > maxHold:
		c.add("hold", "%v is outside %v-%v; 0s holds nothing", p.Hold, minHold, maxHold)
	case slices.ContainsFunc(p.Loads, func(l load.Spec) bool { return l.Mode == load.Ramp }) && !p.Question.SeeksRate():
		c.add("hold", "a ramp cannot be held: its rate changes; use an open load with one rate")
	}
}

func (p Plan) checkShapes(c *fieldErrors) {
	for _, name := range slices.Sorted(maps.Keys(p.Shapes)) {
		path := join("shapes", name)
		c.checkText("shapes", name)
		if len(p.Shapes[name]) == 0 {
			c.add(path, "there are no dimensions; write %s: [64]", name)
		}
		for _, dim := range p.Shapes[name] {
			if dim < 0 {
				c.add(path, "%d: a dimension must be at least 0", dim)
			}
		}
	}
}

func checkTarget(c *fieldErrors, target string) {
	c.checkText("target", target)
	all := Targets(target)
	for _, at := range all {
		address, oip := strings.CutPrefix(at, "oip+")
		switch u, err := url.Parse(address); {
		case len(all) == 1 && (at == "local" || at == Virtual || at == Command || at == TorchServe):
		case err != nil || u.Host == "" || !isScheme(u.Scheme, oip):
			c.add("target", "%q: want local, virtual, command, torchserve, http://HOST:PORT, oip+http://HOST:PORT or oip+grpc://HOST:PORT", at)
		case oip && len(all) > 1:
			c.add("target", "%q: several servers are for TorchServe: http://HOST:PORT,http://HOST:PORT", at)
		}
	}
}

// isScheme reports whether an address may begin with a scheme: with TLS or without; gRPC is of the Open Inference Protocol.
func isScheme(scheme string, oip bool) bool {
	return scheme == "http" || scheme == "https" || oip && (scheme == "grpc" || scheme == "grpcs")
}

// Targets returns the addresses of the target of a plan: several, joined by commas, are a fleet. Another target is
// returned as it is.
func Targets(target string) []string {
	var out []string
	for at := range strings.SplitSeq(target, ",") {
		out = append(out, strings.TrimSpace(at))
	}
	return out
}

// maxHorizon is the longest horizon of an SLA.
const maxHorizon = 24 * time.Hour

func (p Plan) checkSLA(c *fieldErrors) {
	s := p.SLA
	if !(s.Percentile >= 50 && s.Percentile <= 99.99) {
		c.add("sla: percentile", "%g is outside 50-99.99", s.Percentile)
	}
	if s.Limit < latency.Min || s.Limit > latency.Max {
		c.add("sla: limit", "%v is outside %v-%v", s.Limit, latency.Min, latency.Max)
	}
	if !(s.MaxErrorRate >= 0 && s.MaxErrorRate <= 1) {
		c.add("sla: max_error_rate", "%g is outside 0-1", s.MaxErrorRate)
	}
	switch {
	case s.Horizon < 0 || s.Horizon > maxHorizon:
		c.add("sla: horizon", "%v is outside 0-%v; 0s is what the budget allows", s.Horizon, maxHorizon)
	case p.Budget.Time > 0 && s.Horizon >= p.Budget.Time && p.Target != Virtual:
		c.add("sla: horizon", "%v does not fit into the budget of %v: the validation lasts as long as the horizon; give a larger budget", s.Horizon, p.Budget.Time)
	case s.Horizon > 0:
		p.checkSeenFor(c, s.Horizon)
	}
	switch {
	case p.Timeout < 0:
		c.add("timeout", "%v is below 0; 0s follows from the SLA", p.Timeout)
	case p.Timeout > 0 && p.Timeout <= s.Limit:
		c.add("timeout", "%v is not above the limit of %v: no latency above the limit could be measured; 0s follows from the SLA", p.Timeout, s.Limit)
	}
}

// checkSeenFor reports what makes a validation shorter than the horizon.
func (p Plan) checkSeenFor(c *fieldErrors, horizon time.Duration) {
	switch t := p.Trial; {
	case t.Requests > 0:
		c.add("sla: horizon", "a validation of exactly %d requests does not last %v; leave out horizon or trial: requests", t.Requests, horizon)
	case t.Duration > 0 && t.Duration < horizon+maxTrialWarmup:
		c.add("sla: horizon", "a validation of exactly %v does not show %v after its warm-up; give a trial: duration of %v or more, or leave it out",
			t.Duration, horizon, horizon+maxTrialWarmup)
	}
	for _, l := range p.Loads {
		if !p.Question.SeeksRate() && l.Over > 0 && l.Over < horizon {
			c.add("sla: horizon", "the load lasts %v, so that the promise cannot be seen kept for %v; leave out horizon, or give a longer load", l.Over, horizon)
		}
	}
}

// maxTrialWarmup is the longest part at the start of a trial that does not count, rounded up.
const maxTrialWarmup = 3 * time.Second

// checkReplicas checks what question replicas needs: one rate.
func (p Plan) checkReplicas(c *fieldErrors) {
	switch {
	case !(p.Cost >= 0):
		c.add("cost", "%g is below 0; 0 is unknown", p.Cost)
	case p.Question != Replicas && p.Cost > 0:
		c.add("cost", "it is for question replicas, and the question is %s", p.Question)
	}
	if p.Question == Replicas && (len(p.Loads) != 1 || p.Loads[0].Mode != load.Open) {
		c.add("load", "question replicas needs the rate of all replicas together: one open load, such as {mode: open, rate: 500}")
	}
	if p.Question == Replicas && p.Objective != MostThroughput {
		c.add("objective", "%v is for questions throughput and capacity; the best of question replicas is what needs the fewest replicas", p.Objective)
	}
}

func (p Plan) checkLoads(c *fieldErrors) {
	p.checkReplicas(c)
	if len(p.Loads) == 0 || len(p.Loads) > maxLoads {
		c.add("load", "%d loads: want 1-%d", len(p.Loads), maxLoads)
	}
	for _, l := range p.Loads {
		checkLoad(c, l)
		if l.Mode == load.Open && l.Rate == 0 && p.Question != Capacity { // which searches the rate
			c.add("load", "mode open needs rate, in %g-%d per second", minRate, maxRate)
		}
		p.checkLength(c, l)
	}
	p.checkTrialLength(c)
}

// checkTrialLength reports a length of trials that no load of the plan has: a trace and a ramp are measured to their end.
func (p Plan) checkTrialLength(c *fieldErrors) {
	open := func(l load.Spec) bool { return l.Mode != load.Trace && l.Mode != load.Ramp }
	if len(p.Loads) == 0 || slices.ContainsFunc(p.pointLoads(), open) {
		return
	}
	why := fmt.Sprintf("a %v is measured to its end; leave it out", p.Loads[0].Mode)
	if p.Trial.Requests > 0 {
		c.add("trial: requests", "%s", why)
	}
	if p.Trial.Duration > 0 {
		c.add("trial: duration", "%s", why)
	}
}

// checkLength reports a ramp or trace that is longer than the budget: it is measured to its end, so
// there would be no result. A target in virtual time uses no budget.
func (p Plan) checkLength(c *fieldErrors, l load.Spec) {
	b := p.Budget.Time
	if b <= 0 || l.Over <= b || p.Question.SeeksRate() || p.Target == Virtual {
		return
	}
	enough := (2*l.Over + l.Over/5).Truncate(time.Second) + 30*time.Second // a trial and its validation
	c.add("budget: time", "%v is less than the %v of the load, which is measured to its end; give %v or more", b, l.Over, enough)
}

func checkLoad(c *fieldErrors, l load.Spec) {
	switch {
	case l.Mode == load.Closed && !l.Matched && (l.Concurrency < 1 || l.Concurrency > maxConcurrency):
		c.add("load: concurrency", "%d is outside 1-%d", l.Concurrency, maxConcurrency)
	case l.Mode == load.Open && l.Rate != 0 && !(l.Rate >= minRate && l.Rate <= maxRate):
		c.add("load: rate", "%g per second is outside %g-%d", l.Rate, minRate, maxRate)
	case l.Mode == load.Ramp:
		checkRamp(c, l)
	case l.Mode == load.Trace:
		c.checkText("load: file", l.File)
		if l.File == "" {
			c.add("load: file", "no file; give a file with send times")
		}
		if sum, err := hex.DecodeString(l.SHA256); l.SHA256 != "" && (err != nil || len(sum) != sha256.Size) {
			c.add("load: sha256", "%q: want the 64 hexadecimal digits of the file's hash, or nothing", l.SHA256)
		}
	}
}

func checkRamp(c *fieldErrors, l load.Spec) {
	for _, end := range []struct {
		key  string
		rate float64
	}{{"from", l.From}, {"to", l.To}} {
		if !(end.rate >= minRate && end.rate <= maxRate) {
			c.add("load: "+end.key, "%g per second is outside %g-%d", end.rate, minRate, maxRate)
		}
	}
	if l.Over < time.Second || l.Over > time.Hour {
		c.add("load: over", "%v is outside 1s-1h", l.Over)
	}
}

func (p Plan) checkKnobs(c *fieldErrors) {
	points := len(p.Loads) * p.checkOwn(c)
	for _, k := range knob.All() {
		text, named := p.Knobs[k.Name]
		switch {
		case !named:
		case text == knob.Auto:
			points *= maxAutoValues(k.Name)
		default:
			points *= p.checkRange(c, k.Name, text)
		}
		if points > maxPoints {
			c.add("knobs", "more than %d combinations; narrow a range", maxPoints)
			return
		}
	}
}

// checkRange checks every value of a range under the plan's rule and returns the number of values.
func (p Plan) checkRange(c *fieldErrors, n knob.Name, text string) int {
	values, err := knob.Expand(n, text)
	if err != nil {
		c.add("knobs", "%v", err)
		return 1
	}
	for _, v := range values {
		if err := checkValue(n, v, knob.Limits{Rule: p.Options.Rule, BatchAxis: true}); err != nil {
			c.add(join("knobs", string(n)), "%s", strings.TrimPrefix(err.Error(), string(n)+": "))
			break // one error for each range is enough
		}
	}
	return len(values)
}

// checkValue checks one value of one knob; all other knobs have their defaults.
func checkValue(n knob.Name, value string, l knob.Limits) error {
	l.Places = nil // a place depends on several knobs
	s := knob.Default(l.Rule)
	if err := s.Set(n, value); err != nil {
		return err
	}
	return s.Validate(l)
}

func (p Plan) checkBudget(c *fieldErrors) {
	b, t := p.Budget, p.Trial
	if b.Time < 0 {
		c.add("budget: time", "%v is below 0; 0s is no limit", b.Time)
	}
	if b.LoadTests < Unset {
		c.add("budget: load_tests", "%d is below 0; 0 is no limit", b.LoadTests)
	}
	c.checkCount("budget: trials", b.Trials)
	if t.Requests < 0 {
		c.add("trial: requests", "%d is below 0; 0 is as many as the verdict takes", t.Requests)
	}
	if t.Duration < 0 {
		c.add("trial: duration", "%v is below 0; 0s is as long as the verdict takes", t.Duration)
	}
	c.checkCount("trial: max_requests", t.MaxRequests)
	if t.Warmup < 0 {
		c.add("trial: warmup", "%v is below 0; 0s is none beyond what the trial itself finds to be needed", t.Warmup)
	}
	if t.MaxRequests > 0 && t.Requests > t.MaxRequests {
		c.add("trial: requests", "%d is above max_requests %d", t.Requests, t.MaxRequests)
	}
}
