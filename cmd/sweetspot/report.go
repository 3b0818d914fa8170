package main

import (
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/profiles/report"
)

// reportCommand draws a profile for people and programs outside.
func (a *app) reportCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "report [PROFILE]", Short: "draw a profile as a table: the study's columns as Markdown, or CSV", Args: cobra.MaximumNArgs(1),
		Example: `  sweetspot report                          the last one, in the columns of the Animated Drawings study
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
