package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
)

// The environment variables with which Slurm and Kubernetes number the tasks of one job.
const (
	slurmTask       = "SLURM_ARRAY_TASK_ID"
	slurmCount      = "SLURM_ARRAY_TASK_COUNT"
	slurmMin        = "SLURM_ARRAY_TASK_MIN"
	slurmStep       = "SLURM_ARRAY_TASK_STEP"
	kubernetesIndex = "JOB_COMPLETION_INDEX"
)

// shardHelp is the help of --shard.
const shardHelp = "measure one part of the grid, on one of several machines: 2/4 is the second of four; auto/4: the part of this task of a Slurm array numbered from 0, or of this pod of a Kubernetes Indexed Job; auto: all of it by the Slurm array"

// shardFrom reads the value of --shard. auto and auto/n take the number of the part from the
// environment.
func shardFrom(text string, env environment) (plan.Shard, error) {
	word, count, counted := strings.Cut(text, "/")
	if word != "auto" {
		s, err := plan.ParseShard(text)
		if err != nil {
			return s, fmt.Errorf("--%w", err)
		}
		return s, nil
	}
	slurm, kubernetes := env.get(slurmTask), env.get(kubernetesIndex)
	switch {
	case slurm == "" && kubernetes == "":
		return plan.Shard{}, withHint("write: --shard 1/4", "--shard %s: neither %s nor %s is set: this is no task of a Slurm array and no pod of an Indexed Job", text, slurmTask, kubernetesIndex)
	case slurm != "" && kubernetes != "":
		return plan.Shard{}, withHint("write: --shard i/n", "--shard %s: both %s and %s are set, and nothing says which of them numbers the parts", text, slurmTask, kubernetesIndex)
	case counted:
		return indexedShard(text, slurm+kubernetes, count)
	case kubernetes != "":
		return plan.Shard{}, withHint("write: --shard auto/4, with the completions of the job", "--shard auto: Kubernetes says the index of a pod, %s=%s, and not how many there are", kubernetesIndex, kubernetes)
	}
	return arrayShard(env)
}

// indexedShard returns the shard with this index, counted from 0, of count shards.
func indexedShard(text, index, count string) (plan.Shard, error) {
	i, err := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	if err2 != nil {
		return plan.Shard{}, fmt.Errorf("--shard %s: want auto/n, such as auto/4", text)
	}
	if err != nil || i < 0 || i >= n {
		return plan.Shard{}, withHint(fmt.Sprintf("number the tasks 0-%d", n-1), "--shard %s: the index of this task is %s, and those of %d parts are 0-%d", text, index, n, n-1)
	}
	s, err := plan.ParseShard(fmt.Sprintf("%d/%d", i+1, n))
	if err != nil {
		return s, fmt.Errorf("--%w", err)
	}
	return s, nil
}

// arrayShard returns the shard of a task of a Slurm array without gaps, which may start at any number and
// have any step.
func arrayShard(env environment) (plan.Shard, error) {
	number := func(name string, absent int) (int, error) {
		text := env.get(name)
		if text == "" && absent > 0 {
			return absent, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("--shard auto: %s=%q is not a whole number", name, text)
		}
		return n, nil
	}
	id, err := number(slurmTask, 0)
	first, err2 := number(slurmMin, 0)
	count, err3 := number(slurmCount, 0)
	step, err4 := number(slurmStep, 1)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return plan.Shard{}, err
	}
	if step < 1 || id < first || (id-first)%step != 0 || (id-first)/step >= count {
		return plan.Shard{}, withHint("write: --shard auto/n, with the number of all parts, and number the array 0-(n-1)",
			"--shard auto: task %d is not one of %d tasks from %d on in steps of %d: the array has gaps", id, count, first, step)
	}
	s, err := plan.ParseShard(fmt.Sprintf("%d/%d", (id-first)/step+1, count))
	if err != nil {
		return s, fmt.Errorf("--%w", err)
	}
	return s, nil
}

// shard returns the shard of the command line, or that of the resumed sweep. The zero value is the
// whole grid.
func (a *app) shard(f *runFlags, old *resumed) (plan.Shard, error) {
	var given, before plan.Shard
	if f.shard != "" {
		var err error
		if given, err = shardFrom(f.shard, a.env); err != nil {
			return given, err
		}
	}
	if old != nil && old.header.Shard != nil {
		before = *old.header.Shard
	}
	switch {
	case old == nil || given == before:
		return given, nil
	case f.shard == "":
		return before, nil
	case before.IsWhole():
		return given, withHint("leave out --shard", "%s is a sweep of the whole grid, and not shard %v", old.header.ID, given)
	}
	return given, withHint("leave out --shard", "%s is shard %v, and not %v", old.header.ID, before, given)
}

// checkShard returns an error if the plan of a job cannot be divided.
func (j job) checkShard(f *runFlags) error {
	switch {
	case j.shard.IsWhole():
		return nil
	case f.demo:
		return withHint("add --sla 20ms", "--shard %v: the promise of the demonstration is that of each machine, and the parts need one", j.shard)
	}
	err := j.plan.CheckShards()
	if err != nil && j.plan.Strategy != "grid" {
		return withHint("add --strategy grid", "--shard %v: %w", j.shard, err)
	}
	if err != nil {
		return fmt.Errorf("--shard %v: %w", j.shard, err)
	}
	return nil
}

// part returns what a shard measures on a target; nil for the whole grid.
func part(p plan.Plan, s plan.Shard, info sweep.Info) (*plan.Part, error) {
	if s.IsWhole() {
		return nil, nil
	}
	points, _ := p.Points(info.Limits, info.Current, info.Fixed)
	out, err := p.Divide(points, s)
	return &out, err
}

// setShard sets the fields of a header that describe a shard.
func setShard(h *profiles.Header, p *plan.Part) {
	if p != nil {
		h.Shard, h.Grid, h.Control = &p.Shard, &p.Grid, &p.Control
	}
}

// noteShard prints which part of the grid is measured.
func (a *app) noteShard(p *plan.Part, f *runFlags) {
	if p != nil {
		a.note(f, "shard    %v: %d of %d points; control %v at %v, before the first and after the last", p.Shard, len(p.Points), p.Grid.Points, p.Control.Settings, p.Control.Load)
	}
}
