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

// Probes: how many there are at most, and how many a budget of time allows.
const (
	mostProbes  = 40
	leastProbes = 4
	probeCost   = 750 * time.Millisecond // of a probe of a fast model, with the change before it
	slowBatch   = 500 * time.Millisecond // from which a batch takes longer than the probe of a faster one
	slowProbe   = 4                      // batches that one of those takes, with warming up
)

// group is what the service time of a batch belongs to, beside its size. What the
// target's own knobs do to it nobody knows, so that times hold for one setting of them.
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

// family is a group without its workers: what shares a session.
func (g group) family() group {
	g.workers = 0
	return g
}

// compare orders groups so that a walk through them reloads least, then changes
// workers least.
func (g group) compare(o group) int {
	return cmp.Or(
		g.own.Compare(o.own), cmp.Compare(g.device, o.device), cmp.Compare(g.precision, o.precision),
		cmp.Compare(g.threads, o.threads), cmp.Compare(g.workers, o.workers),
	)
}

// probeKey is what one probe measures.
type probeKey struct {
	group
	batch int
}

func keyOf(p trial.Probe) probeKey { return probeKey{groupOf(p.Settings), p.BatchSize} }

// space is the groups of a plan's points with their batch sizes, in order.
type space struct {
	groups  []group
	batches map[group][]int
	sample  map[probeKey]knob.Settings // of the points, the one with the longest delay
}

