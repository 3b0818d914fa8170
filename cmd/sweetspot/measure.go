package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// measured is the outcome of compare --measure.
type measured struct {
	A            trial.Choice   `json:"a"`
	B            trial.Choice   `json:"b"`
	Percentile   trial.Estimate `json:"percentile_ratio"` // B over A
	PercentileAA trial.Estimate `json:"percentile_aa"`
	Throughput   trial.Estimate `json:"throughput_ratio"`
	ThroughputAA trial.Estimate `json:"throughput_aa"`
	Errors       int            `json:"errors"`
	Pairs        int            `json:"pairs"`
	Exit         int            `json:"exit"`
	Why          string         `json:"why"`
}

// measureBoth runs the best settings of two profiles in turns on this machine,
// so that what the machine does meanwhile happens to both.
func (a *app) measureBoth(ctx context.Context, before, after *profiles.Profile, m measureFlags, asJSON bool) error {
	p, points, err := m.points(before, after)
	if err != nil {
		return err
	}
	t, err := a.startTarget(ctx, p, startConfig(p))
	if err != nil {
		return err
	}
	defer t.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the child is gone either way
	info, err := t.Info(ctx)
	if err != nil {
		return err
	}
	for _, prof := range []*profiles.Profile{before, after} {
		if h := prof.Header; h.Model.SHA256 != info.Model.SHA256 && !m.force {
			return withHint("--force measures this one for both", "%s measured another model (sha256 %.12s, this is %.12s)", h.ID, h.Model.SHA256, info.Model.SHA256)
		}
	}
	begin := time.Now()
	live, _ := terminal(a.err)
	d, err := sweep.Turns{
		Target: t, A: points[0], B: points[1], SLA: p.SLA, Pairs: m.pairs, Length: m.block, Seed: p.Seed,
		Observe: func(done, total int) {
			if live {
				left := time.Since(begin) / time.Duration(done) * time.Duration(total-done)
				fmt.Fprintf(a.err, "\rblock %d of %d, ETA %v   ", done, total, left.Round(time.Second))
			}
		},
	}.Run(ctx)
	if live {
		fmt.Fprint(a.err, "\r\x1b[2K")
	}
	if err != nil {
		return err
	}
	out := judge(d, m.tolerance)
	out.A, out.B, out.Pairs = trial.Choice{Settings: points[0].Settings}, trial.Choice{Settings: points[1].Settings}, m.pairs
	if err := out.write(a.out, p.SLA, asJSON); err != nil {
		return err
	}
	if out.Exit != exitYes {
		return exit{out.Exit}
	}
	return nil
}

// measureFlags are the flags of compare --measure.
type measureFlags struct {
	pairs     int
	block     time.Duration
	model     string
	tolerance float64
	force     bool
}

// points are the best trials of both profiles under after's load, and the plan
// that says which model and promise.
func (m measureFlags) points(before, after *profiles.Profile) (plan.Plan, [2]plan.Point, error) {
	var p plan.Plan
	var points [2]plan.Point
	if err := json.Unmarshal(after.Header.Plan, &p); err != nil {
		return p, points, fmt.Errorf("%s: plan: %w", after.Header.ID, err)
	}
	if m.model != "" {
		p.Model = m.model
	} else if !strings.Contains(p.Model, ":") {
		return p, points, withHint("add --model PATH/"+p.Model, "%s does not say in which folder %s is", after.Header.ID, p.Model)
	}
	for i, prof := range []*profiles.Profile{before, after} {
		t, ok := prof.Best()
		if !ok {
			return p, points, fmt.Errorf("%s has no setting that kept the promise", prof.Header.ID)
		}
		points[i] = plan.Point{Settings: t.Settings, Load: t.Load}
	}
	points[0].Load = points[1].Load
	return p, points, nil
}

// judge says whether B is worse: certainly so, and perhaps by more than the
// tolerance. Nothing narrower than the comparison of equal blocks is believed.
func judge(d sweep.Difference, tolerance float64) measured {
	out := measured{
		Percentile: spread(d.Percentile), PercentileAA: spread(d.PercentileAA),
		Throughput: spread(d.Throughput), ThroughputAA: spread(d.ThroughputAA), Errors: d.Errors,
	}
	slower := inverse(d.Throughput)
	for _, f := range []struct {
		name    string
		worse   stat.Interval
		aa      stat.Interval
		percent string
	}{{"the percentile is higher", d.Percentile, d.PercentileAA, "percentile"}, {"throughput is lower", slower, d.ThroughputAA, "throughput"}} {
		switch {
		case f.worse.Low > max(1, f.aa.High) && f.worse.High > 1+tolerance:
			out.Exit, out.Why = exitNo, fmt.Sprintf("%s by %.1f%% (%.1f%% to %.1f%%)", f.name, 100*(f.worse.Value-1), 100*(f.worse.Low-1), 100*(f.worse.High-1))
			return out
		case !(f.worse.High <= 1+tolerance):
			out.Exit, out.Why = exitCannotTell, fmt.Sprintf("%s may be up to %.1f%% worse, %.1f%% are tolerated: more --pairs would tell", f.percent, 100*(f.worse.High-1), 100*tolerance)
		}
	}
	if out.Exit == exitYes {
		out.Why = fmt.Sprintf("nothing is worse by more than %.1f%%", 100*tolerance)
	}
	return out
}

func inverse(i stat.Interval) stat.Interval {
	return stat.Interval{Value: 1 / i.Value, Low: 1 / i.High, High: 1 / i.Low}
}

func spread(i stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.Of(i.Value), Low: trial.Of(i.Low), High: trial.Of(i.High)}
}

func (m measured) write(w io.Writer, sla trial.SLA, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(m)
	}
	row := func(name string, e, aa trial.Estimate) string {
		return fmt.Sprintf("%-18s %s (%s-%s)   equal blocks %s-%s\n", name, e.Value.Text(3), e.Low.Text(3), e.High.Text(3), aa.Low.Text(3), aa.High.Text(3))
	}
	_, err := fmt.Fprintf(w, "A %v\nB %v\n%d pairs of blocks in turns, B over A\n%s%serrors %d\n%s\n", m.A.Settings, m.B.Settings, m.Pairs,
		row(fmt.Sprintf("P%g of %s", sla.Percentile, sla.Latency), m.Percentile, m.PercentileAA),
		row("throughput", m.Throughput, m.ThroughputAA), m.Errors, m.Why)
	return err
}
