package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/target/local"
	"sweetspot/tui"
)

// attach shows the feed on a terminal of 120x36, until detach is called.
func attach(ctx context.Context, f *feed, perSecond int) (t *outsideTerminal, detach func() error, err error) {
	if t, err = openOutsideTerminal(120, 36); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- tui.Run(ctx, tui.Deps{Workbench: f, In: t.slave, Out: t.slave, FPS: perSecond, Now: f.now})
	}()
	return t, func() error {
		cancel()
		err := <-ended
		t.close()
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}, nil
}

// measureScreen adds what the Live view costs this process at a number of frames a second, each of them different.
func measureScreen(ctx context.Context, e *env, b tuiBudget, f *feed, perSecond int) (err error) {
	f.polled.Store(0)
	t, detach, err := attach(ctx, f, perSecond)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, detach()) }()
	if err := useFor(ctx, t, b.screen/4, perSecond); err != nil {
		return err
	}
	own := monitor.NewSampler(os.Getpid())
	var before, after runtime.MemStats
	own.Sample()
	runtime.ReadMemStats(&before)
	written, err := t.written()
	if err != nil {
		return err
	}
	polled, start := f.polled.Load(), time.Now()
	if err := useFor(ctx, t, b.screen, perSecond); err != nil {
		return err
	}
	cpu := share(own.Sample().CPUPercent)
	runtime.ReadMemStats(&after)
	all, err := t.written()
	if err != nil {
		return err
	}
	frames := f.polled.Load() - polled
	if frames == 0 {
		return errors.New("the screen showed no frame")
	}
	rate := float64(frames) / time.Since(start).Seconds()
	detail := fmt.Sprintf("Live at 120x36, %d frames, %s a second", frames, judge.Number(rate))
	e.report.Add(judge.Figure{Name: fmt.Sprintf("tui.cpu.%d-fps", perSecond), Value: cpu, Unit: "share", Detail: "of a core; another process reads the terminal; " + detail})
	e.report.Add(judge.Figure{Name: fmt.Sprintf("tui.written.%d-fps", perSecond), Value: float64(all-written) / float64(frames), Unit: "B", Detail: "per frame; " + detail})
	e.report.Add(judge.Figure{Name: fmt.Sprintf("tui.allocated.%d-fps", perSecond), Value: float64(after.TotalAlloc-before.TotalAlloc) / float64(frames), Unit: "B", Detail: "per frame; " + detail})
	return nil
}

// useFor waits for d. The screen has more than 5 frames a second only for two seconds after a key: so it presses the key of the open
// view once a second for those.
func useFor(ctx context.Context, t *outsideTerminal, d time.Duration, perSecond int) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if perSecond > 5 {
			if _, err := t.tty.WriteString("1"); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(time.Second, time.Until(end))):
		}
	}
	return nil
}

// measureStart adds the time from the start of the program to its first frame.
func measureStart(ctx context.Context, e *env, b tuiBudget, p program) error {
	var times []time.Duration
	for range b.starts {
		start := time.Now()
		t, stop, err := p.start(120, 36)
		if err != nil {
			return err
		}
		at, err := t.wait(ctx)
		stop()
		if err != nil {
			return err
		}
		times = append(times, at.Sub(start))
	}
	e.report.Add(judge.Figure{
		Name: "tui.first-frame", Value: rankMS(times, .5), Unit: "ms",
		Detail: fmt.Sprintf("median of %d starts, slowest %s", len(times), judge.Number(rankMS(times, 1))),
	})
	return nil
}

