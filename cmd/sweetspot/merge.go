package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/profiles"
)

// mergeCommand merges the parts of a sweep.
func (a *app) mergeCommand() *cobra.Command {
	var to string
	var force bool
	c := &cobra.Command{
		Use: "merge PROFILE PROFILE...", Short: "merge shards, or a sweep and those that resumed it, into a new profile", Args: cobra.MinimumNArgs(2),
		Example: `  sweetspot profiles merge shard1/profile.jsonl shard2/profile.jsonl
  sweetspot profiles merge 20261122T09 20261122T10 --to whole.jsonl`,
		RunE: func(_ *cobra.Command, args []string) error {
			var parts []*profiles.Profile
			for _, name := range args {
				p, err := a.openProfile([]string{name})
				if err != nil {
					return err
				}
				parts = append(parts, p)
			}
			now := time.Now().UTC()
			o := profiles.MergeOptions{ID: profiles.NewID(now), At: now, Tool: "sweetspot " + version, Force: force}
			if to == "" {
				to = profiles.Path(a.env.profileDir(), o.ID)
			}
			if err := profiles.Merge(to, parts, o); err != nil {
				return err
			}
			fmt.Fprintln(a.out, to)
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "file to write; default: a new profile in the folder of profiles")
	c.Flags().BoolVar(&force, "force", false, "also merge parts that differ or are still written")
	return c
}
