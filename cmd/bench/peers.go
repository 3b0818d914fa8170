package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// peersBudget is how much the set runs.
type peersBudget struct {
	// The values of the knobs of each server, as lists of a plan. Larger batches never fill with so few clients.
	workers, batch, waitMS, latencyMS string

	sweep  time.Duration // longest sweep of each server
	rounds int           // with two blocks of each server
	block  time.Duration
}

func (b budget) peers() peersBudget {
	switch b.mode {
	case full.mode:
		return peersBudget{"1-4", "2,4,6,8,10", "1,2,5,10", "10000,1000", 70 * time.Second, 12, time.Second}
	case quick.mode:
		return peersBudget{"1,2", "4,8", "1,5", "10000", 40 * time.Second, 4, 500 * time.Millisecond}
	}
	return peersBudget{"1", "8", "1", "10000", 5 * time.Second, 1, 300 * time.Millisecond}
}

// peersSLA is the promise that every server is tuned for.
func peersSLA() trial.SLA { return trial.SLA{Percentile: 99, Limit: 50 * time.Millisecond} }

// peersPlan is the sweep of a server; each has its own knobs.
func peersPlan(model, strategy string, budget time.Duration, seed uint64) plan.Plan {
	p := plan.Default()
	p.Model, p.Strategy, p.Seed, p.SLA, p.Budget.Time = model, strategy, seed, peersSLA(), budget
	p.Loads = []load.Spec{{Mode: load.Closed, Concurrency: comparedClients}}
	return p
}

// peerServer is a server that this program is compared with.
type peerServer interface {
	name() string
	// find returns the version, or an error if it is not installed.
	find(ctx context.Context) (string, error)
	// tune sweeps the server.
	tune(ctx context.Context, s *peerSet) (tuning, error)
	// start starts the server with these settings.
	start(ctx context.Context, s *peerSet, k knob.Settings) (*comparedServer, func() error, error)
}

// peerSet has what all servers of a run share.
type peerSet struct {
	e      *env
	budget peersBudget
	dir    string // of the files of the servers
	model  comparedModel
	bodies []load.Body
}

// tunedPeer is a server with the settings that its sweep has chosen.
type tunedPeer struct {
	peerServer
	tuning
	version string
	why     string // why it is not compared; "" if it is
}

// label names the server, its version and its settings.
func (p tunedPeer) label() string {
	name := strings.TrimSpace(p.name() + " " + p.version)
	if p.settings == nil {
		return name
	}
	return fmt.Sprintf("%s (%v)", name, *p.settings)
}

