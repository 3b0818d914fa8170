package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
)

// peer is the generator that the processor time of a request is held against.
const peer = "wrk2"

// generatorCost adds what a request costs the generator in processor time, and,
// where wrk2 is installed, how much of what it costs wrk2, in the same run.
func generatorCost(ctx context.Context, e *env, s *loadServer) error {
	program, missing := exec.LookPath(peer)
	for _, rate := range []int{slowRate, fastRate} {
		c, err := s.costs(ctx, e, program, rate)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("loadgen.cpu.%dk-", rate/1000)
		detail := fmt.Sprintf("a request, constant %d/s, median of %d runs of %v", rate, len(c.ours), e.budget.load().cost)
		if missing != nil {
			detail += ", no ratio: " + peer + " is not installed"
		}
		e.report.Add(judge.Figure{Name: name + "us", Value: median(c.ours), Unit: "us", Detail: detail})
		if missing == nil {
			e.report.Add(c.ratio(name + "ratio"))
		}
	}
	return nil
}

// cost is processor time in us a request, of each run.
type cost struct {
	ours, theirs  []float64
	clean, blocks int // of our runs
}

// ratio is ours over theirs. If less than half of the blocks are clean, who
// shared the caches may have made either of them dearer.
func (c cost) ratio(name string) judge.Figure {
	ours, theirs := median(c.ours), median(c.theirs)
	f := judge.Figure{
		Name: name, Value: ours / theirs, Unit: "ratio",
		Detail: fmt.Sprintf("%s us of %s's %s us, %d runs each in turns, %d of %d blocks clean",
			judge.Number(ours), peer, judge.Number(theirs), len(c.ours), c.clean, c.blocks),
	}
	if 2*c.clean < c.blocks {
		unless := anything(f.Value)
		f.Interval = &unless
	}
	return f
}

// costs measures both in turns; theirs stays empty without the program.
func (s *loadServer) costs(ctx context.Context, e *env, program string, rate int) (cost, error) {
	var c cost
	b := e.budget.load()
	for i := range b.turns {
		run, err := watchRun(ctx, open(s.Load, pathWork, float64(rate), load.Constant, b.cost, e.seed+uint64(i)), s.noise())
		if err != nil {
			return c, err
		}
		c.ours = append(c.ours, perRequest(run.CPU, run.Sent))
		c.clean, c.blocks = c.clean+run.clean, c.blocks+len(run.blocks)
		if program == "" {
			continue
		}
		us, err := peerCost(ctx, program, "http://"+s.Load+pathWork, rate, b.cost)
		if err != nil {
			return c, fmt.Errorf("%s: %w", peer, err)
		}
		c.theirs = append(c.theirs, us)
	}
	return c, nil
}

// perRequest is processor time in us a request; NaN if it is not known.
func perRequest(cpu time.Duration, requests int) float64 {
	if cpu == 0 || requests == 0 {
		return math.NaN()
	}
	return float64(cpu) / float64(time.Microsecond) / float64(requests)
}

// median is the lower one of an even number; NaN of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return v[(len(v)-1)/2]
}

// peerCost runs wrk2 and returns its processor time in us a request. It wants
// whole seconds.
func peerCost(ctx context.Context, program, url string, rate int, d time.Duration) (float64, error) {
	seconds := strconv.Itoa(max(int(d/time.Second), 1))
	cmd := exec.CommandContext(ctx, program, "-t1", "-c32", "-d"+seconds+"s", "-R"+strconv.Itoa(rate), url)
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	n, err := peerRequests(out)
	return perRequest(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), n), err
}

// peerRequests finds the number of requests in what wrk2 says.
func peerRequests(out []byte) (int, error) {
	m := regexp.MustCompile(`(\d+) requests in `).FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("no number of requests in %q", out)
	}
	return strconv.Atoi(string(m[1]))
}

// loadgenCore makes this program a load generator that runs on one core.
const loadgenCore = "loadgen-core"

// coreJob is what the generator's process is told, and coreSeen what it answers:
// one line each, after a first one that says it is there.
type coreJob struct {
	Addr   string        `json:"addr"`
	Server int           `json:"server"` // its process, which is no foreign one
	Time   time.Duration `json:"time"`
	Seed   uint64        `json:"seed"`
}

type coreSeen struct {
	Rates []float64 `json:"rates"` // in time, per second, of each clean block, or of each if too few are
	Clean int       `json:"clean"`
	All   int       `json:"all"`
	Cores int       `json:"cores"` // that the process may use
	LagMS float64   `json:"lag_ms"`
	CPU   float64   `json:"cpu"` // share of a core
}

// oneCore adds how many requests per second one core can send in time and see
// answered.
func oneCore(ctx context.Context, e *env, s *loadServer) error {
	var ready, seen coreSeen
	var c *child
	err := onOneCore(func() (err error) {
		c, err = e.startChild(ctx, loadgenCore, &ready)
		return err
	})
	if err != nil {
		return err
	}
	job := coreJob{s.Load, s.cmd.Process.Pid, e.budget.load().most, e.seed}
	err = c.exchange(job, &seen)
	if err = c.stop(err); err != nil {
		return err
	}
	iv := stat.Mean(seen.Rates)
	if seen.Clean < fewestClean {
		iv.Low, iv.High = math.NaN(), math.NaN()
	}
	e.report.Add(judge.Figure{
		Name: "loadgen.rate.one-core", Value: iv.Value, Unit: "/s", Interval: &iv,
		Detail: fmt.Sprintf("answered, of %d/s planned, sent within 1 ms, %d of %d blocks clean, P99 lag %s ms, %s of %d core used",
			mostRate, seen.Clean, seen.All, judge.Number(seen.LagMS), judge.Number(seen.CPU), seen.Cores),
	})
	return nil
}

// runCore is the process of one core. It answers one job and ends.
func runCore(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	out := json.NewEncoder(stdout)
	if err := out.Encode(coreSeen{Cores: runtime.GOMAXPROCS(0)}); err != nil {
		return err
	}
	var job coreJob
	if err := json.NewDecoder(stdin).Decode(&job); err != nil {
		return err
	}
	c := open(job.Addr, pathNone, mostRate, load.Constant, job.Time, job.Seed)
	run, err := watchRun(ctx, c, watch(os.Getpid(), job.Server))
	if err != nil {
		return err
	}
	return out.Encode(coreSeen{
		Rates: run.inTime(job.Time), Clean: run.clean, All: len(run.blocks), Cores: runtime.GOMAXPROCS(0),
		LagMS: float64(run.Lag.Quantile(.99)) / float64(time.Millisecond), CPU: run.CPU.Seconds() / run.Seconds,
	})
}

// inTime counts, per second of each block that is kept and lies within the plan,
// the requests planned in it that were sent within 1 ms and answered.
func (w watchedRun) inTime(plan time.Duration) []float64 {
	var out []float64
	for _, b := range w.blocks {
		if b.To > plan || !w.keeps(b.From) {
			continue
		}
		n := 0
		for _, s := range w.Samples {
			if s.Planned >= b.From && s.Planned < b.To && s.Lag <= time.Millisecond && s.Outcome == load.OK {
				n++
			}
		}
		out = append(out, float64(n)/(b.To-b.From).Seconds())
	}
	return out
}

// exchange writes a line to the child and reads the one it answers with.
func (c *child) exchange(say, into any) error {
	if err := json.NewEncoder(c.stdin).Encode(say); err != nil {
		return err
	}
	line, err := c.lines.ReadBytes('\n')
	if err != nil {
		return errors.New("the process ended without an answer")
	}
	return json.Unmarshal(line, into)
}