// measureKeys adds the time from a key to the view that it opens, while a sweep runs.
func measureKeys(ctx context.Context, e *env, b tuiBudget, p program) error {
	t, stop, err := p.start(120, 36, "--sla=30ms", "--concurrency=8")
	if err != nil {
		return err
	}
	defer stop()
	if _, err := t.wait(ctx); err != nil {
		return err
	}
	for _, k := range [][2]string{{"", "the model alone:"}, {"s", "Start a sweep"}, {"\r", "ETA"}} {
		if _, err := t.press(ctx, k[0], k[1]); err != nil {
			return err
		}
	}
	var times []time.Duration
	for i := range b.keys {
		k := [][2]string{{"1", "[1 Live]"}, {"2", "[2 Sweep]"}, {"3", "[3 Frontier]"}, {"4", "[4 Profiles]"}}[i%4]
		d, err := t.press(ctx, k[0], k[1])
		if err != nil {
			return err
		}
		times = append(times, d)
		time.Sleep(time.Duration(50+i*37%100) * time.Millisecond) // at all phases of the frames
	}
	e.report.Add(judge.Figure{
		Name: "tui.key", Value: rankMS(times, .99), Unit: "ms",
		Detail: fmt.Sprintf("P99 of %d keys that open a view during a sweep, median %s", len(times), judge.Number(rankMS(times, .5))),
	})
	return nil
}

// measureEffect adds the P99 of requests to a model of 5 ms at half its capacity, sent from the process that has the screen, over
// the same without a screen.
func measureEffect(ctx context.Context, e *env, b tuiBudget, f *feed, p program) (err error) {
	s := knob.Default(knob.TorchServe)
	t, err := local.Start(ctx, local.Config{
		Command: []string{p.path, "engine", p.model}, Env: os.Environ(), Log: e.stderr, Seed: e.seed,
		Start: knob.Config{Settings: s, Options: knob.Options{Rule: knob.TorchServe}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	half := load.Spec{Mode: load.Open, Rate: 100} // with one seed, so that all blocks have the same arrivals
	detached := func(ctx context.Context, d time.Duration) (float64, error) {
		var p99 float64
		_, err := t.Measure(ctx, sweep.Measurement{Load: half, Seed: e.seed, SLA: trialsSLA(), Time: d, Stop: func(_ time.Duration, all []load.Sample) (bool, string) {
			p99 = samplesP99(all)
			return false, ""
		}})
		return p99, err
	}
	attached := func(ctx context.Context, d time.Duration) (v float64, err error) {
		_, detach, err := attach(ctx, f, 0)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, detach()) }()
		return detached(ctx, d)
	}
	r, err := judge.Paired(ctx, judge.Plan{Blocks: 2 * b.pairs, MaxBlocks: 2 * b.pairs, Length: b.block, Seed: e.seed, Watch: watchDisturbance(os.Getpid())}, attached, detached)
	if err != nil {
		return err
	}
	addEffect(e.report, r)
	return nil
}

// samplesP99 is the percentile of the latencies in ms: in a short block, the slowest.
func samplesP99(all []load.Sample) float64 {
	var d []time.Duration
	for _, s := range all {
		d = append(d, s.Latency)
	}
	slices.SortFunc(d, cmp.Compare)
	return rankMS(d, .99)
}

// addEffect adds the ratio, and its interval as a share of what it may be: 1.03, or the upper end of each side compared with itself.
// If that is wide, nothing is known.
func addEffect(report *judge.Report, r judge.Ratio) {
	report.Add(r.Figure("tui.effect.p99", fmt.Sprintf("with the screen %s ms, without %s ms", judge.Number(r.A), judge.Number(r.B))))
	limit := max(1.03, r.AA.High)
	iv := stat.Interval{Value: r.Value / limit, Low: r.Low / limit, High: r.High / limit}
	detail := "of the limit " + judge.Number(limit)
	if width := r.AA.High - r.AA.Low; !(width <= .1) {
		iv.Low, iv.High = math.NaN(), math.NaN()
		detail += fmt.Sprintf(", unknown because A/A is %s wide", judge.Number(width))
	}
	report.Add(judge.Figure{Name: "tui.effect.share", Value: iv.Value, Unit: "share", Interval: &iv, Detail: detail})
}
