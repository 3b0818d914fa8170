package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
)

// TorchServe's benchmark suite starts the server again for each point of its grid of workers and batch sizes, registers
// the archive, sends a tenth of the requests as warm-up, and then the requests. A point here has the same steps, with the
// clients and requests of nearly all models of the suite.
const (
	suiteClients = 100
	suitePause   = 3 * time.Second // between two questions whether the server is healthy
	suiteWarmup  = 10              // one of so many requests
	suiteGrid    = 288             // points, of which the time is that of the measured ones
	// suiteConfig is the suite's config.properties without addresses and JVM flags.
	suiteConfig = "number_of_netty_threads=32\njob_queue_size=1000\nprefer_direct_buffer=true\ndefault_response_timeout=300\nunregister_model_timeout=300\n"
	suiteTool   = "ab"
)

// suitePoint is a measured point of the suite.
type suitePoint struct {
	settings knob.Settings
	rate     float64 // answers per second
	took     time.Duration
	start    time.Duration // part of it: until the model is registered
}

// suiteSettings are the settings of the points, with the default delay: the suite names a delay, but in a parameter that
// TorchServe does not read.
func suiteSettings(n int) []knob.Settings {
	var out []knob.Settings
	for _, p := range [][2]int{{1, 4}, {2, 8}, {1, 1}, {2, 1}, {1, 8}, {2, 4}} {
		s := knob.Default(knob.TorchServe)
		s.Workers, s.BatchSize, s.QueueSize = p[0], p[1], serverQueue
		out = append(out, s)
	}
	return out[:min(n, len(out))]
}

// suite measures points of the suite.
type suite struct {
	e        *env
	venv     string
	store    string
	model    comparedModel
	requests int
	body     load.Body
	tool     string // path of ab; "" for our load generator
}

// newSuite uses ab if it is installed.
func newSuite(e *env, venv, store string, m comparedModel, body load.Body, requests int) *suite {
	tool, err := exec.LookPath(suiteTool)
	if err != nil {
		tool = ""
	}
	return &suite{e, venv, store, m, requests, body, tool}
}

// toolName says which load generator sends the requests.
func (s *suite) toolName() string {
	if s.tool == "" {
		return "our load generator"
	}
	return suiteTool
}

// measure measures one point, with all that the suite does for it.
func (s *suite) measure(ctx context.Context, k knob.Settings) (p suitePoint, err error) {
	begin := time.Now()
	server, err := startTorchServe(ctx, s.e, s.venv, s.store, suiteConfig, suitePause)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	if err := server.register(ctx, s.model.archive, s.model.name, k); err != nil {
		return p, err
	}
	p = suitePoint{settings: k, start: time.Since(begin)}
	at := server.inference + "/predictions/" + s.model.name
	if _, err := s.send(ctx, at, s.requests/suiteWarmup, server.dir); err != nil {
		return p, err
	}
	if p.rate, err = s.send(ctx, at, s.requests, server.dir); err != nil {
		return p, err
	}
	if err := errors.Join(server.unregister(ctx, s.model.name), server.terminate(ctx)); err != nil {
		return p, err
	}
	p.took = time.Since(begin)
	return p, nil
}

// send sends n requests and returns the answers per second.
func (s *suite) send(ctx context.Context, at string, n int, dir string) (float64, error) {
	if s.tool != "" {
		return s.sendAB(ctx, at, n, dir)
	}
	c, err := load.Endpoint{URL: at, Bodies: []load.Body{s.body}}.Config(load.Spec{Mode: load.Closed, Concurrency: min(suiteClients, n)})
	if err != nil {
		return 0, err
	}
	c.Max, c.Limit = n, 10*time.Minute
	res, err := load.Run(ctx, c)
	if err != nil {
		return 0, err
	}
	if t := load.Count(res.Samples); t.OK != n {
		return 0, fmt.Errorf("%d of %d requests failed: status %v %s", n-t.OK, n, t.Status, res.Err)
	}
	return float64(n) / res.Seconds, nil
}

// sendAB does the same with ab, called as the suite calls it.
func (s *suite) sendAB(ctx context.Context, at string, n int, dir string) (float64, error) {
	input := filepath.Join(dir, "input")
	if err := os.WriteFile(input, s.body.Data, 0o600); err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, s.tool, "-c", strconv.Itoa(min(suiteClients, n)), "-s", "300", "-n", strconv.Itoa(n), "-k", "-p", input, "-T", s.body.Type, at).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", suiteTool, err, strings.TrimSpace(string(out)))
	}
	return abRate(out)
}

// abRate finds the answers per second in the output of ab. Answers that are no 2xx are an error, which ab itself counts
// as answers.
func abRate(out []byte) (float64, error) {
	if m := regexp.MustCompile(`Non-2xx responses: +(\d+)`).FindSubmatch(out); m != nil {
		return 0, fmt.Errorf("%s: %s requests failed", suiteTool, m[1])
	}
	m := regexp.MustCompile(`Requests per second: +([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("%s printed no requests per second: %.200q", suiteTool, out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// measureSuite measures n points and returns them with the figure of their time.
func measureSuite(ctx context.Context, s *suite, n int) (points []suitePoint, f judge.Figure, err error) {
	var took, starts []float64
	for _, k := range suiteSettings(n) {
		p, err := s.measure(ctx, k)
		if err != nil {
			return nil, f, fmt.Errorf("suite, %s: %w", settingsName(k), err)
		}
		points = append(points, p)
		took, starts = append(took, p.took.Seconds()), append(starts, p.start.Seconds())
	}
	mean := stat.Mean(took)
	return points, judge.Figure{
		Name: "torchserve.suite.point", Value: mean.Value, Unit: "s", Interval: &mean,
		Detail: fmt.Sprintf("mean of %d points of %d requests and %d as warm-up, %d clients, %s, of which %s s until the model is registered",
			len(points), s.requests, s.requests/suiteWarmup, suiteClients, s.toolName(), judge.Number(median(starts))),
	}, nil
}

// speedup is how many times longer the suite's grid takes than the sweep. The interval is that of the mean time of its points.
func speedup(points judge.Figure, sweep time.Duration) judge.Figure {
	scale := suiteGrid / sweep.Seconds()
	iv := *points.Interval
	iv.Value, iv.Low, iv.High = iv.Value*scale, iv.Low*scale, iv.High*scale
	return judge.Figure{
		Name: "torchserve.tuning", Value: iv.Value, Unit: "ratio", Interval: &iv,
		Detail: fmt.Sprintf("%d points in %s h, the sweep %s s", suiteGrid, judge.Number(points.Value*suiteGrid/3600), judge.Number(sweep.Seconds())),
	}
}
