package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

// slowing is a simulated device that is as fast as it says for a time under load, and then becomes slower by a hundredth every minute.
type slowing struct {
	*virtual.Target
	table    *servicetime.Table
	measured time.Duration
	after    time.Duration
}

func (s *slowing) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	factor := 1 + max(0, s.measured-s.after).Minutes()/100
	info, err := s.Info(ctx)
	if err != nil {
		return trial.Result{}, err
	}
	var rows []servicetime.Row
	for _, r := range s.table.Rows() {
		r.Median = time.Duration(float64(r.Median) * factor)
		rows = append(rows, r)
	}
	table, err := servicetime.New(rows)
	if err != nil {
		return trial.Result{}, err
	}
	now, err := virtual.Open(virtual.Config{Name: "slowing", Table: table, Start: knob.Config{Settings: info.Current, Options: info.Options}})
	if err != nil {
		return trial.Result{}, err
	}
	r, err := now.Measure(ctx, m)
	s.measured += time.Duration((r.Seconds + r.WarmupSeconds) * float64(time.Second))
	return r, err
}

// TestHoldBroken: a server that keeps the promise in the sweep and then becomes slower breaks it in the hold: exit code 2, in the profile
// too, and a page that does not recommend it as it was.
func TestHoldBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_STATE_HOME=" + dir}
	kind := targetKind{"http://", "a device that becomes slower", false, nil, func(context.Context, *app, plan.Plan, knob.Config) (sweep.Target, error) {
		table, err := servicetime.Named("animated-drawings")
		if err != nil {
			return nil, err
		}
		start := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
		start.BatchDelay = time.Millisecond
		d, err := virtual.Open(virtual.Config{Name: "slowing", Table: table, Start: start})
		if err != nil {
			return nil, err
		}
		return &slowing{Target: d, table: table, after: 2 * time.Minute}, nil
	}}
	out := filepath.Join(dir, "out")
	var stdout, stderr bytes.Buffer
	code := run([]string{
		"sweetspot", "--sweep", "--target", "http://127.0.0.1:1", "--sla", "210ms", "--device", "gpu", "--precision", "fp16", "--workers", "1", "--batch-size", "8", "--batch-delay", "1",
		"--strategy", "grid", "--hold", "1h", "--json", "--out", out,
	}, env, nil, &stdout, &stderr, kind)
	if code != exitNo {
		t.Fatalf("exit %d\n%s", code, stderr.String())
	}
	contains(t, "messages", stderr.String(), " BROKEN ", "in 60 periods")
	var res result
	if err := json.Unmarshal(stdout.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	h := res.Hold
	if res.Exit != exitNo || res.Choice == nil || h == nil || h.Result != trial.Fail || h.Latency.Drift != trial.Growing || h.Periods >= 60 || len(h.Measured) != h.Periods {
		t.Errorf("result %+v", h)
	}
	p, err := profiles.Read(filepath.Join(out, "profile.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := p.HoldResult(); !ok || got.Result != trial.Fail || len(p.Hold) != h.Periods || p.End == nil || p.End.Exit != exitNo {
		t.Errorf("recorded %+v, %d periods, end %+v", got, len(p.Hold), p.End)
	}
	stdout.Reset()
	if code := run([]string{"sweetspot", "report", out, "--format", "html"}, env, nil, &stdout, &stderr); code != exitYes {
		t.Fatalf("report: exit %d\n%s", code, stderr.String())
	}
	contains(t, "page", stdout.String(), "broke the promise when it was held", "BROKEN: ")
}
