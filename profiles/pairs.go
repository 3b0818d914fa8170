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

// point is what two trials have in common that are one measurement made twice.
type point struct {
	settings knob.Settings
	options  knob.Options
	load     load.Spec
}

func pointOf(t trial.Trial) point { return point{t.Settings, t.Options, t.Load} }

// pairs are the trials to compare, and notes on what was left out.
func pairs(a, b *Profile, choice bool) ([]Pair, []string, error) {
	if choice {
		p, err := choices(a, b)
		return p, nil, err
	}
	var out []Pair
	inA, inB := points(a), points(b)
	for _, t := range inA {
		if i := slices.IndexFunc(inB, func(u trial.Trial) bool { return pointOf(u) == pointOf(t) }); i >= 0 {
			out = append(out, newPair(t, inB[i]))
		}
	}
	if len(out) == 0 {
		return nil, nil, errors.New("no trial of one has the settings and the load of a trial of the other; --choice compares the two choices")
	}
	for i := range out {
		out[i].n, out[i].k = len(out), widening(len(out))
	}
	var left, notes []string
	for _, p := range []struct {
		id string
		n  int
	}{{a.Header.ID, len(inA) - len(out)}, {b.Header.ID, len(inB) - len(out)}} {
		if p.n > 0 {
			left = append(left, fmt.Sprintf("%d of %s", p.n, p.id))
		}
	}
	if len(left) > 0 {
		notes = append(notes, "left out: what only one measured: "+strings.Join(left, ", "))
	}
	return out, notes, nil
}

// points are the trials of a profile that can be compared, one for each
// settings and load: of repeated ones the one with most answers.
func points(p *Profile) []trial.Trial {
	var out []trial.Trial
	for _, t := range p.Trials {
		if t.Error != "" || t.Counts.OK == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(u trial.Trial) bool { return pointOf(u) == pointOf(t) })
		switch {
		case i < 0:
			out = append(out, t)
		case t.Counts.OK > out[i].Counts.OK:
			out[i] = t
		}
	}
	return out
}

// choices pairs the two choices. Their settings may differ, their loads may not.
func choices(a, b *Profile) ([]Pair, error) {
	ta, okA := a.Best()
	tb, okB := b.Best()
	switch {
	case !okA:
		return nil, fmt.Errorf("%s has no choice: no trial met its promise", a.Header.ID)
	case !okB:
		return nil, fmt.Errorf("%s has no choice: no trial met its promise", b.Header.ID)
	case ta.Load != tb.Load:
		return nil, fmt.Errorf("the choices were measured under other loads: %s and %s", ta.Load, tb.Load)
	case ta.Counts.OK == 0 || tb.Counts.OK == 0:
		return nil, errors.New("a choice without answers")
	}
	return []Pair{newPair(ta, tb)}, nil
}

// newPair is a pair that stands alone.
func newPair(a, b trial.Trial) Pair {
	p := Pair{
		A: Side{a.N, a.Settings, a.Verdict.Result}, B: Side{b.N, b.Settings, b.Verdict.Result},
		Load: a.Load, a: a, b: b, k: 1, n: 1,
	}
	for _, t := range []trial.Trial{a, b} {
		for _, w := range t.WarningsOf(trial.GeneratorLimited) {
			p.Doubts = append(p.Doubts, fmt.Sprintf("trial %d: %v", t.N, w))
		}
	}
	return p
}
