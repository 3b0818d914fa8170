// Package replay answers a sweep from a recorded profile: a sweep.Target for
// which no model runs, so that every strategy can be tried on one recorded grid.
//
// [Open] makes a [Target] of a profile, [Read] of a file, which may be packed
// with gzip. What it tells is what was recorded:
//
//   - Settings that were not recorded cannot be applied, and a load under which
//     they were not recorded cannot be measured. The errors say what there is.
//     The size of the queue is no part of the question, unless the profile has
//     several.
//   - The first measurement of a point is its first trial as it stands; then come
//     its repeats and validations in their order. When those are used up, the
//     first trial is drawn again within its intervals: its latencies all by one
//     factor, its throughput by another, both from the measurement's seed. The
//     same measurements in the same order with the same seeds give the same
//     results.
//   - Promises are judged anew by the recorded figures, so that a sweep may ask
//     for another limit. The percentile has to be one that profiles keep with
//     its interval: P50, P90, P95, P99 or P99.9 of request latency, or what the
//     recorded promise binds.
//   - A closed load that keeps all workers busy with more clients than were
//     recorded is taken for a service-time probe: full batches whose times are
//     those of the probe that was recorded, or of the trials' executions
//     ([profiles.ServiceTimes]).
//
// A measurement takes as long as reading memory: a budget of time does not bind,
// and Stop is asked by probes only. One goroutine uses a Target at a time.
package replay

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Target is a recorded profile as something to measure.
type Target struct {
	profile *profiles.Profile
	times   profiles.ServiceTimes
	points  map[point][]trial.Trial // in the order of the file
	order   []knob.Settings         // recorded settings, without their queue sizes if there is only one
	queues  bool                    // the profile has several queue sizes
	looks   map[point]int           // measurements so far
	current knob.Settings
}

// point is what was measured.
type point struct {
	settings knob.Settings
	load     load.Spec
}

// Read opens the profile at path; one that ends in .gz is unpacked. Its warnings,
// such as a torn last line, are in the profile of Target.Profile.
func Read(path string) (*Target, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if strings.HasSuffix(path, ".gz") {
		if data, err = unpack(data); err != nil {
			return nil, fmt.Errorf("replay: %s: %w", path, err)
		}
	}
	p, err := profiles.Decode(path, data)
	if err != nil {
		return nil, err
	}
	return Open(p)
}

func unpack(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Open makes a target of a profile, which it keeps and does not change. The
// settings of its first trial are in force. Live recordings, which follow no
// plan, and profiles without a trial are an error.
func Open(p *profiles.Profile) (*Target, error) {
	t := &Target{profile: p, times: p.ServiceTimes(), points: map[point][]trial.Trial{}, looks: map[point]int{}}
	sizes := map[int]bool{}
	for _, r := range p.Trials {
		sizes[r.Settings.QueueSize] = true
	}
	t.queues = len(sizes) > 1
	for _, r := range p.Trials {
		if r.Role == trial.RoleLive {
			continue
		}
		s := t.key(r.Settings)
		if !slices.Contains(t.order, s) {
			t.order = append(t.order, s)
		}
		at := point{s, r.Load}
		t.points[at] = append(t.points[at], r)
	}
	if len(t.order) == 0 {
		return nil, fmt.Errorf("replay: %s has no trials of a sweep to replay; name the profile of a sweep", p.Header.ID)
	}
	t.current = p.Trials[0].Settings
	return t, nil
}

// key is the settings as they are compared.
func (t *Target) key(s knob.Settings) knob.Settings {
	if !t.queues {
		s.QueueSize = 0
	}
	return s
}

// Profile is what is replayed. It is not to be changed.
func (t *Target) Profile() *profiles.Profile { return t.profile }

// Info is the recorded model and machine. Knobs of which one value was recorded
// are fixed.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	h := t.profile.Header
	first := t.profile.Trials[0]
	info := sweep.Info{
		Model: sweep.ModelInfo{
			Name: h.Model.Name, Version: h.Model.Version, Source: h.Model.Source, SHA256: h.Model.SHA256,
			BatchAxis: h.Model.BatchAxis, BatchWhy: "recorded in " + h.ID,
		},
		Limits:  knob.Limits{Rule: first.Options.Rule, Cores: h.Machine.Cores, BatchAxis: h.Model.BatchAxis},
		Options: first.Options, Current: t.current, Tells: t.recordedFigures(),
		Cores: h.Machine.Cores, Memory: int(h.Machine.MemoryMB.Or(0)), Runtime: h.Machine.Runtime,
		Fixed: map[knob.Name]string{},
	}
	for _, k := range t.knobs() {
		values := t.values(k.Name)
		if len(values) == 1 {
			info.Fixed[k.Name] = "the replayed profile has no other"
		}
		if !first.Settings.Told(k.Name) {
			info.Limits.Untold = append(info.Limits.Untold, k.Name)
		}
	}
	for _, k := range t.knobs().Own() {
		k.Values = slices.DeleteFunc(t.values(k.Name), func(v string) bool { return v == "" })
		info.Limits.Own = append(info.Limits.Own, k)
	}
	return info, nil
}

