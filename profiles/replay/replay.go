// Package replay is a sweep.Target whose measurements come from a recorded profile. No
// model runs, so that all strategies can be tried on one recorded grid.
//
// [Open] returns a [Target] for a profile, [Read] for a file, which may be compressed with
// gzip. Its results are those that were recorded:
//
//   - Settings that were not recorded cannot be applied, and cannot be measured under a
//     load that was not recorded for them. The errors say what was recorded. The queue
//     size is ignored if all trials of the profile have the same one.
//   - The first measurement of a point is its first trial, unchanged. The next ones are
//     its repeats and validations, in their order. After that the first trial is
//     resampled within its intervals: all latencies are multiplied by one random factor,
//     and the throughput by another one. Both depend on the seed of the measurement. The
//     same measurements in the same order with the same seeds give the same results.
//   - Verdicts are computed for the promise of the sweep from the recorded figures, so
//     that its limit may differ from the recorded one. The percentile must be one that
//     profiles have with an interval: P50, P90, P95, P99 or P99.9 of request latency, or
//     the percentile of the recorded promise.
//   - A closed load that saturates all workers and was not recorded is answered as a
//     service-time probe: with full batches. Their times are those of the recorded
//     probe or, without one, of the trials ([profiles.ServiceTimes]).
//
// A measurement takes almost no time, so that a budget of time has no effect. Stop is
// called only by probes. A Target is not safe for concurrent use.
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

// Target measures a recorded profile.
type Target struct {
	profile  *profiles.Profile
	times    profiles.ServiceTimes
	points   map[point][]trial.Trial // in the order of the file
	order    []knob.Settings         // recorded settings; without queue sizes if all are equal
	queues   bool                    // the profile has several queue sizes
	measured map[point]int           // number of measurements so far
	current  knob.Settings
}

// point is a measured combination of settings and load.
type point struct {
	settings knob.Settings
	load     load.Spec
}

// Read opens the profile at path. A file whose name ends in .gz is decompressed. Warnings,
// such as that of an incomplete last line, are in the profile of Target.Profile.
func Read(path string) (*Target, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if strings.HasSuffix(path, ".gz") {
		if data, err = decompress(data); err != nil {
			return nil, fmt.Errorf("replay: %s: %w", path, err)
		}
	}
	p, err := profiles.Decode(path, data)
	if err != nil {
		return nil, err
	}
	return Open(p)
}

func decompress(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Open returns a target for a profile, which it references and does not change. At first the
// settings of its first trial are in force. A profile without trials of a sweep, such as
// a live recording, is an error.
func Open(p *profiles.Profile) (*Target, error) {
	t := &Target{profile: p, times: p.ServiceTimes(), points: map[point][]trial.Trial{}, measured: map[point]int{}}
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
		p := point{s, r.Load}
		t.points[p] = append(t.points[p], r)
	}
	if len(t.order) == 0 {
		return nil, fmt.Errorf("replay: %s has no trials of a sweep to replay; choose the profile of a sweep", p.Header.ID)
	}
	t.current = p.Trials[0].Settings
	return t, nil
}

// key returns the settings that are compared.
func (t *Target) key(s knob.Settings) knob.Settings {
	if !t.queues {
		s.QueueSize = 0
	}
	return s
}

// Profile returns the replayed profile. It must not be changed.
func (t *Target) Profile() *profiles.Profile { return t.profile }

// Info returns the recorded model and machine. Knobs with only one recorded value are fixed.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	h := t.profile.Header
	first := t.profile.Trials[0]
	info := sweep.Info{
		Model: sweep.ModelInfo{
			Name: h.Model.Name, Version: h.Model.Version, Source: h.Model.Source, SHA256: h.Model.SHA256,
		},
		Limits:  knob.Limits{Rule: first.Options.Rule, Cores: h.Machine.Cores, BatchAxis: true},
		Options: first.Options, Current: t.current, Metrics: t.recordedFigures(),
		Cores: h.Machine.Cores, Memory: int(h.Machine.MemoryMB.Or(0)), Runtime: h.Machine.Runtime,
		Fixed: map[knob.Name]string{},
	}
	if axis := h.Model.BatchAxis; axis != nil { // otherwise the recorded batch sizes are possible
		info.Model.BatchAxis, info.Limits.BatchAxis = *axis, *axis
		info.Model.BatchWhy = "recorded in " + h.ID
	}
	for _, k := range t.knobs() {
		values := t.values(k.Name)
		if len(values) == 1 {
			info.Fixed[k.Name] = "the replayed profile has no other value"
		}
		if !first.Settings.Has(k.Name) {
			info.Limits.Unreported = append(info.Limits.Unreported, k.Name)
		}
	}
	for _, k := range t.knobs().Own() {
		k.Values = slices.DeleteFunc(t.values(k.Name), func(v string) bool { return v == "" })
		info.Limits.Own = append(info.Limits.Own, k)
	}
	return info, nil
}

// knobs returns the common knobs and the own knobs of the recorded target.
func (t *Target) knobs() knob.Table { return knob.TableOf(t.order...) }

// recordedFigures says which figures the trials have. Probes have service times too.
func (t *Target) recordedFigures() trial.MetricSet {
	timed := len(t.times) > 0
	out := trial.MetricSet{ModelLatency: timed, Batches: timed}
	for _, r := range t.profile.Trials {
		out.ModelLatency = out.ModelLatency || r.Model.P99.OK()
		out.Batches = out.Batches || r.Batches.Mean.OK()
		out.Breakdown = out.Breakdown || r.Breakdown.Execution.OK()
		out.Utilization = out.Utilization || r.Use.CPUPercent.OK() || r.Use.GPU.PercentMean.OK()
		out.Memory = out.Memory || r.Use.RSSMB.OK()
	}
	return out
}

// values returns the recorded values of a knob, in the order of the file.
func (t *Target) values(n knob.Name) []string {
	var out []string
	for _, s := range t.order {
		if v := s.Get(n); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// Apply puts recorded settings in force. For other settings the error says what was recorded.
func (t *Target) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	if !slices.Contains(t.order, t.key(s)) {
		return sweep.Applied{}, fmt.Errorf("replay: %v was not recorded in %s: in its %d settings %s", s, t.profile.Header.ID, len(t.order), t.ranges())
	}
	t.current = s
	return sweep.Applied{Settings: s}, nil
}

// ranges returns the recorded values of all knobs with more than one value. Not all
// combinations need have been recorded.
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

// Measure returns a recorded result of the settings in force under m.Load.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if ctx.Err() != nil {
		return trial.Result{}, context.Cause(ctx)
	}
	p := point{t.key(t.current), m.Load}
	recorded := t.points[p]
	switch {
	case len(recorded) > 0:
		n := t.measured[p]
		t.measured[p]++
		t.reportFullBatches(m)
		if n < len(recorded) {
			return judge(recorded[n].Result, m.SLA)
		}
		return t.resample(recorded[0].Result, m)
	case t.saturates(m.Load):
		return t.probe(ctx, m)
	}
	return trial.Result{}, sweep.NoEvidence(fmt.Errorf("replay: %v was not recorded under %v in %s: its loads are %s; use one of them",
		t.current, m.Load, t.profile.Header.ID, t.loads()))
}

// loads returns the recorded loads, in alphabetical order.
func (t *Target) loads() string {
	seen := map[string]bool{}
	for p := range t.points {
		seen[p.load.String()] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), ", ")
}

// Close does nothing.
func (t *Target) Close(context.Context) error { return nil }
