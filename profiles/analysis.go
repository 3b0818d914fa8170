package profiles

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// analysis is the analysis of the parts of a merge: which of their trials are copies, and
// which of their choices and validations count for the choice of the merged profile.
type analysis struct {
	plan plan.Plan
	sla  trial.SLA

	// Indexed by part:
	number         []map[int]int // new numbers of its trials by their old ones
	copiedTrials   [][]bool      // its trials that an earlier part has too
	copiedProbes   [][]bool      // its probes that an earlier part has too
	rejectedChoice []string      // why its choice is left out; "" if it is kept or there is none

	trials  []trial.Trial             // all trials without the copies, with new numbers and the verdicts for the common promise
	chosen  map[int]trial.Explanation // the choices of the parts that are not left out, by the new numbers of their trials
	usable  map[int]bool              // new numbers of the trials whose validations count
	ranking rank.Ranking              // of trials
	shards  *Shards                   // nil if the parts are no shards
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
	a.chosen, a.usable = map[int]trial.Explanation{}, map[int]bool{}
	a.ranking = rank.New(rank.RulesOf(a.plan), a.trials)
	for i, p := range parts {
		a.rejectedChoice = append(a.rejectedChoice, a.addChoice(p, a.number[i], resumer(parts, p)))
		for _, t := range p.Trials {
			if n := a.number[i][t.N]; a.counts(p) {
				a.usable[n] = true
			}
		}
	}
	return a
}

// counts reports whether the validations of a part count. Those of shards do not if the machines of the shards cannot be
// compared, nor if the shard was cut before it validated its best setting.
func (a *analysis) counts(p *Profile) bool {
	_, chosen := p.Choice()
	return a.shards == nil || a.shards.Why == "" && (p.Header.Shard == nil || chosen)
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

// addChoice adds the choice of a part to the choices that count. If it does not, why says the reason. by is the part that
// resumes it, nil if there is none.
func (a *analysis) addChoice(p *Profile, number map[int]int, by *Profile) (why string) {
	choice, chosen := p.Choice()
	n := number[choice.N]
	if !chosen || n == 0 && by == nil {
		return ""
	}
	rejected := fmt.Sprintf("the choice of %s is left out: ", p.Header.ID)
	if by != nil {
		return rejected + by.Header.ID + " resumes it"
	}
	t := a.trials[n-1]
	fails, failing := a.failsAnywhere(t)
	switch {
	case fails:
		return rejected + fmt.Sprintf("trial %d fails with its settings", failing)
	case t.Verdict.Result != trial.Pass:
		return rejected + "its trial is not known to keep the promise of the others"
	case !a.counts(p):
		return rejected + a.shards.Why
	}
	a.chosen[n] = choice.Why
	return ""
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

// best returns the best row that may be recommended, by the rules of the plan, as in a sweep. The other ones are the
// runners-up, best first. As in a sweep, a validation must have confirmed it, or a part has chosen it.
func (a *analysis) best() (best rank.Row, runners []int, ok bool) {
	accept := func(r rank.Row) bool { return a.whyNot(r) == "" }
	if best, ok = a.ranking.ChosenOf(accept); !ok {
		return best, nil, false
	}
	for _, r := range a.ranking.Candidates() {
		if accept(r) && a.numberOf(r) != a.numberOf(best) {
			runners = append(runners, a.numberOf(r))
		}
	}
	return best, runners, true
}

// whyNot says why a row that meets the promise may not be recommended; "" if it may.
func (a *analysis) whyNot(r rank.Row) string {
	if _, chosen := a.choiceIn(r); chosen && r.Verdict().Result == trial.Pass {
		return ""
	}
	fails, n := a.failsAnywhere(r.Joined)
	usable := slices.ContainsFunc(r.Runs, func(i int) bool {
		return a.trials[i].Role == trial.RoleValidation && a.usable[a.trials[i].N]
	})
	switch {
	case !r.Validated:
		return "it was not validated"
	case fails:
		return fmt.Sprintf("trial %d fails with its settings", n)
	case !usable:
		return cmp.Or(a.shards.Why, "its shard ended before it chose a setting")
	}
	return ""
}

// choiceIn returns the number of the trial of a row that a part has chosen; false if there is none.
func (a *analysis) choiceIn(r rank.Row) (n int, ok bool) {
	for _, i := range r.Runs {
		if _, chosen := a.chosen[a.trials[i].N]; chosen {
			n, ok = a.trials[i].N, true
		}
	}
	return n, ok
}

// numberOf returns the number of the trial that stands for a row: that of a choice, or else its last validation.
func (a *analysis) numberOf(r rank.Row) int {
	if n, ok := a.choiceIn(r); ok {
		return n
	}
	return r.Joined.N
}

// passedOver says of the validated rows that are ranked before the choice why they are not chosen.
func (a *analysis) passedOver(best rank.Row) (out []string) {
	for i, r := range a.ranking.InOrder() {
		if r.Joined.N == best.Joined.N {
			break
		}
		if r.Validated && a.ranking.Rules.Meets(r.Joined) {
			out = append(out, fmt.Sprintf("rank %d is validated and is not the best: %s", i+1, a.whyPassedOver(r)))
		}
	}
	return out
}

func (a *analysis) whyPassedOver(r rank.Row) string {
	if why := a.whyNot(r); why != "" {
		return why
	}
	if others := a.ranking.DescribeOtherLoads(r); len(others) > 0 {
		return strings.Join(others, "; ")
	}
	if _, narrow := a.ranking.ConfirmedBelow(r); narrow {
		return "it passed narrowly, so that a lower rate was validated"
	}
	return "its settings failed or were not confirmed at this rate or a lower one"
}

// choice returns the choice of the merged profile.
func (m *merger) choice(r rank.Row, runners []int) trial.Choice {
	n := m.numberOf(r)
	t, part := m.trials[n-1], m.chosen[n]
	why := trial.Explanation{
		Text: "the best of the parts' choices", Limit: part.Limit, RunnersUp: append([]int{}, runners...),
		HighestRPS: part.HighestRPS, PlanRPS: part.PlanRPS,
	}
	if v := t.Verdict; v.LimitMS > 0 {
		why.Headroom = trial.NumOf(1 - v.ValueMS.Or(t.Latency.P99.Value.Or(0))/v.LimitMS)
	}
	if others := m.ranking.DescribeOtherLoads(r); len(others) > 0 {
		why.Text += "."
		why.Add("validated", strings.Join(others, "; "))
	}
	return trial.Choice{At: m.at, N: n, By: "merge", Settings: t.Settings, Why: why}
}

// The exit codes of a sweep.
const yes, no, cannotTell = 0, 2, 3

// exit returns the exit code of the merged sweep: 0 if a setting keeps the promise under all loads of the plan, 2 if
// none does, else 3. It is 2 only if no part is missing, each part that no other part
// resumes ended with 2, and no trial may still keep the promise. best is nil without a choice.
func (a *analysis) exit(parts []*Profile, best *rank.Row, missing bool) int {
	switch {
	case best != nil && a.ranking.UnderAllLoads(*best) == trial.Pass:
		return yes
	case best != nil || missing || len(a.trials) == 0:
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
