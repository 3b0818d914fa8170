package profiles

import (
	"encoding/json"
	"fmt"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// joined is what the parts of a merge say together: which trials they share, and
// which of their choices count.
type joined struct {
	plan plan.Plan
	sla  trial.SLA

	// By part:
	number  []map[int]int // of its trials, old to new
	copied  [][]bool      // its trials that an earlier part has
	known   [][]bool      // its probes that an earlier part has
	against []string      // why its choice does not count, "" if it does or there is none

	trials []trial.Trial // all, once each, with their new numbers, judged by the promise as far as that goes
	best   []candidate
}

// candidate is the trial that a part would choose, with the reasons it gave.
type candidate struct {
	trial.Trial
	why trial.Explanation
}

// join looks at the parts, in their order. The first one's plan is that of all.
func join(parts []*Profile) joined {
	j := joined{plan: parts[0].plan()}
	j.sla, _ = parts[0].SLA()
	trials, probes := map[string]int{}, map[string]bool{}
	for _, p := range parts {
		j.add(p, trials, probes)
	}
	for i, p := range parts {
		c, why := j.candidate(p, j.number[i], resumer(parts, p))
		if c != nil {
			j.best = append(j.best, *c)
		}
		j.against = append(j.against, why)
	}
	return j
}

// plan is the profile's plan as far as it can be read; a live recording has none.
func (p *Profile) plan() plan.Plan {
	out := plan.Default()
	var read plan.Plan
	if json.Unmarshal(p.Header.Plan, &read) == nil {
		out = read
	}
	return out
}

// resumer is the part that resumes p, nil if none does.
func resumer(parts []*Profile, p *Profile) *Profile {
	i := slices.IndexFunc(parts, func(o *Profile) bool { return o.Header.Resumes != nil && *o.Header.Resumes == p.Header.ID })
	if i < 0 {
		return nil
	}
	return parts[i]
}

// add numbers the trials of a part. A sweep that resumes another has its trials
// too, to the millisecond and the last request; two shards never do.
func (j *joined) add(p *Profile, trials map[string]int, probes map[string]bool) {
	resumes := p.Header.Resumes != nil
	number, copied, known := map[int]int{}, make([]bool, len(p.Trials)), make([]bool, len(p.Probes))
	own, _ := p.SLA()
	for i, t := range p.Trials {
		k := trialKey(t)
		if n, there := trials[k]; there && resumes {
			number[t.N], copied[i] = n, true
			continue
		}
		old := t.N
		t.N = len(j.trials) + 1
		t.Verdict = j.judged(t.Verdict, own)
		number[old], trials[k] = t.N, t.N
		j.trials = append(j.trials, t)
	}
	for i, t := range p.Probes {
		k := probeKey(t)
		known[i] = resumes && probes[k]
		probes[k] = true
	}
	j.number, j.copied, j.known = append(j.number, number), append(j.copied, copied), append(j.known, known)
}

// judged is a verdict under the promise of all; undecided where it is on another
// one and says nothing about it, as in parts that were joined by force.
func (j *joined) judged(v trial.Verdict, own trial.SLA) trial.Verdict {
	v, ok := v.Restate(own, j.sla)
	if !ok {
		v.Result = trial.Undecided
	}
	return v
}

// trialKey tells measurements apart. Neither number nor verdict is in it: who
// resumes a sweep may judge its trials by another limit.
func trialKey(t trial.Trial) string {
	return key(t.At, t.Role, t.Seed, t.Settings, t.Options, t.Load, t.Seconds, t.Counts, t.Throughput, t.Hist)
}

func probeKey(p trial.Probe) string { return key(p.At, p.Settings, p.BatchSize, p.Runs, p.ServiceTime) }

func key(of ...any) string {
	text, err := json.Marshal(of)
	if err != nil {
		panic("profiles: " + err.Error()) // what was read from JSON encodes
	}
	return string(text)
}

// candidate is what a part would choose: its choice, or of a part that has none the
// best that passed. why says what is wrong with the choice, "" if nothing is.
func (j *joined) candidate(p *Profile, number map[int]int, by *Profile) (c *candidate, why string) {
	choice, chosen := p.Choice()
	if by != nil {
		if chosen {
			why = fmt.Sprintf("the choice of %s is left out: %s resumes it", p.Header.ID, by.Header.ID)
		}
		return nil, why
	}
	for _, t := range j.wanted(p, choice, chosen, number) {
		refuted, n := j.refuted(t)
		switch {
		case t.Verdict.Result == trial.Pass && !refuted:
			return &candidate{t, choice.Why}, ""
		case !chosen:
		case refuted:
			return nil, fmt.Sprintf("the choice of %s is left out: trial %d fails with its settings", p.Header.ID, n)
		default:
			return nil, fmt.Sprintf("the choice of %s is left out: its trial is not known to keep the promise of the others", p.Header.ID)
		}
	}
	return nil, ""
}

// wanted are the trials that a part may stand for, best first: the chosen one alone,
// if there is one.
func (j *joined) wanted(p *Profile, choice trial.Choice, chosen bool, number map[int]int) []trial.Trial {
	if chosen {
		if n := number[choice.N]; n > 0 {
			return j.trials[n-1 : n]
		}
	}
	var own, out []trial.Trial
	for _, t := range p.Trials {
		own = append(own, j.trials[number[t.N]-1])
	}
	for _, i := range j.rank(own) {
		out = append(out, own[i])
	}
	return out
}

// setting is what makes two trials look at the same thing.
type setting struct {
	knob.Settings
	knob.Options
	load load.Spec
}

func (j *joined) setting(t trial.Trial) setting {
	if j.plan.Question == plan.Capacity {
		t.Load.Rate = 0
	}
	return setting{t.Settings, t.Options, t.Load}
}

// refuted tells whether a trial of any part, of this number, fails with the
// settings of t under its load, or where the highest rate is looked for under a
// lower one.
func (j *joined) refuted(t trial.Trial) (bool, int) {
	i := slices.IndexFunc(j.trials, func(o trial.Trial) bool {
		return o.Verdict.Result == trial.Fail && j.setting(o) == j.setting(t) && o.Load.Rate <= t.Load.Rate
	})
	if i < 0 {
		return false, 0
	}
	return true, j.trials[i].N
}

// rank orders trials by what the plan asks for: indexes, best first.
func (j *joined) rank(trials []trial.Trial) []int { return rank.RulesOf(j.plan).Rank(trials) }

// pick is the best of the candidates by the rules of the plan, and the others, best
// first.
func (j *joined) pick() (best *candidate, runners []int) {
	var trials []trial.Trial
	for _, c := range j.best {
		trials = append(trials, c.Trial)
	}
	for _, i := range j.rank(trials) {
		if best == nil {
			best = &j.best[i]
		} else {
			runners = append(runners, j.best[i].N)
		}
	}
	return best, runners
}

// choice is the line of the candidate that won.
func (m *merger) choice(c candidate, runners []int) trial.Choice {
	why := trial.Explanation{
		Text: "the best of the parts' choices", Limit: c.why.Limit, RunnersUp: runners,
		HighestRPS: c.why.HighestRPS, PlanRPS: c.why.PlanRPS,
	}
	if v := c.Verdict; v.LimitMS > 0 {
		why.Headroom = trial.NumOf(1 - v.ValueMS.Or(c.Latency.P99.Value.Or(0))/v.LimitMS)
	}
	return trial.Choice{At: m.at, N: c.N, By: "merge", Settings: c.Settings, Why: why}
}

// exit is the exit code that tells the same as the merged sweep: 0 a setting meets
// the promise, 2 none does, 3 is for everything else. A no takes all of a sweep: no
// part missing, each that no other resumes sure of its no, and no trial left that
// may still meet the promise.
func (j *joined) exit(parts []*Profile, chosen, missing bool) int {
	const yes, no, cannotTell = 0, 2, 3
	switch {
	case chosen:
		return yes
	case missing || len(j.trials) == 0:
		return cannotTell
	}
	for _, p := range parts {
		if resumer(parts, p) == nil && (p.End == nil || p.End.Exit != no) {
			return cannotTell
		}
	}
	for _, t := range j.trials {
		if refuted, _ := j.refuted(t); t.Verdict.Result != trial.Fail && !refuted {
			return cannotTell
		}
	}
	return no
}
