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
		return fmt.Errorf("--block %v: want %v or more; %v of it are warm-up", m.block, minBlock, minBlock/2)
	case m.longest < m.block:
		return fmt.Errorf("--longest %v: want --block, %v, or more", m.longest, m.block)
	case m.compare.Percentile != 0 && !(m.compare.Percentile >= 50 && m.compare.Percentile <= 99.99):
		return fmt.Errorf("--percentile %g is outside 50-99.99", m.compare.Percentile)
	}
	return nil
}

// minBlock is the shortest block: half of it is warm-up.
const minBlock = 500 * time.Millisecond

// measureBoth runs the best settings of two profiles in turns on this machine,
// so that what the machine does meanwhile happens to both.
func (a *app) measureBoth(ctx context.Context, before, after *profiles.Profile, m measureFlags, asJSON bool) error {
	if err := m.validate(); err != nil {
		return err
	}
	p, best, err := m.best(before, after)
	if err != nil {
		return err
	}
	t, err := a.openTarget(ctx, p, startConfig(p))
	if err != nil {
		return err
	}
	defer t.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the child is gone either way
	info, err := t.Info(ctx)
	if err != nil {
		return err
	}
	if err := sweep.Judgeable(p.SLA, info.Tells); err != nil {
		return err
	}
	if err := profiles.CheckModel(model(info), before.Header, after.Header); err != nil && !m.compare.Force {
		return withHint("--force measures this one for both", "%w", err)
	}
	watch := newTurnsProgress(a.err, m.quiet)
	turns := sweep.Turns{Target: t, SLA: p.SLA, Pairs: m.pairs, Length: m.block, Longest: m.longest, Seed: p.Seed, Observe: watch.see}
	turns.A, turns.B = best.Points()
	d, err := turns.Run(ctx)
	watch.end()
	if err != nil {
		return m.broken(ctx, err, watch, p.SLA)
	}
	return a.conclude(best.Judge(d, p.SLA, m.compare), asJSON)
}

// conclude prints the outcome; the error carries its exit code.
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

// broken is why there is no comparison, in a person's words.
func (m measureFlags) broken(ctx context.Context, err error, watch *turnsProgress, sla trial.SLA) error {
	if ctx.Err() != nil {
		if !m.quiet {
			fmt.Fprintf(watch.w, "stopped after %d of %d blocks: nothing is concluded from a part\n", watch.done, max(watch.total, 2*m.pairs))
		}
		return context.Cause(ctx)
	}
	if thin, ok := errors.AsType[*sweep.ThinError](err); ok {
		return withHint("--longest 5m takes longer blocks; --percentile 90 takes fewer answers",
			"P%g: %w", sla.Percentile, thin)
	}
	return err
}

// best are the best settings of both profiles, and the plan of the second one,
// which says which model is run, how, and what was promised.
func (m measureFlags) best(before, after *profiles.Profile) (plan.Plan, profiles.BestPair, error) {
	var p plan.Plan
	var best profiles.BestPair
	id := after.Header.ID
	if after.Header.Kind != profiles.Sweep {
		return p, best, fmt.Errorf("%s is a live recording; --measure takes the model from the plan of a sweep", id)
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
		return p, best, withHint("--force runs both as the second was", "%w", err)
	case err != nil:
		return p, best, err
	}
	p.Options = best.B.Options
	best.Load, err = m.whole(best.Load, id)
	return p, best, err
}

// whole is a load with what its trace's file says, which a block has to hold whole.
func (m measureFlags) whole(l load.Spec, id string) (load.Spec, error) {
	l, err := load.Identify(l)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return l, withHint("run it in the folder of "+l.File, "%s does not say in which folder its trace is: %w", id, err)
	case err != nil:
		return l, err
	case l.Over > m.longest:
		return l, withHint(fmt.Sprintf("--longest %v takes it", l.Over+time.Second), "a block lasts %v at most, and %v is measured whole", m.longest, l)
	}
	return l, nil
}

// files are the plan's, whose folders no profile tells.
func (m measureFlags) files(p *plan.Plan, id string) error {
	switch {
	case m.target != "":
		p.Target = m.target
	case addressLost(p.Target):
		return withHint("add --target URL", "%s does not say where its server is", id)
	}
	switch {
	case m.model != "":
		p.Model = m.model
	case servesItsOwn(p.Target):
	case !strings.Contains(p.Model, ":"):
		return withHint("add --model PATH/"+p.Model, "%s does not say in which folder %s is", id, p.Model)
	}
	switch {
	case m.input != "":
		p.Input = m.input
	case p.Input != "":
		return withHint("add --input PATH/"+p.Input, "%s does not say in which folder its requests, %s, are", id, p.Input)
	}
	return nil
}

// turnsProgress says how far a comparison is: on a terminal in one line that is
// redrawn, elsewhere in a line for each tenth.
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

// see takes the news of a block.
func (p *turnsProgress) see(done, total int, left time.Duration) {
	tenth := done*10/total > p.done*10/total
	p.done, p.total = done, total
	line := fmt.Sprintf("block %d of %d, ETA %v", done, total, left.Round(time.Second))
	switch {
	case p.quiet:
	case p.live && time.Since(p.last) >= redraw:
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
