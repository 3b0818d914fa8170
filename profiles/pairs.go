package profiles

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// point is what two trials have in common if they can be compared.
type point struct {
	settings knob.Settings
	options  knob.Options
	load     load.Spec
}

func pointOf(t trial.Trial) point { return point{t.Settings, t.Options, t.Load} }

// matchTrials returns the pairs of trials to compare, and notes on the trials without a partner.
func matchTrials(a, b *Profile, choice bool) ([]Pair, []string, error) {
	if choice {
		p, err := pairChoices(a, b)
		return p, nil, err
	}
	var out []Pair
	inA, inB := points(a), points(b)
	if a.Header.Kind == FromSuite || b.Header.Kind == FromSuite {
		out = pairReported(inA, inB)
		inA, inB = nil, nil // without notes on the others: one trial may be in several pairs
	}
	matched := len(out)
	for _, t := range inA {
		if i := slices.IndexFunc(inB, func(u trial.Trial) bool { return pointOf(u) == pointOf(t) }); i >= 0 {
			out = append(out, newPair(t, inB[i]))
		}
	}
	if len(out) == 0 {
		return nil, nil, errors.New("no two trials have the same settings and load; --choice compares the two choices")
	}
	for i := range out {
		out[i].n, out[i].k = len(out), widening(len(out))
	}
	var unmatched, notes []string
	for _, p := range []struct {
		id string
		n  int
	}{{a.Header.ID, len(inA) - len(out) + matched}, {b.Header.ID, len(inB) - len(out) + matched}} {
		if p.n > 0 {
			unmatched = append(unmatched, fmt.Sprintf("%d of %s", p.n, p.id))
		}
	}
	if len(unmatched) > 0 {
		notes = append(notes, "trials that only one of them has are left out: "+strings.Join(unmatched, ", "))
	}
	return out, notes, nil
}

// pairReported pairs trials that have the same load and the same values of all knobs that both
// report: results of TorchServe's benchmark suite have few knobs.
func pairReported(inA, inB []trial.Trial) []Pair {
	var out []Pair
	for _, t := range inA {
		for _, u := range inB {
			if t.Load == u.Load && sameReported(t.Settings, u.Settings) {
				out = append(out, newPair(t, u))
			}
		}
	}
	return out
}

func sameReported(a, b knob.Settings) bool {
	for _, k := range knob.All() {
		if a.Has(k.Name) && b.Has(k.Name) && a.Get(k.Name) != b.Get(k.Name) {
			return false
		}
	}
	return true
}

// points returns the trials of a profile that can be compared, one per settings and load.
// Of repeated trials it is the one with most answers, but one in which the server failed
// comes first: it would be missing otherwise, and the settings look as if nothing had happened.
func points(p *Profile) []trial.Trial {
	var out []trial.Trial
	for _, t := range p.Trials {
		failed := serverFailed(t)
		if !failed && (t.Error != "" || t.Counts.OK == 0 && p.Header.Kind != FromSuite) { // the suite's counts are not read
			continue
		}
		i := slices.IndexFunc(out, func(u trial.Trial) bool { return pointOf(u) == pointOf(t) })
		switch {
		case i < 0:
			out = append(out, t)
		case !serverFailed(out[i]) && (failed || t.Counts.OK > out[i].Counts.OK):
			out[i] = t
		}
	}
	return out
}

// serverFailed reports whether a trial has no figures because the server died or failed.
func serverFailed(t trial.Trial) bool { return t.Error != "" && t.Verdict.Result == trial.Fail }

// pairChoices pairs the two choices. Their settings may differ, their loads must be equal.
func pairChoices(a, b *Profile) ([]Pair, error) {
	ta, okA := a.Best()
	tb, okB := b.Best()
	switch {
	case !okA:
		return nil, fmt.Errorf("%s has no choice: no setting is known to keep its promise", a.Header.ID)
	case !okB:
		return nil, fmt.Errorf("%s has no choice: no setting is known to keep its promise", b.Header.ID)
	case ta.Load != tb.Load:
		return nil, fmt.Errorf("the choices were measured under different loads: %s and %s", ta.Load, tb.Load)
	case ta.Counts.OK == 0 || tb.Counts.OK == 0:
		return nil, errors.New("one of the choices has no answers")
	}
	return []Pair{newPair(ta, tb)}, nil
}

// newPair returns the only pair of a comparison.
func newPair(a, b trial.Trial) Pair {
	p := Pair{
		A: Side{a.N, a.Settings, a.Verdict.Result}, B: Side{b.N, b.Settings, b.Verdict.Result},
		Load: a.Load, a: a, b: b, k: 1, n: 1,
	}
	for _, t := range []trial.Trial{a, b} {
		for _, w := range t.WarningsOf(trial.GeneratorLimited) {
			p.Caveats = append(p.Caveats, fmt.Sprintf("trial %d: %v", t.N, w))
		}
	}
	return p
}
