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
	pairs      int
	block      time.Duration
	longest    time.Duration
	model      string
	input      string
	percentile float64 // 0 is the promise's
	tolerance  float64
	force      bool
	quiet      bool
}

func (m measureFlags) validate() error {
	switch {
	case m.pairs < 6:
		return fmt.Errorf("--pairs %d: want 6 or more; fewer have no interval", m.pairs)
	case m.block < minBlock:
		return fmt.Errorf("--block %v: want %v or more; %v of it are warm-up", m.block, minBlock, minBlock/2)
	case m.longest < m.block:
		return fmt.Errorf("--longest %v: want --block, %v, or more", m.longest, m.block)
	case m.percentile != 0 && !(m.percentile >= 50 && m.percentile <= 99.99):
		return fmt.Errorf("--percentile %g is outside 50-99.99", m.percentile)
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
	t, err := a.openTarget(ctx, p)
	if err != nil {
		return err
	}
	defer t.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the child is gone either way
	info, err := t.Info(ctx)
	if err != nil {
		return err
	}
	if err := m.sameModel(info, before.Header, after.Header); err != nil {
		return err
	}
	out := measured{
		A:    measuredSide{Profile: before.Header.ID, Trial: best[0].N, Settings: best[0].Settings},
		B:    measuredSide{Profile: after.Header.ID, Trial: best[1].N, Settings: best[1].Settings},
		Load: best[1].Load, SLA: p.SLA, Tolerance: m.tolerance,
	}
	out.note(best)
	watch := newTurnsProgress(a.err, m.quiet)
	d, err := sweep.Turns{
		Target: t, A: pointOf(best[0], out.Load), B: pointOf(best[1], out.Load), SLA: p.SLA,
		Pairs: m.pairs, Length: m.block, Longest: m.longest, Seed: p.Seed, Observe: watch.see,
	}.Run(ctx)
	watch.end()
	if err != nil {
		return m.broken(ctx, err, watch, p.SLA)
	}
	out.judge(d, m.force)
	return a.conclude(out, asJSON)
}

// conclude prints the outcome; the error carries its exit code.
func (a *app) conclude(m measured, asJSON bool) error {
	write := m.write
	if asJSON {
		write = m.writeJSON
	}
	if err := write(a.out); err != nil {
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

// pointOf is a trial's settings under a load; a matched one follows them.
func pointOf(t trial.Trial, l load.Spec) plan.Point {
	return plan.Point{Settings: t.Settings, Load: l.For(t.Settings.Workers * t.Settings.BatchSize)}
}

// best are the best trials of both profiles, and the plan of the second one,
// which says which model is run, how, and what was promised.
func (m measureFlags) best(before, after *profiles.Profile) (plan.Plan, [2]trial.Trial, error) {
	var p plan.Plan
	var out [2]trial.Trial
	if after.Header.Kind != profiles.Sweep {
		return p, out, fmt.Errorf("%s is a live recording; --measure takes the model from the plan of a sweep", after.Header.ID)
	}
	if err := json.Unmarshal(after.Header.Plan, &p); err != nil {
		return p, out, fmt.Errorf("%s: plan: %w", after.Header.ID, err)
	}
	if err := m.files(&p, after.Header.ID); err != nil {
		return p, out, err
	}
	if m.percentile > 0 {
		p.SLA.Percentile = m.percentile
	}
	for i, prof := range []*profiles.Profile{before, after} {
		t, ok := prof.Best()
		if !ok {
			return p, out, fmt.Errorf("%s has no setting that kept the promise", prof.Header.ID)
		}
		out[i] = t
	}
	if out[0].Options != out[1].Options && !m.force {
		return p, out, withHint("--force runs both as the second was", "%s was measured with %s and %s with %s: one engine runs one of them",
			before.Header.ID, options(out[0]), after.Header.ID, options(out[1]))
	}
	p.Options = out[1].Options
	l, err := load.Identify(out[1].Load)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return p, out, withHint("run it in the folder of "+l.File, "%s does not say in which folder its trace is: %w", after.Header.ID, err)
	case err != nil:
		return p, out, err
	case l.Over > m.longest:
		return p, out, withHint(fmt.Sprintf("--longest %v takes it", l.Over+time.Second), "a block lasts %v at most, and %v is measured whole", m.longest, l)
	}
	out[1].Load = l
	return p, out, nil
}

// files are the plan's, whose folders no profile tells.
func (m measureFlags) files(p *plan.Plan, id string) error {
	switch {
	case m.model != "":
		p.Model = m.model
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

// options are those of a trial in words: the rule, and what else is set.
func options(t trial.Trial) string {
	text, err := json.Marshal(t.Options)
	if err != nil {
		return t.Options.Rule.String()
	}
	return strings.NewReplacer(`"`, "", "{", "", "}", "", ":", " ", ",", ", ").Replace(string(text))
}

// sameModel refuses to measure a model that is not the profiles'.
func (m measureFlags) sameModel(info sweep.Info, hs ...profiles.Header) error {
	for _, h := range hs {
		if h.Model.SHA256 != info.Model.SHA256 && !m.force {
			return withHint("--force measures this one for both", "%s measured another model (%s, sha256 %.12s; this is %s, %.12s)",
				h.ID, h.Model.Name, h.Model.SHA256, info.Model.Name, info.Model.SHA256)
		}
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
