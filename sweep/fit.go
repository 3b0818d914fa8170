package sweep

import (
	"errors"
	"fmt"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Fit returns a plan as it is run on a target: its ranges of the target's own knobs
// are read as the target describes them ([plan.Plan.Resolve]). It is an error, before
// anything is sent, where the plan asks for what the target cannot do: other options
// than are in force, knobs that it does not have, or a promise or constraint on
// figures that it does not tell.
func PlanFor(p plan.Plan, info Info) (plan.Plan, error) {
	if info.Options != p.Options {
		return p, fmt.Errorf("options: the plan asks for %s, in force is %s", p.Options.Describe(), info.Options.Describe())
	}
	if err := checkMetrics(p, info.Metrics); err != nil {
		return p, err
	}
	if _, err := knob.NewTable(info.Limits.Own...); err != nil {
		return p, fmt.Errorf("the target's own knobs: %w", err) // whoever wrote the target has made a mistake
	}
	return p.Resolve(info.Limits)
}

// Judgeable is an error, with what to do instead, where a promise is about a latency
// that the target does not tell: nothing could ever be judged by it.
func CheckSLA(sla trial.SLA, t trial.MetricSet) error {
	if sla.Latency == trial.ModelLatency && !t.ModelLatency {
		return errors.New("sla: latency: the target does not tell model latency, so nothing could be judged by it; promise request latency (--latency request)")
	}
	return nil
}

// told reports, joined, what a plan would judge by and the target does not tell, with
// what to do instead.
func checkMetrics(p plan.Plan, t trial.MetricSet) error {
	errs := []error{CheckSLA(p.SLA, t)}
	if p.NeedsFreshServer() && !t.Memory {
		errs = append(errs, errors.New("constraints: the target does not tell its memory, so none could be seen to be broken; leave them out"))
	}
	if p.Objective == plan.RequestsPerJoule && !t.Utilization {
		errs = append(errs, errors.New("objective: requests_per_joule: the target does not tell its energy; take throughput or fewest_workers"))
	}
	return errors.Join(errs...)
}
