package main

import (
	"context"

	"github.com/spf13/pflag"
)

// workOrSweep opens the workbench where there is a terminal for it. With --sweep
// it searches without a screen, and without a terminal it says so and does the
// same.
func (a *app) workOrSweep(ctx context.Context, fs *pflag.FlagSet, args []string, f *runFlags) error {
	if f.sweep == "" {
		if err := (&runFlags{sweep: "auto"}).checkArgs(args); err != nil {
			return err
		}
		f.sweep = "auto"
		a.note(f, "no screen here: this is what --sweep does")
	}
	return a.headless(ctx, fs, args, f)
}
