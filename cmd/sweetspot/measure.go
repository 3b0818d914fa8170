package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// measureFlags are the flags of compare --measure.
type measureFlags struct {
	compare profiles.CompareOptions
	pairs   int
	block   time.Duration
	longest time.Duration
	model   string
	input   string
	target  string
	quiet   bool
}

func (m measureFlags) validate() error {
	switch {
	case m.pairs < 6:
		return fmt.Errorf("--pairs %d: want 6 or more; fewer have no interval", m.pairs)
	case m.block < minBlock:
		return fmt.Errorf("--block %v: want %v or more; %v of it is warm-up", m.block, minBlock, minBlock/2)
	case m.longest < m.block:
		return fmt.Errorf("--longest %v: want --block, %v, or more", m.longest, m.block)
	case m.compare.Percentile != 0 && !(m.compare.Percentile >= 50 && m.compare.Percentile <= 99.99):
		return fmt.Errorf("--percentile %g is outside 50-99.99", m.compare.Percentile)
	}
	return nil
}

// minBlock is the shortest block: half of it is warm-up.
const minBlock = 500 * time.Millisecond

// measureBoth measures the best settings of two profiles in turns on this machine, so that
// disturbances of the machine affect both.
func (a *app) measureBoth(ctx context.Context, before, after *profiles.Profile, m measureFlags, asJSON bool) (err error) {
	if err := m.validate(); err != nil {
		return err
	}
	p, best, err := m.best(before, after)
	if err != nil {
		return err
	}
	if err := a.checkTargetFlags(p.Target); err != nil {
		return err
	}
	t, err := a.openTarget(ctx, p, startConfig(p))
	if err != nil {
		return err
	}
	defer func() { err = closeTarget(ctx, t, err) }()
	info, err := t.Info(ctx)
	if err != nil {
		return err
	}
	if err := sweep.CheckSLA(p.SLA, info.Metrics); err != nil {
		return err
	}
	if err := profiles.CheckModel(model(info), before.Header, after.Header); err != nil && !m.compare.Force {
		return withHint("--force measures this model for both", "%w", err)
	}
	progress := newTurnsProgress(a.err, m.quiet)
	turns := sweep.Comparison{Target: t, SLA: p.SLA, Pairs: m.pairs, MinBlock: m.block, MaxBlock: m.longest, Seed: p.Seed, OnBlock: progress.update}
	turns.A, turns.B = best.Points()
	d, err := turns.Run(ctx)
	progress.end()
	if err != nil {
		return m.explain(ctx, err, progress, p.SLA)
	}
	return a.conclude(best.Judge(d, p.SLA, m.compare), asJSON)
}

// conclude prints the outcome. Its error has the exit code.
func (a *app) conclude(m profiles.Measured, asJSON bool) error {
	m.Exit = exitOf(m.Outcome)
	write := writeMeasured
	if asJSON {
		write = writeMeasuredJSON
	}
	if err := write(a.out, m); err != nil {
		return err
	}
	if m.Exit != exitYes {
		return exit{m.Exit}
	}
	return nil
}

// explain returns the error of a comparison that did not end, with a hint.
func (m measureFlags) explain(ctx context.Context, err error, progress *turnsProgress, sla trial.SLA) error {
	if ctx.Err() != nil {
		if !m.quiet {
			fmt.Fprintf(progress.w, "stopped after %d of %d blocks: there is no result without all of them\n", progress.done, max(progress.total, 2*m.pairs))
		}
		return context.Cause(ctx)
	}
	if thin, ok := errors.AsType[*sweep.TooFewAnswersError](err); ok {
		return withHint("--longest 5m allows longer blocks; --percentile 90 needs fewer answers",
			"P%g: %w", sla.Percentile, thin)
	}
	return err
}

// best returns the best settings of both profiles, and the plan of the second one, with its
// model, options and promise.
func (m measureFlags) best(before, after *profiles.Profile) (plan.Plan, profiles.BestPair, error) {
	var p plan.Plan
	var best profiles.BestPair
	id := after.Header.ID
	if after.Header.Kind != profiles.Sweep {
		return p, best, fmt.Errorf("%s is a live recording; --measure needs the plan of a sweep", id)
	}
	if err := json.Unmarshal(after.Header.Plan, &p); err != nil {
		return p, best, fmt.Errorf("%s: plan: %w", id, err)
	}
	if err := m.files(&p, id); err != nil {
		return p, best, err
	}
	if m.compare.Percentile > 0 {
		p.SLA.Percentile = m.compare.Percentile
	}
	best, err := profiles.NewBestPair(before, after, m.compare)
	switch {
	case errors.Is(err, profiles.ErrNotComparable):
		return p, best, withHint("--force runs both like the second one", "%w", err)
	case err != nil:
		return p, best, err
	}
	p.Options = best.B.Options
	best.Load, err = m.identify(best.Load, id)
	return p, best, err
}

// identify reads the trace of a load and checks that it fits a block.
func (m measureFlags) identify(l load.Spec, id string) (load.Spec, error) {
	l, err := load.Identify(l)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return l, withHint("run the command in the folder of "+l.File, "%s does not have the folder of its trace: %w", id, err)
	case err != nil:
		return l, err
	case l.Over > m.longest:
		return l, withHint(fmt.Sprintf("use --longest %v", l.Over+time.Second), "a block lasts %v at most, but %v must be measured completely", m.longest, l)
	}
	return l, nil
}

// files sets the files and the address of the plan, which profiles do not have.
func (m measureFlags) files(p *plan.Plan, id string) error {
	switch {
	case m.target != "":
		p.Target = m.target
	case p.Target == plan.Command:
		return withHint("use --sweep --plan FILE", "%s does not have the complete command of its server", id)
	case addressLost(p.Target):
		return withHint("add --target URL", "%s does not have the address of its server", id)
	}
	switch {
	case m.model != "":
		p.Model = m.model
	case isRemote(p.Target):
	case !strings.Contains(p.Model, ":"):
		return withHint("add --model PATH/"+p.Model, "%s does not have the folder of %s", id, p.Model)
	}
	switch {
	case m.input != "" && !p.Takes("input"):
		return withHint("leave it out", "--input has no effect on target %s", p.Target)
	case m.input != "":
		p.Input = m.input
	case p.Input != "":
		return withHint("add --input PATH/"+p.Input, "%s does not have the folder of its requests, %s", id, p.Input)
	}
	return nil
}

// turnsProgress prints the progress of a comparison: on a terminal one line that is updated,
// otherwise one line for each tenth.
type turnsProgress struct {
	w           io.Writer
	live, quiet bool
	width       int
	last        time.Time
	done, total int
}

func newTurnsProgress(w io.Writer, quiet bool) *turnsProgress {
	p := &turnsProgress{w: w, quiet: quiet}
	p.live, p.width = terminal(w)
	return p
}

// update prints the progress after a block.
func (p *turnsProgress) update(done, total int, left time.Duration) {
	tenth := done*10/total > p.done*10/total
	p.done, p.total = done, total
	line := fmt.Sprintf("block %d of %d, ETA %v", done, total, left.Round(time.Second))
	switch {
	case p.quiet:
	case p.live && time.Since(p.last) >= redrawInterval:
		p.last = time.Now()
		fmt.Fprint(p.w, "\r", ansi.EraseEntireLine, ansi.Truncate(line, p.width-1, ""))
	case !p.live && (tenth || done == 0) && done < total:
		fmt.Fprintln(p.w, line)
	}
}

func (p *turnsProgress) end() {
	if p.live && !p.quiet {
		fmt.Fprint(p.w, "\r", ansi.EraseEntireLine)
	}
}
