package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/profiles"
)

// compareCommand compares two recorded sweeps.
func (a *app) compareCommand() *cobra.Command {
	o := profiles.CompareOptions{Tolerance: profiles.DefaultTolerance}
	var asJSON, measure bool
	var m measureFlags
	c := &cobra.Command{
		Use: "compare A B", Short: "is B worse than A? exit 0 no, 2 yes, 3 cannot tell", Args: cobra.ExactArgs(2),
		Long: `compare compares the trials of B with those of A that have the same settings and
load, with the recorded intervals. B is worse if a figure is certainly worse, and
possibly by more than the tolerance, or if B breaks a promise that A kept.

The exit code is 0 without a regression, 2 with one, and 3 if the figures are too
uncertain or if A and B are not comparable: another machine, another model.

With --measure it does not use the recorded figures: it serves the model on this
machine, under the load of B, and measures the best settings of both in turns.`,
		Example: `  sweetspot profiles compare baseline.jsonl last
  sweetspot profiles compare 20261122 last --choice --tolerance 3% --json
  sweetspot profiles compare old/profile.jsonl new/profile.jsonl --other-model
  sweetspot profiles compare baseline.jsonl last --measure --pairs 30`,
		RunE: func(c *cobra.Command, args []string) error {
			var both [2]*profiles.Profile
			for i, name := range args {
				p, err := a.openProfile([]string{name})
				if err != nil {
					return err
				}
				both[i] = p
			}
			if measure {
				m.compare = o
				return a.measureBoth(c.Context(), both[0], both[1], m, asJSON)
			}
			return a.compare(both[0], both[1], o, asJSON)
		},
	}
	c.Flags().BoolVar(&o.Choice, "choice", false, "compare the two choices, even if their settings differ")
	c.Flags().Float64Var(&o.Percentile, "percentile", 0, "percentile to compare; default: that of the promise")
	c.Flags().Var((*share)(&o.Tolerance), "tolerance", "by how much a figure may be worse: 5% or .05")
	c.Flags().BoolVar(&o.OtherModel, "other-model", false, "also compare two models, such as a new version with the old one, on equal machines")
	c.Flags().BoolVar(&o.Force, "force", false, "also compare different machines and models, and unreliable figures")
	c.Flags().BoolVar(&measure, "measure", false, "measure the best settings of both again, in turns, on this machine")
	c.Flags().IntVar(&m.pairs, "pairs", 60, "with --measure: pairs of blocks")
	c.Flags().DurationVar(&m.block, "block", time.Second, "with --measure: length of a block; longer if the percentile needs more answers")
	c.Flags().DurationVar(&m.longest, "longest", time.Minute, "with --measure: longest block")
	c.Flags().StringVar(&m.model, "model", "", "with --measure: file of the model, if it is not built in")
	c.Flags().Var(&targetFlag{value: &m.target}, "target", "with --measure: address of the server, if it is remote")
	c.Flags().StringVar(&m.input, "input", "", "with --measure: file or folder of request bodies, if the sweep had one")
	a.remote.bind(c.Flags())
	c.Flags().BoolVarP(&m.quiet, "quiet", "q", false, "with --measure: no progress on stderr")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func (a *app) compare(before, after *profiles.Profile, o profiles.CompareOptions, asJSON bool) error {
	c, err := profiles.Compare(before, after, o)
	if err != nil && !errors.Is(err, profiles.ErrNotComparable) {
		return err
	}
	switch {
	case asJSON:
		if err := profiles.WriteComparisonJSON(a.out, c); err != nil {
			return err
		}
	case err != nil:
		if len(c.Differences) > 0 && !o.Force && !errors.Is(err, profiles.ErrNoPairs) {
			err = withHint("--force compares them anyway; --other-model only lets the models differ", "%w", err)
		}
		a.printError(err)
	default:
		if err := profiles.WriteComparison(a.out, c, a.style()); err != nil {
			return err
		}
	}
	if code := exitOf(c.Outcome); code != exitYes {
		return exit{code}
	}
	return nil
}

// exitOf returns the exit code of an outcome.
func exitOf(o profiles.Outcome) int {
	switch o {
	case profiles.NoRegression:
		return exitYes
	case profiles.Regression:
		return exitNo
	}
	return exitCannotTell
}

// share is the value of a flag from 0 to 1, which may be written in percent.
type share float64

func (s *share) String() string { return strconv.FormatFloat(100*float64(*s), 'g', 3, 64) + "%" }

// Type returns the name of the value in the help.
func (s *share) Type() string { return "share" }

// Set parses 5% or .05.
func (s *share) Set(text string) error {
	number, isPercent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if isPercent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return errors.New("want 0%-100%, or 0-1")
	}
	*s = share(v)
	return nil
}
