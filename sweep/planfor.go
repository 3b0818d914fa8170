package sweep

import (
	"errors"
	"fmt"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// PlanFor returns the plan for a target: the ranges of the target's own knobs are
// expanded ([plan.Plan.Resolve]). It returns an error if the target cannot run the plan:
// other options are in force, the target does not have the knobs, or it does not report
// the metrics of the SLA, a constraint or the objective.
func PlanFor(p plan.Plan, info Info) (plan.Plan, error) {
	if info.Options != p.Options {
		return p, fmt.Errorf("options: the plan has %s, but in force is %s", p.Options.Describe(), info.Options.Describe())
	}
	if err := checkMetrics(p, info.Metrics); err != nil {
		return p, err
	}
	if _, err := knob.NewTable(info.Limits.Own...); err != nil {
		return p, fmt.Errorf("the target's own knobs: %w", err) // an error in the code of the target
	}
	return p.Resolve(info.Limits)
}

// CheckSLA returns an error, with what to use instead, if the SLA limits a latency that the target
// does not report.
func CheckSLA(sla trial.SLA, metrics trial.MetricSet) error {
	if sla.Latency == trial.ModelLatency && !metrics.ModelLatency {
		return errors.New("sla: latency: the target does not report model latency, so there would be no verdict; use request latency (--latency request)")
	}
	return nil
}

// checkMetrics returns a joined error for each metric that the plan needs and the target does not
// report, with what to use instead.
func checkMetrics(p plan.Plan, metrics trial.MetricSet) error {
	errs := []error{CheckSLA(p.SLA, metrics)}
	if p.NeedsFreshServer() && !metrics.Memory {
		errs = append(errs, errors.New("constraints: the target does not report its memory, so constraints cannot be checked; remove them"))
	}
	if p.Objective == plan.RequestsPerJoule && !metrics.Utilization {
		errs = append(errs, errors.New("objective: requests_per_joule: the target does not report its energy; use throughput or fewest_workers"))
	}
	return errors.Join(errs...)
}
