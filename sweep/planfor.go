package sweep

import (
	"errors"
	"fmt"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// PlanFor returns the plan for a target: the ranges of the target's own knobs are
// expanded ([plan.Plan.Resolve]), and if the plan names none of them, those that can be changed
// without a reload are varied ([plan.Plan.VaryOwn]). It returns an error if the target cannot run the plan:
// other options are in force, the target does not have the knobs, or it does not report
// the metrics of the SLA, a constraint or the objective.
func PlanFor(p plan.Plan, info Info) (plan.Plan, error) {
	if err := checkReported(info); err != nil {
		return p, err
	}
	var err error
	if p.Options, err = optionsFor(p.Options, info.Options); err != nil {
		return p, err
	}
	if info.Options != p.Options {
		return p, fmt.Errorf("options: the plan has %s, but in force is %s", p.Options.Describe(), info.Options.Describe())
	}
	if err := checkMetrics(p, info); err != nil {
		return p, err
	}
	if p.Question != plan.Capacity { // whose rates are searched below the largest
		for _, l := range p.Loads {
			if err := CheckRate(l, info.MaxRate); err != nil {
				return p, err
			}
		}
	}
	p.MaxRate = info.MaxRate
	if _, err := knob.NewTable(info.Limits.Own...); err != nil {
		return p, fmt.Errorf("the target's own knobs: %w", err) // an error in the code of the target
	}
	return p.VaryOwn(info.Limits, info.Current, info.Fixed).Resolve(info.Limits)
}

// CheckRate returns an error if a load is planned to exceed the largest rate that a target may get; most 0 is no limit.
// A closed load has no plan: the generator holds it back.
func CheckRate(l load.Spec, most float64) error {
	if most == 0 {
		return nil
	}
	rate, err := load.PeakRate(l)
	switch {
	case err != nil:
		return err
	case rate > most:
		return fmt.Errorf("a load of %g requests/s is above --max-rate %g", rate, most)
	}
	return nil
}

// optionsFor returns the options of a plan for a target that may not report its batching rule. The
// rule of the profile is then not reported either, although every plan has one: the default of
// plans says nothing about that target. A plan for the other rule is an error.
func optionsFor(planned, inForce knob.Options) (knob.Options, error) {
	if inForce.Rule != knob.RuleUnreported {
		return planned, nil
	}
	if planned.Rule == knob.Eager {
		return planned, errors.New("options: the plan has the eager rule, but the target does not report its batching rule; leave out rule")
	}
	planned.Rule = knob.RuleUnreported
	return planned, nil
}

// checkReported returns an error if the target says that it does not report one of the seven knobs,
// but does, or the other way round. It is an error in the code of the target: the profile
// would have a value that nobody knows.
func checkReported(info Info) error {
	var errs []error
	for _, k := range knob.All() {
		switch unreported := slices.Contains(info.Limits.Unreported, k.Name); {
		case unreported && info.Current.Has(k.Name):
			errs = append(errs, fmt.Errorf("the target: %s is %s, but is among the knobs that are not reported", k.Name, info.Current.Get(k.Name)))
		case !unreported && !info.Current.Has(k.Name):
			errs = append(errs, fmt.Errorf("the target: %s has no value, but is not among the knobs that are not reported", k.Name))
		}
	}
	return errors.Join(errs...)
}

// CheckSLA returns an error, with what to use instead, if the SLA limits a latency that the target
// does not report.
func CheckSLA(sla trial.SLA, metrics trial.MetricSet) error {
	if sla.Latency == trial.ModelLatency && !metrics.ModelLatency {
		return errors.New("sla: latency: the target does not report model latency, so there would be no verdict; use request latency (--latency request)")
	}
	return nil
}

// checkMetrics returns a joined error for each metric or knob that the plan needs and the target does not
// report, with what to use instead.
func checkMetrics(p plan.Plan, info Info) error {
	metrics := info.Metrics
	errs := []error{CheckSLA(p.SLA, metrics)}
	if p.NeedsFreshServer() && !metrics.Memory {
		errs = append(errs, errors.New("constraints: the target does not report its memory, so constraints cannot be checked; remove them"))
	}
	if p.Objective == plan.RequestsPerJoule && !metrics.Utilization {
		errs = append(errs, errors.New("objective: requests_per_joule: the target does not report its energy; use throughput or fewest_workers"))
	}
	if p.Objective == plan.FewestWorkers && slices.Contains(info.Limits.Unreported, knob.Workers) {
		errs = append(errs, errors.New("objective: fewest_workers: the target does not report its workers; use throughput"))
	}
	return errors.Join(errs...)
}
