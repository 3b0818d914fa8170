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

// otherGenerator is the load generator whose CPU time per request is compared.
const otherGenerator = "wrk2"

// generatorCost adds the CPU time of the load generator per request and, if wrk2 is
// installed, its ratio to that of wrk2.
func generatorCost(ctx context.Context, e *env, s *loadServer) error {
	program, missing := exec.LookPath(otherGenerator)
	for _, rate := range []int{slowRate, fastRate} {
		c, err := s.measureCosts(ctx, e, program, rate)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("loadgen.cpu.%dk-", rate/1000)
		detail := fmt.Sprintf("a request, constant %d/s, median of %d runs of %v", rate, len(c.ours), e.budget.load().cost)
		if missing != nil {
			detail += ", no ratio: " + otherGenerator + " is not installed"
		}
		e.report.Add(judge.Figure{Name: name + "us", Value: median(c.ours), Unit: "us", Detail: detail})
		if len(c.bare) > 0 {
			e.report.Add(c.bareRatio(name + "bare"))
		}
		if len(c.bareP50) > 0 && rate == slowRate {
			c.addP50(e)
		}
		if missing == nil {
			e.report.Add(c.ratio(name + "ratio"))
		}
	}
	return nil
}

// cost is the CPU time per request in us, of each run.
type cost struct {
	ours, wrk2          []float64
	bare                []float64 // of a loop of nothing but system calls
	p50, bareP50        []float64 // latency in ms
	undisturbed, blocks int       // of the runs of our generator
}

// ratio is our cost divided by that of wrk2, and bareRatio that by the cost of the bare loop.
func (c cost) ratio(name string) judge.Figure { return c.ratioTo(name, otherGenerator, c.wrk2) }

func (c cost) bareRatio(name string) judge.Figure { return c.ratioTo(name, "the bare loop", c.bare) }

// ratioTo is our cost divided by another one. It is unknown if less than half of the
// blocks are undisturbed, because other processes that use the CPU caches can
// increase either cost.
func (c cost) ratioTo(name, other string, costs []float64) judge.Figure {
	ours, theirs := median(c.ours), median(costs)
	f := judge.Figure{
		Name: name, Value: ours / theirs, Unit: "ratio",
		Detail: fmt.Sprintf("%s us of %s's %s us, %d runs each in turns, %d of %d blocks undisturbed",
			judge.Number(ours), other, judge.Number(theirs), len(c.ours), c.undisturbed, c.blocks),
	}
	if 2*c.undisturbed < c.blocks {
		bound := openInterval(f.Value)
		f.Interval = &bound
	}
	return f
}

// addP50 adds the median latency of the bare loop, which is busy for as long as ours may be, and that of ours divided by it.
func (c cost) addP50(e *env) {
	ours, bare := median(c.p50), median(c.bareP50)
	e.report.Add(judge.Figure{Name: "loadgen.p50.bare", Value: bare, Unit: "ms", Detail: "of the bare loop"})
	f := judge.Figure{
		Name: "loadgen.p50.ratio", Value: ours / bare, Unit: "ratio",
		Detail: fmt.Sprintf("%s ms of the bare loop's %s ms, %d runs each in turns, %d of %d blocks undisturbed", judge.Number(ours), judge.Number(bare), len(c.p50), c.undisturbed, c.blocks),
	}
	if 2*c.undisturbed < c.blocks {
		bound := openInterval(f.Value)
		f.Interval = &bound
	}
	e.report.Add(f)
}

// measureCosts measures both generators in turns, or only ours if program is empty.
func (s *loadServer) measureCosts(ctx context.Context, e *env, program string, rate int) (cost, error) {
	var c cost
	b := e.budget.load()
	for i := range b.turns {
		run, err := watchRun(ctx, openLoad(s.Load, pathWork, float64(rate), load.Constant, b.cost, e.seed+uint64(i)), s.watch())
		if err != nil {
			return c, err
		}
		c.ours, c.p50 = append(c.ours, perRequest(run.CPU, run.Sent)), append(c.p50, median(run.keptLatencies()))
		c.undisturbed, c.blocks = c.undisturbed+run.undisturbed, c.blocks+len(run.blocks)
		switch r, err := s.bareLoad(rate, equalSpin).run(b.cost); {
		case err == nil:
			c.bare, c.bareP50 = append(c.bare, r.us), append(c.bareP50, r.p50)
		case !errors.Is(err, errors.ErrUnsupported):
			return c, err
		}
		if program == "" {
			continue
		}
		us, err := wrk2Cost(ctx, program, "http://"+s.Load+pathWork, rate, b.cost)
		if err != nil {
			return c, fmt.Errorf("%s: %w", otherGenerator, err)
		}
		c.wrk2 = append(c.wrk2, us)
	}
	return c, nil
}

