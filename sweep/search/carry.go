package search

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Carried is the part of an earlier sweep that a resumed sweep uses.
type Carried struct {
	History trial.History
	Derived int                // trials whose verdict was derived for another limit
	Dropped map[DropReason]int // number of trials that are not used, by the first reason

	oldProbes int           // number of probes in the earlier sweep
	from, to  time.Duration // the old limit and the new one
}

// DropReason is why a trial is not used.
type DropReason uint8

// The reasons, in the order in which they are checked.
const (
	OtherRequests DropReason = iota // it was measured with other requests
	OtherOptions                    // it was measured with another batching rule or other options
	NoPoint                         // its settings or its load are not in the plan
	OtherPromise                    // its verdict cannot be derived for the plan's SLA
	OtherDropped                    // another trial of its setting is not used
	NotBound                        // it belongs to a rate search and is not its bound
)

var dropTexts = []string{
	OtherRequests: "other requests", OtherOptions: "another rule or other options", NoPoint: "no point of this plan",
	OtherPromise: "the promise is another", OtherDropped: "all trials of their settings are repeated",
	NotBound: "of a rate search only its bound is kept",
}

func (d DropReason) String() string { return dropTexts[d] }

// Carry returns the part of a history, measured under the plan was, that is valid under the plan
// now with these points.
//
// A trial is valid if it belongs to one of the points, had the same requests and options, and its
// verdict can be derived for the new SLA ([trial.Verdict.Carry]). If the limit differs, the trials
// of a setting under a load are used all or not at all: to use only those that passed would select
// the lucky ones. Of a search for the highest rate only the bound is used.
//
// Probes depend neither on the SLA nor on the load. A probe is valid if the points include its
// group of settings.
func Carry(old trial.History, was, now plan.Plan, points []plan.Point) Carried {
	c := carryCheck{oldPlan: was, newPlan: now, sameRequests: requestsKey(was) == requestsKey(now), points: map[pointKey]bool{}}
	for _, p := range points {
		c.points[c.keyOf(p.Settings, p.Load)] = true
	}
	out := Carried{Dropped: map[DropReason]int{}, oldProbes: len(old.Probes), from: was.SLA.Limit, to: now.SLA.Limit}
	reasons := make([]*DropReason, len(old.Trials))
	trials := slices.Clone(old.Trials)
	for i := range trials {
		trials[i].Verdict, reasons[i] = c.check(trials[i])
	}
	if was.SLA != now.SLA {
		c.dropIncomplete(trials, reasons)
	}
	for i, t := range trials {
		if reasons[i] != nil {
			out.Dropped[*reasons[i]]++
			continue
		}
		if t.Verdict != old.Trials[i].Verdict {
			out.Derived++
		}
		out.History.Trials = append(out.History.Trials, t)
	}
	out.History.Probes = c.probes(old.Probes, newProbeSpace(points))
	return out
}

// carryCheck decides which trials of one plan are valid under another.
type carryCheck struct {
	oldPlan, newPlan plan.Plan
	sameRequests     bool // whether both plans have the same requests
	points           map[pointKey]bool
}

// keyOf returns the same key as predictor.keyOf: the rate is not part of a point if the question is
// capacity.
func (c carryCheck) keyOf(s knob.Settings, l load.Spec) pointKey {
	if c.newPlan.Question.SeeksRate() {
		l.Rate = 0
	}
	return pointKey{s, l}
}