// knobs are the seven and those that the recorded target brought.
func (t *Target) knobs() knob.Table { return knob.Of(t.order...) }

// recordedFigures is what the trials have figures of. Recorded probes tell service times too.
func (t *Target) recordedFigures() trial.Tells {
	timed := len(t.times) > 0
	out := trial.Tells{ModelLatency: timed, Batches: timed}
	for _, r := range t.profile.Trials {
		out.ModelLatency = out.ModelLatency || r.Model.P99.OK()
		out.Batches = out.Batches || r.Batches.Mean.OK()
		out.Breakdown = out.Breakdown || r.Breakdown.Execution.OK()
		out.Utilization = out.Utilization || r.Use.CPUPercent.OK() || r.Use.GPU.PercentMean.OK()
		out.Memory = out.Memory || r.Use.RSSMB.OK()
	}
	return out
}

// values are the recorded values of a knob, in the order of the file.
func (t *Target) values(n knob.Name) []string {
	var out []string
	for _, s := range t.order {
		if v := s.Get(n); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// Apply puts recorded settings in force. For others it says what was recorded.
func (t *Target) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	if !slices.Contains(t.order, t.key(s)) {
		return sweep.Applied{}, fmt.Errorf("replay: %v was not recorded in %s: of its %d settings %s", s, t.profile.Header.ID, len(t.order), t.ranges())
	}
	t.current = s
	return sweep.Applied{Settings: s}, nil
}

// ranges are the recorded values of every knob with more than one; one that has
// them all may still lack a combination.
func (t *Target) ranges() string {
	var out []string
	for _, k := range t.knobs() {
		if v := t.values(k.Name); len(v) > 1 {
			out = append(out, fmt.Sprintf("%s has %s", k.Name, strings.Join(v, ", ")))
		}
	}
	if len(out) == 0 {
		return "no knob has more than one value"
	}
	return strings.Join(out, "; ")
}

// Measure returns what was recorded for the settings in force under m.Load.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if ctx.Err() != nil {
		return trial.Result{}, context.Cause(ctx)
	}
	at := point{t.key(t.current), m.Load}
	recorded := t.points[at]
	switch {
	case len(recorded) > 0:
		look := t.looks[at]
		t.looks[at]++
		t.show(m)
		if look < len(recorded) {
			return judged(recorded[look].Result, m.SLA)
		}
		return t.again(recorded[0].Result, m)
	case t.saturates(m.Load):
		return t.probe(ctx, m)
	}
	return trial.Result{}, fmt.Errorf("replay: %v was not recorded under %v in %s: its loads are %s; ask for one of those",
		t.current, m.Load, t.profile.Header.ID, t.loads())
}

// loads are those recorded, in alphabetical order.
func (t *Target) loads() string {
	seen := map[string]bool{}
	for at := range t.points {
		seen[at.load.String()] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), ", ")
}

// Close frees nothing: there is nothing.
func (t *Target) Close(context.Context) error { return nil }