// perRequest is the CPU time per request in us; NaN if it is unknown.
func perRequest(cpu time.Duration, requests int) float64 {
	if cpu == 0 || requests == 0 {
		return math.NaN()
	}
	return float64(cpu) / float64(time.Microsecond) / float64(requests)
}

// median is the lower median; NaN if there are no values.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return v[(len(v)-1)/2]
}

// wrk2Cost runs wrk2 and returns its CPU time per request in us. The time of the
// run is rounded down to seconds, because wrk2 accepts only those.
func wrk2Cost(ctx context.Context, program, url string, rate int, d time.Duration) (float64, error) {
	seconds := strconv.Itoa(max(int(d/time.Second), 1))
	cmd := exec.CommandContext(ctx, program, "-t1", "-c32", "-d"+seconds+"s", "-R"+strconv.Itoa(rate), url)
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	n, err := wrk2Requests(out)
	return perRequest(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), n), err
}

// wrk2Requests finds the number of requests in the output of wrk2.
func wrk2Requests(out []byte) (int, error) {
	m := regexp.MustCompile(`(\d+) requests in `).FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("no number of requests in %q", out)
	}
	return strconv.Atoi(string(m[1]))
}

// loadgenCore runs this program as a load generator on one core.
const loadgenCore = "loadgen-core"

// coreJob is the input of the load generator process, and coreResult its output.
// Both are one line of JSON. A first line of output says that it is ready.
type coreJob struct {
	Addr   string        `json:"addr"`
	Server int           `json:"server"` // the process of the server, which belongs to the measurement
	Time   time.Duration `json:"time"`
	Seed   uint64        `json:"seed"`
}

type coreResult struct {
	Rates       []float64 `json:"rates"` // sent in time, per second, of each undisturbed block, or of all blocks if those are too few
	Undisturbed int       `json:"undisturbed"`
	All         int       `json:"all"`
	Cores       int       `json:"cores"` // that the process may use
	LagMS       float64   `json:"lag_ms"`
	CPU         float64   `json:"cpu"` // share of a core
}

// oneCore adds how many requests per second a load generator on one core sends in
// time and gets answered.
func oneCore(ctx context.Context, e *env, s *loadServer) error {
	var ready, result coreResult
	var c *child
	err := onOneCore(func() (err error) {
		c, err = e.startChild(ctx, loadgenCore, &ready)
		return err
	})
	if err != nil {
		return err
	}
	job := coreJob{s.Load, s.cmd.Process.Pid, e.budget.load().oneCore, e.seed}
	err = c.exchange(job, &result)
	if err = c.stop(err); err != nil {
		return err
	}
	iv := stat.Mean(result.Rates)
	if result.Undisturbed < minUndisturbed {
		iv.Low, iv.High = math.NaN(), math.NaN()
	}
	e.report.Add(judge.Figure{
		Name: "loadgen.rate.one-core", Value: iv.Value, Unit: "/s", Interval: &iv,
		Detail: fmt.Sprintf("answered, of %d/s planned, sent within 1 ms, %d of %d blocks undisturbed, P99 lag %s ms, %s of %d core used",
			coreRate, result.Undisturbed, result.All, judge.Number(result.LagMS), judge.Number(result.CPU), result.Cores),
	})
	return nil
}

// runOneCore is the load generator process on one core. It runs one job and exits.
func runOneCore(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	out := json.NewEncoder(stdout)
	if err := out.Encode(coreResult{Cores: runtime.GOMAXPROCS(0)}); err != nil {
		return err
	}
	var job coreJob
	if err := json.NewDecoder(stdin).Decode(&job); err != nil {
		return err
	}
	c := openLoad(job.Addr, pathNone, coreRate, load.Constant, job.Time, job.Seed)
	run, err := watchRun(ctx, c, watchDisturbance(os.Getpid(), job.Server))
	if err != nil {
		return err
	}
	return out.Encode(coreResult{
		Rates: run.onTimeRates(job.Time), Undisturbed: run.undisturbed, All: len(run.blocks), Cores: runtime.GOMAXPROCS(0),
		LagMS: float64(run.Lag.Quantile(.99)) / float64(time.Millisecond), CPU: run.CPU.Seconds() / run.Seconds,
	})
}

// onTimeRates returns the rates of requests that were sent within 1 ms of their
// planned time and answered, for each block that is kept and lies within the plan.
func (w watchedRun) onTimeRates(plan time.Duration) []float64 {
	var out []float64
	for _, b := range w.blocks {
		if b.To > plan || !w.isKept(b.From) {
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

// exchange writes a line to the child and reads a line from it.
func (c *child) exchange(request, answer any) error {
	if err := json.NewEncoder(c.stdin).Encode(request); err != nil {
		return err
	}
	line, err := c.lines.ReadBytes('\n')
	if err != nil {
		return errors.New("the process exited without an answer")
	}
	return json.Unmarshal(line, answer)
}
