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

// Carried is what a resumed sweep takes over from the one before it.
type Carried struct {
	History  trial.History
	Restated int                // trials whose verdict is on a new limit
	Dropped  map[DropReason]int // trials that are not taken over, by the first reason

	probes   int // there were
	from, to time.Duration
}

// DropReason is why a trial is not taken over.
type DropReason uint8

// The reasons, in the order in which they are looked for.
const (
	OtherRequests DropReason = iota // it was sent other requests
	OtherOptions                    // it was measured under another rule, or other options
	NoPoint                         // its settings or its load are not in the plan
	OtherPromise                    // its verdict says nothing about the plan's promise
	InPart                          // other trials of its setting are not taken over
	RateSearch                      // it is of a rate search, and not its bound
)

var dropTexts = []string{
	OtherRequests: "other requests", OtherOptions: "another rule or other options", NoPoint: "no point of this plan",
	OtherPromise: "the promise is another", InPart: "their settings are measured anew as a whole",
	RateSearch: "of a rate search only its bound is kept",
}

func (d DropReason) String() string { return dropTexts[d] }

// Carry is what of a history that was measured under one plan holds under
// another, whose points are given.
//
// Trials stay if they are of one of the points, were sent the same requests with
// the same options, and their verdict holds for the new promise
// ([trial.Verdict.Carry]). Where the limit is another, the trials of a setting
// under a load go together: those that passed alone, without the one that failed,
// would be the lucky half. Of a search for the highest rate only its bound stays.
//
// Probes know neither promise nor load. They stay if the points have settings
// whose batches take that time.
func Carry(old trial.History, was, now plan.Plan, points []plan.Point) Carried {
	c := carrier{was: was, now: now, same: requests(was) == requests(now), points: map[spot]bool{}}
	for _, p := range points {
		c.points[c.spotOf(p.Settings, p.Load)] = true
	}
	out := Carried{Dropped: map[DropReason]int{}, probes: len(old.Probes), from: was.SLA.Limit, to: now.SLA.Limit}
	reasons := make([]*DropReason, len(old.Trials))
	trials := slices.Clone(old.Trials)
	for i := range trials {
		trials[i].Verdict, reasons[i] = c.look(trials[i])
	}
	if was.SLA != now.SLA {
		c.whole(trials, reasons)
	}
	for i, t := range trials {
		if reasons[i] != nil {
			out.Dropped[*reasons[i]]++
			continue
		}
		if t.Verdict != old.Trials[i].Verdict {
			out.Restated++
		}
		out.History.Trials = append(out.History.Trials, t)
	}
	out.History.Probes = c.probes(old.Probes, newSpace(points))
	return out
}

// carrier takes trials over from one plan to another.
type carrier struct {
	was, now plan.Plan
	same     bool // the requests are
	points   map[spot]bool
}

// spotOf is oracle.spotOf: of question capacity the rate is what is looked for.
func (c carrier) spotOf(s knob.Settings, l load.Spec) spot {
	if c.now.Question == plan.Capacity {
		l.Rate = 0
	}
	return spot{s, l}
}

// requests names all of a plan that says what is sent. What has nothing to do with
// that is left out by name, so that a field which plans get later counts. Paths
// keep their last part, as in a profile's plan.
func requests(p plan.Plan) string {
	p.Model, p.Target = "", "" // model and machine are compared by their hashes
	p.Options, p.Question, p.SLA, p.Loads, p.Knobs = knob.Options{}, 0, trial.SLA{}, nil, nil
	p.Strategy, p.Order, p.Objective, p.Constraints = "", 0, 0, plan.Constraints{}
	p.Budget, p.Trial, p.Seed = plan.Budget{}, plan.Trial{}, 0
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
		return err.Error() // a plan always encodes
	}
	return string(text)
}

// look is a trial's verdict under the new plan, or what speaks against it.
func (c carrier) look(t trial.Trial) (trial.Verdict, *DropReason) {
	drop := func(d DropReason) (trial.Verdict, *DropReason) { return t.Verdict, &d }
	switch {
	case !c.same:
		return drop(OtherRequests)
	case t.Options != c.now.Options:
		return drop(OtherOptions)
	case !c.points[c.spotOf(t.Settings, t.Load)] || t.Role == trial.RoleLive:
		return drop(NoPoint)
	}
	v, ok := t.Verdict.Carry(c.was.SLA, c.now.SLA)
	if !ok {
		return drop(OtherPromise)
	}
	return v, nil
}

// whole drops what is left of a setting under a load of which not every trial is
// taken over, or of a search for the highest rate all but its bound.
func (c carrier) whole(trials []trial.Trial, reasons []*DropReason) {
	of := map[spot][]int{}
	for i, t := range trials {
		s := c.spotOf(t.Settings, t.Load)
		of[s] = append(of[s], i)
	}
	for _, ids := range of {
		gone := slices.ContainsFunc(ids, func(i int) bool { return reasons[i] != nil })
		bound, d := -1, InPart
		if c.now.Question == plan.Capacity {
			bound, d = c.bound(trials, reasons, ids), RateSearch
		} else if !gone {
			continue
		}
		for _, i := range ids {
			if reasons[i] == nil && i != bound {
				reasons[i] = &d
			}
		}
	}
}

// bound is what a search of one setting's highest rate says about another limit:
// the highest rate that kept a tighter one, below all that did not, or the lowest
// that broke a looser one, above all that did not. Every other trial would count
// against the few that a search has. -1 is nothing.
func (c carrier) bound(trials []trial.Trial, reasons []*DropReason, ids []int) int {
	up := 1.0 // towards higher rates
	if c.now.SLA.Limit < c.was.SLA.Limit {
		up = -1
	}
	rate := func(i int) float64 { return up * trials[i].Load.Rate }
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

// probes are those that say how long batches of the new plan's points take.
func (c carrier) probes(old []trial.Probe, s space) []trial.Probe {
	a, b := c.was.Options, c.now.Options
	a.Rule, b.Rule = 0, 0 // it forms batches, and does not run them
	if !c.same || a != b {
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

// String says in one line what was taken over and what was not, and why.
func (c Carried) String() string {
	var parts []string
	if kept := len(c.History.Trials) - c.Restated; kept > 0 || c.Restated+len(c.Dropped) == 0 {
		parts = append(parts, fmt.Sprintf("trials kept: %d", kept))
	}
	if c.Restated > 0 {
		parts = append(parts, fmt.Sprintf("carried over to the limit of %v from %v: %d", c.to, c.from, c.Restated))
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
	if c.probes > 0 {
		parts = append(parts, fmt.Sprintf("service times kept: %d of %d", len(c.History.Probes), c.probes))
	}
	return strings.Join(parts, "; ")
}
