package main

import (
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/profiles/report"
)

// reportCommand writes a profile as a table for other people and programs.
func (a *app) reportCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "report [PROFILE]", Short: "write a profile as a table: Markdown with the columns of the study, or CSV", Args: cobra.MaximumNArgs(1),
		Example: `  sweetspot report                          the last one, with the columns of the Animated Drawings study
  sweetspot report 20261122T09 --format csv > trials.csv`,
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.openProfile(args)
			if err != nil {
				return err
			}
			return report.Write(a.out, p, format)
		},
	}
	c.Flags().StringVar(&format, "format", report.Formats()[0], strings.Join(report.Formats(), " or "))
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(report.Formats(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return c
}
