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

// analysis is the analysis of the parts of a merge: which of their trials are copies, and
// which of their choices are candidates for the choice of the merged profile.
type analysis struct {
	plan plan.Plan
	sla  trial.SLA

	// Indexed by part:
	number         []map[int]int // new numbers of its trials by their old ones
	copiedTrials   [][]bool      // its trials that an earlier part has too
	copiedProbes   [][]bool      // its probes that an earlier part has too
	rejectedChoice []string      // why its choice is left out; "" if it is kept or there is none

	trials     []trial.Trial // all trials without the copies, with new numbers and the verdicts for the common promise
	candidates []candidate
	shards     *Shards // nil if the parts are no shards
}

// candidate is the trial that a part would choose, with the reasons of its choice.
type candidate struct {
	trial.Trial
	why trial.Explanation
}

// analyze analyzes the parts, in their order. The plan of the first one is the plan of the
// merged profile.
func analyze(parts []*Profile) analysis {
	a := analysis{plan: parts[0].Plan(), shards: shardsOf(parts)}
	a.sla, _ = parts[0].SLA()
	trials, probes := map[string]int{}, map[string]bool{}
	for _, p := range parts {
		a.add(p, trials, probes)
	}
	for i, p := range parts {
		c, why := a.candidate(p, a.number[i], resumer(parts, p))
		c, why = a.ofShard(p, c, why)
		if c != nil {
			a.candidates = append(a.candidates, *c)
		}
		a.rejectedChoice = append(a.rejectedChoice, why)
	}
	return a
}

// ofShard returns the candidate of a part that is a shard. It has none if the machines of the shards cannot be
// compared, or if the shard was cut before it validated its best setting. Other parts keep theirs.
func (a *analysis) ofShard(p *Profile, c *candidate, why string) (*candidate, string) {
	_, chosen := p.Choice()
	switch {
	case c == nil || a.shards == nil:
	case a.shards.Why != "" && chosen:
		return nil, fmt.Sprintf("the choice of %s is left out: %s", p.Header.ID, a.shards.Why)
	case a.shards.Why != "" || p.Header.Shard != nil && !chosen:
		return nil, why
	}
	return c, why
}

// resumer returns the part that resumes p, nil if there is none.
func resumer(parts []*Profile, p *Profile) *Profile {
	i := slices.IndexFunc(parts, func(o *Profile) bool { return o.Header.Resumes != nil && *o.Header.Resumes == p.Header.ID })
	if i < 0 {
		return nil
	}
	return parts[i]
}

// add gives new numbers to the trials of a part. A sweep that resumes another one has
// exact copies of its trials; two shards never have equal trials.
func (a *analysis) add(p *Profile, trials map[string]int, probes map[string]bool) {
	resumes := p.Header.Resumes != nil
	number, copiedTrials, copiedProbes := map[int]int{}, make([]bool, len(p.Trials)), make([]bool, len(p.Probes))
	sla, _ := p.SLA()
	for i, t := range p.Trials {
		k := trialKey(t)
		if n, ok := trials[k]; ok && resumes {
			number[t.N], copiedTrials[i] = n, true
			continue
		}
		old := t.N
		t.N = len(a.trials) + 1
		t.Verdict = a.carry(t.Verdict, sla)
		number[old], trials[k] = t.N, t.N
		a.trials = append(a.trials, t)
	}
	for i, t := range p.Probes {
		k := probeKey(t)
		copiedProbes[i] = resumes && probes[k]
		probes[k] = true
	}
	a.number = append(a.number, number)
	a.copiedTrials, a.copiedProbes = append(a.copiedTrials, copiedTrials), append(a.copiedProbes, copiedProbes)
}

// carry returns the verdict for the common promise, from the verdict v for the promise sla
// of a part. It is undecided if v does not imply one, as can be in parts with different
// promises that were merged with force.
func (a *analysis) carry(v trial.Verdict, sla trial.SLA) trial.Verdict {
	v, ok := v.Restate(sla, a.sla)
	if !ok {
		v.Result = trial.Undecided
	}
	return v
}

// trialKey identifies a measurement. It does not include number and verdict, because a
// sweep that resumes another one may have another limit.
func trialKey(t trial.Trial) string {
	return key(t.At, t.Role, t.Seed, t.Settings, t.Options, t.Load, t.Seconds, t.Counts, t.Throughput, t.Hist)
}

func probeKey(p trial.Probe) string { return key(p.At, p.Settings, p.BatchSize, p.Runs, p.ServiceTime) }

