package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sweetspot/profiles"
)

// profilesCommand lists and shows recorded sweeps.
func (a *app) profilesCommand() *cobra.Command {
	c := &cobra.Command{Use: "profiles", Short: "recorded sweeps: list, show"}
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "the recorded sweeps, newest first", Args: cobra.NoArgs,
		Example: "  sweetspot profiles list\n  sweetspot profiles list --json",
		RunE: func(*cobra.Command, []string) error {
			all, err := profiles.List(a.env.profileDir())
			if err != nil {
				return err
			}
			if asJSON {
				return profiles.WriteListJSON(a.out, all)
			}
			if len(all) == 0 {
				fmt.Fprintln(a.err, "no profiles yet: sweetspot MODEL --sweep records one")
				return nil
			}
			return profiles.WriteList(a.out, all, a.style())
		},
	}
	show := &cobra.Command{
		Use: "show [PROFILE]", Short: "one recorded sweep: ID, unique prefix, file, or last", Args: cobra.MaximumNArgs(1),
		Example: "  sweetspot profiles show\n  sweetspot profiles show 20261122 --json",
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.openProfile(args)
			if err != nil {
				return err
			}
			if asJSON {
				return profiles.WriteShowJSON(a.out, p)
			}
			return profiles.WriteShow(a.out, p, a.style())
		},
	}
	for _, sub := range []*cobra.Command{list, show} {
		sub.Flags().BoolVar(&asJSON, "json", false, "as JSON")
		c.AddCommand(sub)
	}
	return c
}

// openProfile opens the profile named by the first argument, by default the last.
func (a *app) openProfile(args []string) (*profiles.Profile, error) {
	name := profiles.Last
	if len(args) > 0 {
		name = args[0]
	}
	return profiles.Open(a.env.profileDir(), name)
}