// requestsKey encodes all fields of a plan that influence the requests. The other fields are
// cleared by name, so that a new field of plans is included. Of paths only the last element is
// compared, as in a profile's plan.
func requestsKey(p plan.Plan) string {
	p.Model, p.Target, p.Server = "", "", nil // the model and the machine are compared by their hashes
	p.Options, p.Question, p.SLA, p.Loads, p.Knobs = knob.Options{}, 0, trial.SLA{}, nil, nil
	p.Cost, p.Hold = 0, 0
	p.Strategy, p.Order, p.Objective, p.Constraints = "", 0, 0, plan.Constraints{}
	p.Budget, p.Trial, p.Seed, p.MaxRequestSize = plan.Budget{}, plan.Trial{}, 0, 0
	if p.Input != "" {
		p.Input = filepath.Base(p.Input)
	}
	for name, text := range p.Lengths {
		if file, ok := strings.CutPrefix(text, "@"); ok {
			p.Lengths = maps.Clone(p.Lengths)
			p.Lengths[name] = "@" + filepath.Base(file)
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err.Error() // cannot happen: every plan can be encoded
	}
	return string(text)
}

// check returns the verdict of a trial under the new plan, or the reason why the trial is not
// valid.
func (c carryCheck) check(t trial.Trial) (trial.Verdict, *DropReason) {
	drop := func(d DropReason) (trial.Verdict, *DropReason) { return t.Verdict, &d }
	switch {
	case !c.sameRequests:
		return drop(OtherRequests)
	case t.Options != c.newPlan.Options:
		return drop(OtherOptions)
	case !c.points[c.keyOf(t.Settings, t.Load)] || t.Role == trial.RoleLive:
		return drop(NoPoint)
	}
	v, ok := t.Verdict.Restate(c.oldPlan.SLA, c.newPlan.SLA)
	if !ok {
		return drop(OtherPromise)
	}
	return v, nil
}

// dropIncomplete drops the valid trials of a setting under a load if another one of them is not
// valid. Of a search for the highest rate it drops all but the bound.
func (c carryCheck) dropIncomplete(trials []trial.Trial, reasons []*DropReason) {
	byKey := map[pointKey][]int{}
	for i, t := range trials {
		s := c.keyOf(t.Settings, t.Load)
		byKey[s] = append(byKey[s], i)
	}
	for _, ids := range byKey {
		incomplete := slices.ContainsFunc(ids, func(i int) bool { return reasons[i] != nil })
		bound, reason := -1, OtherDropped
		if c.newPlan.Question.SeeksRate() {
			bound, reason = c.bestBound(trials, reasons, ids), NotBound
		} else if !incomplete {
			continue
		}
		for _, i := range ids {
			if reasons[i] == nil && i != bound {
				reasons[i] = &reason
			}
		}
	}
}

// bestBound returns the index of the trial that is used of the search for one setting's highest
// rate: if the limit is now higher, the highest rate that passed, below all rates that did not; if
// the limit is now lower, the lowest rate that failed, above all rates that did not. All other
// trials would count against the maximal number of trials of a search. It returns -1 if there is
// none.
func (c carryCheck) bestBound(trials []trial.Trial, reasons []*DropReason, ids []int) int {
	sign := 1.0 // 1 to select the highest rate, -1 the lowest
	if c.newPlan.SLA.Limit < c.oldPlan.SLA.Limit {
		sign = -1
	}
	rate := func(i int) float64 { return sign * trials[i].Load.Rate }
	best := -1
	for _, i := range ids {
		beyond := slices.ContainsFunc(ids, func(j int) bool { return reasons[j] != nil && rate(j) <= rate(i) })
		if reasons[i] != nil || trials[i].Role != trial.RoleLoad || beyond {
			continue
		}
		if best < 0 || rate(i) > rate(best) {
			best = i
		}
	}
	return best
}

// probes returns the valid probes.
func (c carryCheck) probes(old []trial.Probe, s probeSpace) []trial.Probe {
	a, b := c.oldPlan.Options, c.newPlan.Options
	a.Rule, b.Rule = 0, 0 // the batching rule does not change the time of a batch
	if !c.sameRequests || a != b {
		return nil
	}
	var out []trial.Probe
	for _, p := range old {
		if slices.Contains(s.groups, groupOf(p.Settings)) {
			out = append(out, p)
		}
	}
	return out
}

// String says in one line what is used, what is not, and why.
func (c Carried) String() string {
	var parts []string
	if kept := len(c.History.Trials) - c.Derived; kept > 0 || c.Derived+len(c.Dropped) == 0 {
		parts = append(parts, fmt.Sprintf("trials kept: %d", kept))
	}
	if c.Derived > 0 {
		parts = append(parts, fmt.Sprintf("carried over to the limit of %v from %v: %d", c.to, c.from, c.Derived))
	}
	dropped, why := 0, []string{}
	for d := range DropReason(len(dropTexts)) {
		if n := c.Dropped[d]; n > 0 {
			dropped += n
			why = append(why, fmt.Sprintf("%v (%d)", d, n))
		}
	}
	if dropped > 0 {
		parts = append(parts, fmt.Sprintf("not used: %d, %s", dropped, strings.Join(why, ", ")))
	}
	if c.oldProbes > 0 {
		parts = append(parts, fmt.Sprintf("service times kept: %d of %d", len(c.History.Probes), c.oldProbes))
	}
	return strings.Join(parts, "; ")
}
