package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Limits of the number of probes.
const (
	probeLimit = 40
	minProbes  = 4
	probeCost  = 750 * time.Millisecond // time of a probe of a fast model, including the change of settings
	slowBatch  = 500 * time.Millisecond // from this time of a batch on, a probe runs slowProbe batches
	slowProbe  = 4                      // number of batches, including warm-up
)

// group has the settings that the service time of a batch depends on, besides its size. The effect
// of the target's own knobs is unknown, so that they are part of the group.
type group struct {
	own       knob.OwnValues
	device    string
	precision knob.Precision
	threads   int
	workers   int
}

func groupOf(s knob.Settings) group {
	return group{s.Own, s.Device, s.Precision, s.Threads, s.Workers}
}

// sessionKind returns the group without its workers: what determines the sessions.
func (g group) sessionKind() group {
	g.workers = 0
	return g
}

// compare orders groups so that a sequence of them needs the fewest reloads, then the fewest
// changes of the number of workers.
func (g group) compare(o group) int {
	return cmp.Or(
		g.own.Compare(o.own), cmp.Compare(g.device, o.device), cmp.Compare(g.precision, o.precision),
		cmp.Compare(g.threads, o.threads), cmp.Compare(g.workers, o.workers),
	)
}

// probeKey identifies a probe: group and batch size.
type probeKey struct {
	group
	batch int
}

func probeKeyOf(p trial.Probe) probeKey { return probeKey{groupOf(p.Settings), p.BatchSize} }

// probeSpace has the groups of a plan's points and their batch sizes, both sorted.
type probeSpace struct {
	groups  []group
	batches map[group][]int
	sample  map[probeKey]knob.Settings // of the points with this key, the settings with the longest delay
}

func newProbeSpace(points []plan.Point) probeSpace {
	s := probeSpace{batches: map[group][]int{}, sample: map[probeKey]knob.Settings{}}
	for _, p := range points {
		g := groupOf(p.Settings)
		k := probeKey{g, p.Settings.BatchSize}
		if old, ok := s.sample[k]; !ok || p.Settings.BatchDelay > old.BatchDelay {
			s.sample[k] = p.Settings
		}
		if !slices.Contains(s.groups, g) {
			s.groups = append(s.groups, g)
		}
		if !slices.Contains(s.batches[g], k.batch) {
			s.batches[g] = append(s.batches[g], k.batch)
		}
	}
	slices.SortFunc(s.groups, group.compare)
	for _, b := range s.batches {
		slices.Sort(b)
	}
	return s
}

// point returns the probe of k. If no point has the batch size, the other knobs are those of a
// point with another batch size.
func (s probeSpace) point(k probeKey) plan.Point {
	settings, ok := s.sample[k]
	if !ok {
		settings = s.sample[probeKey{k.group, s.batches[k.group][0]}]
		settings.BatchSize = k.batch
	}
	return plan.Point{Settings: settings, Role: trial.RoleProbe, Reason: fmt.Sprintf("service time of a batch of %d", k.batch)}
}

// prober decides which probes are made. They depend only on the plan's points and the results of
// the first probe, so that a resumed sweep makes the same ones.
type prober struct {
	probeSpace
	maxProbes   int
	allowance   time.Duration // for all probes together; 0 is no limit
	firstProbes []probeKey    // first stage: all groups, or a selection
}

func newProber(p plan.Plan, points []plan.Point) prober {
	s := prober{probeSpace: newProbeSpace(points), maxProbes: probeLimit, allowance: p.Budget.ProbeTime()}
	if s.allowance > 0 {
		s.maxProbes = min(max(int(s.allowance/probeCost), minProbes), probeLimit)
	}
	s.firstProbes = s.firstStage(func(keys []probeKey) bool { return len(keys) <= s.maxProbes })
	return s
}

// reductions are the ways to make fewer probes: the numbers of workers per kind of session, and of
// batch sizes per group.
var reductions = [...]struct{ workers, batches int }{
	{math.MaxInt, 3},
	{4, 3},
	{3, 3},
	{3, 2},
	{2, 2},
	{1, 2},
}

// firstStage returns the probes of the first stage: the smallest, a middle and the largest batch of
// every group, if fit allows so many. Otherwise it selects fewer numbers of workers, fewer batch
// sizes, and at last fewer kinds of session.
func (s prober) firstStage(fit func([]probeKey) bool) []probeKey {
	var out []probeKey
	for _, c := range reductions {
		out = nil
		for _, g := range s.someGroups(c.workers) {
			for _, b := range s.someBatches(g, c.batches) {
				out = append(out, probeKey{g, b})
			}
		}
		if fit(out) {
			return out
		}
	}
	return out[:min(s.maxProbes&^1, len(out))] // an even number: two batch sizes per group
}

// firstStageFor returns the probes of the first stage, given the time of the first one: fewer for a
// slow model.
func (s prober) firstStageFor(found []trial.Probe) []probeKey {
	if s.allowance == 0 || len(found) == 0 {
		return s.firstProbes
	}
	return s.firstStage(func(keys []probeKey) bool {
		total := time.Duration(0)
		for _, k := range keys {
			total += expectedTime(k, found[:1])
		}
		return len(keys) <= s.maxProbes && total <= s.allowance
	})
}

