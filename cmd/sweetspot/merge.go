package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/profiles"
)

// mergeCommand merges the parts of a sweep.
func (a *app) mergeCommand() *cobra.Command {
	var to string
	var force, asJSON bool
	c := &cobra.Command{
		Use: "merge PROFILE PROFILE...", Short: "merge shards, or a sweep and those that resumed it, into a new profile", Args: cobra.MinimumNArgs(2),
		Long: `merge writes a new profile with all trials of the parts: the shards of a grid, or a
sweep and the sweeps that resumed it. It prints its path; stderr has what is missing,
how the machines of the shards compare, and the best settings of all parts.

The parts must have one plan, one model and one class of machine. Each shard has
measured the same control setting. If the controls of two shards differ beyond their
intervals, the machines differ, and no setting is recommended.

The exit code is 0 if a setting keeps the promise under every load of the plan, 2 if
none does, and 3 if that cannot be told, if the machines differ, or if the parts are not
comparable.`,
		Example: `  sweetspot profiles merge results/*/profile.jsonl --to whole.jsonl
  sweetspot profiles merge 20261122T09 20261122T10 --json`,
		RunE: func(_ *cobra.Command, args []string) error {
			var parts []*profiles.Profile
			for _, name := range args {
				p, err := a.openProfile([]string{name})
				if err != nil {
					return err
				}
				parts = append(parts, p)
			}
			return a.merge(parts, to, force, asJSON)
		},
	}
	c.Flags().StringVar(&to, "to", "", "file to write; default: a new profile in the folder of profiles")
	c.Flags().BoolVar(&force, "force", false, "also merge parts that differ or are still written; the profile says so")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func (a *app) merge(parts []*profiles.Profile, to string, force, asJSON bool) error {
	now := time.Now().UTC()
	o := profiles.MergeOptions{ID: profiles.NewID(now), At: now, Tool: "sweetspot " + version, Force: force}
	if to == "" {
		to = profiles.Path(a.env.profileDir(), o.ID)
	}
	r, err := profiles.Merge(to, parts, o)
	switch {
	case errors.Is(err, profiles.ErrNotComparable) && !asJSON:
		a.printError(withHint("measure all parts with one plan on equal machines; --force merges them as they are, marked", "%w", err))
		return exit{exitCannotTell}
	case err != nil && !errors.Is(err, profiles.ErrNotComparable):
		return err
	case asJSON:
		err = profiles.WriteMergeJSON(a.out, r)
	default:
		if err = profiles.WriteMerge(a.err, r, a.style()); err == nil {
			_, err = fmt.Fprintln(a.out, to)
		}
	}
	if err == nil && r.Exit != exitYes {
		err = exit{r.Exit}
	}
	return err
}