func newSpace(points []plan.Point) space {
	s := space{batches: map[group][]int{}, sample: map[probeKey]knob.Settings{}}
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

// point is the probe of k. A batch size that the plan does not have takes the
// other knobs of one that it has.
func (s space) point(k probeKey) plan.Point {
	settings, ok := s.sample[k]
	if !ok {
		settings = s.sample[probeKey{k.group, s.batches[k.group][0]}]
		settings.BatchSize = k.batch
	}
	return plan.Point{Settings: settings, Role: trial.RoleProbe, Reason: fmt.Sprintf("service time of a batch of %d", k.batch)}
}

// scout asks for the probes that predictions start from. Which they are depends
// on the plan's points and on the results of the first of them only, so that a
// resumed sweep asks for the same ones.
type scout struct {
	space
	most      int
	allowance time.Duration // of all probes together; 0 is no limit
	first     []probeKey    // of every group, or of those that stand for the others
}

func newScout(p plan.Plan, points []plan.Point) scout {
	s := scout{space: newSpace(points), most: mostProbes, allowance: p.Budget.ProbeTime()}
	if s.allowance > 0 {
		s.most = min(max(int(s.allowance/probeCost), leastProbes), mostProbes)
	}
	s.first = s.ends(func(keys []probeKey) bool { return len(keys) <= s.most })
	return s
}

// coarser are the ways to probe less: how many numbers of workers of a family,
// and how many batch sizes of a group.
var coarser = [...]struct{ workers, batches int }{
	{math.MaxInt, 3},
	{4, 3},
	{3, 3},
	{3, 2},
	{2, 2},
	{1, 2},
}

// ends are the probes of the first stage: the smallest, a middle and the largest
// batch of every group, as far as they fit. Of too many groups the ends and some
// between them stand for the others, and of too many families the first ones.
func (s scout) ends(fit func([]probeKey) bool) []probeKey {
	var out []probeKey
	for _, c := range coarser {
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
	return out[:min(s.most&^1, len(out))] // whole pairs
}

// affordable are the probes of the first stage by what the first of them took: a
// slow model gets fewer.
func (s scout) affordable(found []trial.Probe) []probeKey {
	if s.allowance == 0 || len(found) == 0 {
		return s.first
	}
	return s.ends(func(keys []probeKey) bool {
		total := time.Duration(0)
		for _, k := range keys {
			total += expectedTime(k, found[:1])
		}
		return len(keys) <= s.most && total <= s.allowance
	})
}

// fits tells whether another probe stays within what all of them may take.
func (s scout) fits(k probeKey, found []trial.Probe) bool {
	if s.allowance == 0 || len(found) == 0 {
		return true
	}
	spent := 0.
	for _, p := range found {
		spent += p.Seconds
	}
	return time.Duration(spent*float64(time.Second))+expectedTime(k, found) <= s.allowance
}

// expectedTime is how long a probe takes by those that were made. Batches are
// taken to gain nothing and workers to take turns, so it is seldom longer; of
// several probes that say it the least counts.
func expectedTime(k probeKey, found []trial.Probe) time.Duration {
	best := time.Duration(math.MaxInt64)
	for _, p := range found {
		taken := time.Duration(p.Seconds * float64(time.Second))
		ms, ok := p.ServiceTime.Median.Get()
		if !ok {
			best = min(best, max(taken, probeCost)) // not even that was enough
			continue
		}
		batch := time.Duration(ms * float64(time.Millisecond))
		if taken < batch { // in virtual time, which costs next to none
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

// someGroups picks at most n numbers of workers of each family, the largest
// always: fewer workers are never slower than more of them.
func (s scout) someGroups(n int) []group {
	var out []group
	for i := 0; i < len(s.groups); {
		j := i
		for j < len(s.groups) && s.groups[j].family() == s.groups[i].family() {
			j++
		}
		out = append(out, spread(s.groups[i:j], n)...)
		i = j
	}
	return out
}

// someBatches picks at most n batch sizes of a group. One alone gets a batch of
// 1 beside it: batches that do not fill have a service time too.
func (s scout) someBatches(g group, n int) []int {
	b := s.batches[g]
	if len(b) == 1 && b[0] > 1 {
		return []int{1, b[0]}
	}
	return spread(b, n)
}

// spread picks at most n of v, evenly from the last to the first.
func spread[T any](v []T, n int) []T {
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

// next is the first probe that is not among those found, is of use and fits.
func (s scout) next(found []trial.Probe, second func() []probeKey, needless func(probeKey) bool) (plan.Point, bool) {
	done := map[probeKey]bool{}
	for _, p := range found {
		done[keyOf(p)] = true
	}
	stages := []func() []probeKey{func() []probeKey { return s.affordable(found) }, second}
	for _, stage := range stages {
		for _, k := range stage() {
			if !done[k] && s.fits(k, found) && !needless(k) {
				p := s.point(k)
				p.Reason += fmt.Sprintf(" with %d workers", k.workers)
				return p, true
			}
		}
	}
	return plan.Point{}, false
}

// between are the probes of the second stage: what is left of the number goes
// to the other batch sizes of the most promising groups, given best first, since
// a time in the middle of two others may be off their line.
func (s scout) between(groups []group) []probeKey {
	known := map[probeKey]bool{}
	for _, k := range s.first {
		known[k] = true
	}
	var out []probeKey
	for _, g := range groups {
		for _, b := range s.batches[g] {
			k := probeKey{g, b}
			if known[k] {
				continue
			}
			if len(s.first)+len(out) == s.most {
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

// outline says what is probed, a line each.
func (s scout) outline() []string {
	out := []string{fmt.Sprintf("probes: %d service times of full batches with all workers busy, half a second or one batch each", len(s.first))}
	if s.allowance > 0 {
		out = append(out, fmt.Sprintf("  of a slow model fewer: together at most %v of the budget", s.allowance.Round(100*time.Millisecond)))
	}
	for i := 0; i < len(s.first); {
		g := s.first[i].group
		sizes := []string{}
		for ; i < len(s.first) && s.first[i].group == g; i++ {
			sizes = append(sizes, strconv.Itoa(s.first[i].batch))
		}
		out = append(out, fmt.Sprintf("  workers %d, %v, %s, threads %d: batch %s", g.workers, g.precision, g.device, g.threads, strings.Join(sizes, ", ")))
	}
	probed := map[group]bool{}
	for _, k := range s.first {
		probed[k.group] = true
	}
	if n := len(s.groups) - len(probed); n > 0 {
		out = append(out, fmt.Sprintf("  %d other numbers of workers or kinds of session take the times of the next slower ones of these", n))
	}
	if left := s.most - len(s.first); left > 0 {
		out = append(out, fmt.Sprintf("  then up to %d more: the batch sizes between, of the most promising of these", left))
	}
	return out
}