// measurePeers tunes this program and its peers with the same model for the same promise, and compares them at these
// settings.
func measurePeers(ctx context.Context, e *env) error {
	dir, err := os.MkdirTemp("", "sweetspot-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &peerSet{e: e, budget: e.budget.peers(), dir: dir}
	if s.model, err = writeModel(ctx, modelSmall, dir); err != nil {
		return err
	}
	if s.bodies, err = jsonBodies(s.model, comparedClients, e.seed); err != nil {
		return err
	}
	if err := writePeerFiles(dir); err != nil {
		return err
	}
	var all []tunedPeer
	for _, p := range peerServers(s.budget) {
		t, err := s.tuneOne(ctx, p)
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	return s.compare(ctx, all)
}

// tuneOne sweeps one server. A peer that is not installed, or cannot be measured, is no error.
func (s *peerSet) tuneOne(ctx context.Context, p peerServer) (tunedPeer, error) {
	t := tunedPeer{peerServer: p}
	var err error
	if t.version, err = p.find(ctx); err != nil {
		t.why = "absent: " + err.Error()
		return t, nil
	}
	begin := time.Now()
	if t.tuning, err = p.tune(ctx, s); err != nil {
		return t, fmt.Errorf("%s: %w", p.name(), err)
	}
	if t.settings == nil {
		t.why = t.note
	}
	fmt.Fprintf(s.e.stderr, "peers: %s in %.0f s: %s\n", t.label(), time.Since(begin).Seconds(), t.note)
	return t, nil
}

// compare measures all servers in turns, each with its settings. The first one is this program.
func (s *peerSet) compare(ctx context.Context, all []tunedPeer) (err error) {
	if all[0].why != "" {
		return errors.New("this program: " + all[0].why)
	}
	var sides []*comparedServer
	var names []tunedPeer
	for _, p := range all {
		if p.why != "" {
			s.addAbsent(p)
			continue
		}
		c, stop, err := p.start(ctx, s, *p.settings)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
		defer func() { err = errors.Join(err, stop()) }()
		c.lenient = true
		sides, names = append(sides, c), append(names, p)
	}
	if len(sides) < 2 {
		return nil
	}
	var blocks []judge.Measure
	var trees []tree
	for _, c := range sides {
		c.settle()
		blocks, trees = append(blocks, c.block), append(trees, c.procs)
	}
	r, err := judge.MeasureRounds(ctx, judge.RoundsPlan{
		Rounds: s.budget.rounds, MaxRounds: s.budget.rounds + s.budget.rounds/2, Length: s.budget.block, Seed: s.e.seed, Watch: watchTrees(os.Getpid(), trees...),
	}, blocks...)
	if err != nil {
		return err
	}
	s.report(r, sides, names)
	return nil
}

// peerMetrics are the figures of a peer, with the unit in their details.
var peerMetrics = []namedMetric{{metricRate, "rate", "/s"}, {metricP99, "p99", " ms"}, {metricCPU, "cpu", " ms"}}

// addAbsent adds the figures of a peer that is not compared, with the reason.
func (s *peerSet) addAbsent(p tunedPeer) {
	for _, m := range peerMetrics {
		iv := openInterval(math.NaN())
		s.e.report.Add(judge.Figure{Name: "peers." + m.name + "." + p.name(), Value: math.NaN(), Unit: "ratio", Interval: &iv, Detail: p.why})
	}
}

// promiseOf says whether a server keeps the promise: by the interval of the median of its blocks' P99.
func promiseOf(p99 stat.Interval, limit time.Duration) (word string, keeps bool) {
	goal := judge.Goal{Compare: judge.AtMost, Number: float64(limit) / float64(time.Millisecond)}
	switch goal.Judge(p99.Low, p99.High) {
	case judge.OK:
		return "keeps the promise", true
	case judge.FallsShort:
		return "breaks the promise", false
	default:
		return "keeps or breaks the promise, which cannot be told from its blocks,", false
	}
}

// report adds the figures of all compared servers.
func (s *peerSet) report(r *judge.Rounds, sides []*comparedServer, names []tunedPeer) {
	kept, within := make([]string, len(names)), 0
	oursKeeps := false
	for i, p := range names {
		p99 := r.Median(metricP99, i, s.e.seed)
		word, keeps := promiseOf(p99, peersSLA().Limit)
		if keeps {
			within++
		}
		if i == 0 {
			oursKeeps = keeps
		}
		kept[i] = fmt.Sprintf("%s %s with P99 %s ms (%s-%s)", p.label(), word, judge.Number(p99.Value), judge.Number(p99.Low), judge.Number(p99.High))
		if n := sides[i].failed; n > 0 {
			kept[i] += fmt.Sprintf(" and %d failed requests", n)
		}
	}
	for i, p := range names[1:] {
		detail := fmt.Sprintf(", %d clients, %s", comparedClients, kept[i+1])
		for _, f := range serverFigures(r, peerMetrics, 0, i+1, s.e.seed, "peers.", "."+p.name(), detail) {
			if !oursKeeps { // there is no rate within the promise
				iv := openInterval(f.Value)
				f.Interval, f.Detail = &iv, "this program does not certainly keep the promise, "+f.Detail
			}
			s.e.report.Add(f)
		}
		s.e.report.Add(memoryFigure("peers.memory."+p.name(), "the end", sides[0].procs, sides[i+1].procs))
	}
	s.e.report.Add(judge.Figure{
		Name: "peers.kept", Value: float64(within) / float64(len(names)), Unit: "share",
		Detail: fmt.Sprintf("%d of %d servers certainly, P99 within %v: %s", within, len(names), peersSLA().Limit, strings.Join(kept, "; ")),
	})
}

// jsonBodies returns n bodies in JSON for a model with one FP32 input.
func jsonBodies(m comparedModel, n int, seed uint64) ([]load.Body, error) {
	var out []load.Body
	for _, b := range handler.Bodies(m.inputs, n, seed) {
		data, err := batchOfOne(b.Data, m.inputs[0].Name)
		if err != nil {
			return nil, err
		}
		out = append(out, load.Body{Type: "application/json", Data: data})
	}
	return out, nil
}

// writePeerFiles writes the files of the servers in Python.
func writePeerFiles(dir string) error {
	entries, err := peerFiles.ReadDir("testdata/peers")
	if err != nil {
		return err
	}
	for _, f := range entries {
		text, err := peerFiles.ReadFile("testdata/peers/" + f.Name())
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name()), text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
