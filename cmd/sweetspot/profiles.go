package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
)

// profilesCommand has the commands for recorded sweeps.
func (a *app) profilesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "profiles", Short: "recorded sweeps: list, show, note, compare, merge, import",
		Long: `profiles lists, shows, compares and merges recorded sweeps and live recordings.
The name of a profile is its ID, the first characters of the ID, a file, a folder
with a profile.jsonl, such as that of --out, or last.`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			var names []string
			for _, sub := range c.Commands() {
				names = append(names, sub.Name())
			}
			return withHint("see: sweetspot profiles --help", "profiles %q: unknown command%s", args[0], knob.Suggest(args[0], names))
		},
	}
	c.AddCommand(a.listCommand(), a.showCommand(), a.noteCommand(), a.compareCommand(), a.mergeCommand(), a.importCommand())
	return c
}

func (a *app) listCommand() *cobra.Command {
	var (
		f            profiles.Filter
		since, state string
		asJSON       bool
	)
	c := &cobra.Command{
		Use: "list", Short: "list the recorded sweeps, newest first", Args: cobra.NoArgs,
		Example: `  sweetspot profiles list
  sweetspot profiles list --model 'mlp*' --since 7d --state done
  sweetspot profiles list --tag baseline --json`,
		RunE: func(*cobra.Command, []string) error {
			f.State = profiles.State(state)
			if since != "" {
				var err error
				if f.Since, err = profiles.ParseSince(since, time.Now()); err != nil {
					return fmt.Errorf("--since: %w", err)
				}
			}
			return a.list(f, asJSON)
		},
	}
	c.Flags().StringVar(&f.Model, "model", "", "only this model; * matches any characters")
	c.Flags().StringVar(&since, "since", "", "only those created since: 2026-11-22, 36h, 7d")
	c.Flags().StringVar(&state, "state", "", "only those that are done, stopped, failed, running or interrupted")
	c.Flags().StringVar(&f.Tag, "tag", "", "only those with this tag")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func (a *app) list(f profiles.Filter, asJSON bool) error {
	all, err := profiles.List(a.env.profileDir())
	if err != nil {
		return err
	}
	dangling, err := profiles.Dangling(a.env.profileDir())
	if err != nil {
		return err
	}
	if len(dangling) > 0 {
		fmt.Fprintf(a.err, "left out: %d profiles of --out that no longer exist\n", len(dangling))
	}
	selected, err := f.Select(all)
	switch {
	case err != nil:
		return err
	case asJSON:
		return profiles.WriteListJSON(a.out, selected)
	case len(all) == 0:
		fmt.Fprintln(a.err, "no profiles yet: sweetspot MODEL --sweep records one")
		return nil
	case len(selected) == 0:
		fmt.Fprintf(a.err, "none of the %d profiles matches\n", len(all))
		return nil
	}
	return profiles.WriteList(a.out, selected, a.style())
}

func (a *app) showCommand() *cobra.Command {
	var (
		asJSON, trials bool
		at             string
	)
	c := &cobra.Command{
		Use: "show [PROFILE]", Short: "show one recorded sweep", Args: cobra.MaximumNArgs(1),
		Example: "  sweetspot profiles show\n  sweetspot profiles show 20261122 --json\n  sweetspot profiles show last --at 80rps",
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.openProfile(args)
			if err != nil {
				return err
			}
			if at != "" {
				return a.showAt(p, at, asJSON)
			}
			if asJSON {
				return profiles.WriteShowJSON(a.out, p)
			}
			style := a.style()
			style.Trials = trials
			return profiles.WriteShow(a.out, p, style)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVar(&trials, "trials", false, "one row per trial, instead of one per setting")
	c.Flags().StringVar(&at, "at", "", "predict its settings at this load in requests per second: 80rps")
	return c
}

func (a *app) noteCommand() *cobra.Command {
	var n profiles.Annotation
	c := &cobra.Command{
		Use: "note PROFILE [TEXT]", Short: "add a note or a tag to a recorded sweep", Args: cobra.RangeArgs(1, 2),
		Long: `note appends to the profile and does not change its other lines. Paths in the text
are cut to their last element, as everywhere in a profile.`,
		Example: `  sweetspot profiles note last "before the new driver" --tag baseline
  sweetspot profiles note 20261122 --untag baseline`,
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := profiles.Find(a.env.profileDir(), args[0])
			if err != nil {
				return err
			}
			if len(args) > 1 {
				n.Note = args[1]
			}
			return profiles.Annotate(path, time.Now(), n)
		},
	}
	c.Flags().StringArrayVar(&n.Tag, "tag", nil, "add this tag")
	c.Flags().StringArrayVar(&n.Untag, "untag", nil, "remove this tag")
	return c
}

// openProfile opens the profile with the name of the first argument, by default the last one.
func (a *app) openProfile(args []string) (*profiles.Profile, error) {
	name := profiles.Last
	if len(args) > 0 {
		name = args[0]
	}
	return profiles.Open(a.env.profileDir(), name)
}