func key(of ...any) string {
	text, err := json.Marshal(of)
	if err != nil {
		panic("profiles: " + err.Error()) // values that were read from JSON can be encoded
	}
	return string(text)
}

// candidate returns the choice of a part, or, if it has none, its best setting that a validation
// confirmed: as in a sweep, no other one is recommended. by is the part that resumes it, nil if
// there is none. If the choice of the part is left out, why says the reason.
func (a *analysis) candidate(p *Profile, number map[int]int, by *Profile) (c *candidate, why string) {
	choice, chosen := p.Choice()
	if by != nil {
		if chosen {
			why = fmt.Sprintf("the choice of %s is left out: %s resumes it", p.Header.ID, by.Header.ID)
		}
		return nil, why
	}
	t, ok := a.chosenTrial(p, choice, number)
	if !ok {
		return nil, ""
	}
	fails, n := a.failsAnywhere(t)
	switch {
	case t.Verdict.Result == trial.Pass && !fails:
		return &candidate{t, choice.Why}, ""
	case !chosen:
		return nil, ""
	case fails:
		return nil, fmt.Sprintf("the choice of %s is left out: trial %d fails with its settings", p.Header.ID, n)
	}
	return nil, fmt.Sprintf("the choice of %s is left out: its trial is not known to keep the promise of the others", p.Header.ID)
}

// chosenTrial returns the trial of a part's choice, or, if it has none, the last validation of the setting that
// its trials would recommend; false if there is none.
func (a *analysis) chosenTrial(p *Profile, choice trial.Choice, number map[int]int) (trial.Trial, bool) {
	if n := number[choice.N]; n > 0 {
		return a.trials[n-1], true
	}
	var all []trial.Trial
	for _, t := range p.Trials {
		all = append(all, a.trials[number[t.N]-1])
	}
	row, ok := rank.New(rank.RulesOf(a.plan), all).Chosen()
	if !ok {
		return trial.Trial{}, false
	}
	return all[row.Representative], true
}

// setting is what two trials have in common if one verdict contradicts the other.
type setting struct {
	knob.Settings
	knob.Options
	load load.Spec
}

func (a *analysis) setting(t trial.Trial) setting {
	if a.plan.Question.SeeksRate() {
		t.Load.Rate = 0
	}
	return setting{t.Settings, t.Options, t.Load}
}

// failsAnywhere reports whether a trial of any part fails with the settings of t, and its number.
// Its load is that of t or, in a search for the highest rate, a lower one.
func (a *analysis) failsAnywhere(t trial.Trial) (bool, int) {
	i := slices.IndexFunc(a.trials, func(o trial.Trial) bool {
		return o.Verdict.Result == trial.Fail && a.setting(o) == a.setting(t) && o.Load.Rate <= t.Load.Rate
	})
	if i < 0 {
		return false, 0
	}
	return true, a.trials[i].N
}

// rank returns the indexes of trials, best first by the rules of the plan.
func (a *analysis) rank(trials []trial.Trial) []int { return rank.RulesOf(a.plan).Rank(trials) }

// best returns the best candidate by the rules of the plan, and the numbers of the others,
// best first.
func (a *analysis) best() (best *candidate, runners []int) {
	var trials []trial.Trial
	for _, c := range a.candidates {
		trials = append(trials, c.Trial)
	}
	for _, i := range a.rank(trials) {
		if best == nil {
			best = &a.candidates[i]
		} else {
			runners = append(runners, a.candidates[i].N)
		}
	}
	return best, runners
}

// choice returns the choice of the merged profile.
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

// The exit codes of a sweep.
const yes, no, cannotTell = 0, 2, 3

// exit returns the exit code of the merged sweep: 0 if a setting keeps the promise, 2 if
// none does, else 3. It is 2 only if no part is missing, each part that no other part
// resumes ended with 2, and no trial may still keep the promise.
func (a *analysis) exit(parts []*Profile, chosen, missing bool) int {
	switch {
	case chosen:
		return yes
	case missing || len(a.trials) == 0:
		return cannotTell
	}
	for _, p := range parts {
		if resumer(parts, p) == nil && (p.End == nil || p.End.Exit != no) {
			return cannotTell
		}
	}
	for _, t := range a.trials {
		if fails, _ := a.failsAnywhere(t); t.Verdict.Result != trial.Fail && !fails {
			return cannotTell
		}
	}
	return no
}
