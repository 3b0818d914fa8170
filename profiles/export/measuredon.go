package export

import (
	"fmt"
	"path"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/servercost"
	"sweetspot/sweep/trial"
)

// torchServeRuntime is the runtime of a machine whose figures are from a TorchServe.
const torchServeRuntime = "TorchServe"

// MeasuredOn says which server the figures are from.
func MeasuredOn(s Source) string {
	runtime := s.Machine.Runtime
	switch {
	case s.Trial == nil:
		return "none: nothing was measured"
	case runtime == "":
		return "not known: the profile does not say it"
	case OnOwnEngine(s):
		return "sweetspot's own engine, " + runtime
	case inPython(s):
		return "sweetspot's own engine with TorchServe's worker, " + runtime
	case runtime == "virtual device":
		return "a simulated device, in virtual time"
	}
	return runtime
}

// OnOwnEngine reports whether the figures are from an engine of this program that ran the model itself, and not in a worker of
// TorchServe.
func OnOwnEngine(s Source) bool {
	return s.Trial != nil && (strings.HasPrefix(s.Machine.Runtime, "onnxruntime ") || s.Machine.Runtime == "simulated")
}

// onTorchServe reports whether the figures are from a TorchServe.
func onTorchServe(s Source) bool { return s.Trial != nil && s.Machine.Runtime == torchServeRuntime }

// measuredNotes says for the formats of TorchServe that the figures are from another server, what that
// changes, and how to measure there.
func measuredNotes(s Source) []string {
	if onTorchServe(s) {
		return nil
	}
	text := "Not measured on TorchServe."
	if s.Trial != nil {
		text = "Not measured on TorchServe: the figures above are from " + MeasuredOn(s) + "."
	}
	out := []string{text}
	switch {
	case s.Predicted != "":
		out = append(out, s.Predicted)
	case OnOwnEngine(s):
		out = append(out, costNote(s))
	case s.Trial != nil && inPython(s):
		out = append(out, "Its worker with the handler is the same there; the queue and the listener before it are not.")
	}
	return append(out,
		"This measures these settings on a running TorchServe, with its management address and a request body:", CheckCommand(s))
}

// costNote says what the typical cost of TorchServe would change.
func costNote(s Source) string {
	c := servercost.Typical()
	text := fmt.Sprintf("TorchServe needs more than sweetspot's engine: typically about %g ms for each batch and %g ms for each request of a small model, "+
		"and about 3 ms for a batch of one of 50 MB (typical, not measured here).", c.Batch, c.Request)
	if s.Trial == nil || s.Settings.Workers < 1 || s.Settings.BatchSize < 1 {
		return text
	}
	execution, ok := s.Trial.Breakdown.Execution.Get()
	size, known := s.Trial.Batches.Mean.Get()
	if !ok || !known || execution <= 0 || size < 1 {
		return text
	}
	there := execution + c.Batch + c.Request*size
	most := func(ms float64) float64 { return float64(s.Settings.Workers) * size * 1000 / ms }
	figure := func(v float64) string { return profiles.FormatFigure(trial.NumOf(v)) }
	return fmt.Sprintf("%s With the former, its batches of %.2g requests would take %s ms and not %s: %s at most %s requests/s, and not %s. "+
		"Short batches, and those of few requests, lose most.",
		text, size, figure(there), figure(execution), workersHave(s.Settings.Workers), figure(most(there)), figure(most(execution)))
}

// workersHave is the begin of a sentence about the rate of workers.
func workersHave(n int) string {
	if n == 1 {
		return "one worker answers"
	}
	return fmt.Sprintf("%d workers answer", n)
}

// Words in a command that the user must replace.
const (
	exampleTarget = "http://127.0.0.1:8081"
	exampleBody   = "BODY"
)

// CheckCommand returns the command that measures the settings on a running TorchServe. Its management
// address and its request body are examples.
func CheckCommand(s Source) string {
	k := s.Settings
	args := []string{"sweetspot", s.Model.Name, "--sweep", "--target", exampleTarget, "--input", exampleBody}
	for _, n := range []knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay} {
		if k.Has(n) {
			args = append(args, "--"+flagOf(n), k.Get(n))
		}
	}
	if s.SLA != nil {
		args = append(args, "--sla", s.SLA.Limit.Round(time.Microsecond).String(), "--percentile", fmt.Sprintf("%g", s.SLA.Percentile))
		if s.SLA.MaxErrorRate > 0 {
			args = append(args, "--max-errors", fmt.Sprintf("%g", s.SLA.MaxErrorRate))
		}
	}
	l := s.Load
	if s.Trial != nil {
		l = s.Trial.Load
	}
	return strings.Join(append(args, loadFlags(l)...), " ")
}

// flagOf returns the flag of a knob, without dashes.
func flagOf(n knob.Name) string {
	k, err := knob.Lookup(string(n))
	if err != nil {
		panic("export: " + err.Error()) // it is one of the seven
	}
	return k.Flag
}

// loadFlags returns the flags of a load. That of a ramp is its highest rate.
func loadFlags(l load.Spec) []string {
	switch l.Mode {
	case load.Open:
		out := []string{"--rate", fmt.Sprintf("%g", l.Rate)}
		if l.Arrivals != load.Poisson {
			out = append(out, "--arrivals", l.Arrivals.String())
		}
		return out
	case load.Ramp:
		return []string{"--rate", fmt.Sprintf("%g", max(l.From, l.To))}
	case load.Trace:
		return []string{"--trace", path.Base(l.File)}
	}
	if l.Concurrency == 0 {
		return nil // not known
	}
	return []string{"--concurrency", itoa(l.Concurrency)}
}