// withinAllowance reports whether another probe keeps the total time of the probes within the
// allowance.
func (s prober) withinAllowance(k probeKey, found []trial.Probe) bool {
	if s.allowance == 0 || len(found) == 0 {
		return true
	}
	spent := 0.
	for _, p := range found {
		spent += p.Seconds
	}
	return time.Duration(spent*float64(time.Second))+expectedTime(k, found) <= s.allowance
}

// expectedTime estimates the time of a probe from earlier ones, as if batching saved no time and
// the workers ran one after the other. The time is therefore seldom longer. It is the smallest
// estimate of all earlier probes.
func expectedTime(k probeKey, found []trial.Probe) time.Duration {
	best := time.Duration(math.MaxInt64)
	for _, p := range found {
		taken := time.Duration(p.Seconds * float64(time.Second))
		ms, ok := p.ServiceTime.Median.Get()
		if !ok {
			best = min(best, max(taken, probeCost)) // the probe had no result within this time
			continue
		}
		batch := time.Duration(ms * float64(time.Millisecond))
		if taken < batch { // in virtual time, which needs hardly any real time
			return probeCost
		}
		probes := float64(taken) / float64(max(batch, 1))
		if batch < slowBatch {
			probes = slowProbe
		}
		items := max(float64(k.batch)/float64(p.BatchSize), 1) * max(float64(k.workers)/float64(p.Settings.Workers), 1)
		best = min(best, max(time.Duration(probes*items*float64(batch)), probeCost))
	}
	return best
}

// someGroups selects at most n numbers of workers for each kind of session, always including the
// largest: service times with fewer workers are not longer.
func (s prober) someGroups(n int) []group {
	var out []group
	for i := 0; i < len(s.groups); {
		j := i
		for j < len(s.groups) && s.groups[j].sessionKind() == s.groups[i].sessionKind() {
			j++
		}
		out = append(out, pickEvenly(s.groups[i:j], n)...)
		i = j
	}
	return out
}

// someBatches selects at most n batch sizes of a group. If there is only one, a batch of 1 is
// added, because the service times of batches that are not full are needed too.
func (s prober) someBatches(g group, n int) []int {
	b := s.batches[g]
	if len(b) == 1 && b[0] > 1 {
		return []int{1, b[0]}
	}
	return pickEvenly(b, n)
}

// pickEvenly selects at most n of v, evenly spaced, including the first and the last. n = 1 selects
// the last.
func pickEvenly[T any](v []T, n int) []T {
	if len(v) <= n {
		return v
	}
	if n == 1 {
		return v[len(v)-1:]
	}
	out := make([]T, n)
	for i := range out {
		out[i] = v[i*(len(v)-1)/(n-1)]
	}
	return out
}

// next returns the first probe that was not made, is needed and is within the allowance.
func (s prober) next(found []trial.Probe, second func() []probeKey, unneeded func(probeKey) bool) (plan.Point, bool) {
	done := map[probeKey]bool{}
	for _, p := range found {
		done[probeKeyOf(p)] = true
	}
	stages := []func() []probeKey{func() []probeKey { return s.firstStageFor(found) }, second}
	for _, stage := range stages {
		for _, k := range stage() {
			if !done[k] && s.withinAllowance(k, found) && !unneeded(k) {
				p := s.point(k)
				p.Reason += fmt.Sprintf(" with %d %s", k.workers, map[bool]string{true: "worker", false: "workers"}[k.workers == 1])
				return p, true
			}
		}
	}
	return plan.Point{}, false
}

// otherBatches returns the probes of the second stage: the other batch sizes of the groups, in the
// given order, up to the maximal number of probes. They are needed because a service time between
// two sizes may differ from their linear interpolation.
func (s prober) otherBatches(groups []group) []probeKey {
	probed := map[probeKey]bool{}
	for _, k := range s.firstProbes {
		probed[k] = true
	}
	var out []probeKey
	for _, g := range groups {
		for _, b := range s.batches[g] {
			k := probeKey{g, b}
			if probed[k] {
				continue
			}
			if len(s.firstProbes)+len(out) == s.maxProbes {
				return out
			}
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b probeKey) int {
		return cmp.Or(a.group.compare(b.group), cmp.Compare(a.batch, b.batch))
	})
	return out
}

// outline describes the probes, one line each.
func (s prober) outline() []string {
	out := []string{fmt.Sprintf("probes: %d service times of full batches with all workers busy, half a second or one batch each", len(s.firstProbes))}
	if s.allowance > 0 {
		out = append(out, fmt.Sprintf("  fewer for a slow model: together at most %v of the budget", s.allowance.Round(100*time.Millisecond)))
	}
	for i := 0; i < len(s.firstProbes); {
		g := s.firstProbes[i].group
		sizes := []string{}
		for ; i < len(s.firstProbes) && s.firstProbes[i].group == g; i++ {
			sizes = append(sizes, strconv.Itoa(s.firstProbes[i].batch))
		}
		out = append(out, fmt.Sprintf("  workers %d, %v, %s, threads %d: batch %s", g.workers, g.precision, g.device, g.threads, strings.Join(sizes, ", ")))
	}
	probed := map[group]bool{}
	for _, k := range s.firstProbes {
		probed[k.group] = true
	}
	if n := len(s.groups) - len(probed); n > 0 {
		out = append(out, fmt.Sprintf("  %d other numbers of workers or kinds of session use the times of the next slower ones", n))
	}
	if left := s.maxProbes - len(s.firstProbes); left > 0 {
		out = append(out, fmt.Sprintf("  then up to %d more: other batch sizes of the most promising of these", left))
	}
	return out
}
