package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/torchserve"
)

// restoreFile returns the file with what a server had in force before a sweep; "" if there is no folder
// for it.
func (a *app) restoreFile(management string) string {
	sum := sha256.Sum256([]byte(management))
	return a.env.stateFile(fmt.Sprintf("torchserve-%x.json", sum[:8]))
}

// restoreCommand restores the settings of servers whose sweep was killed.
func (a *app) restoreCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "restore [URL]", Short: "restore the settings of a TorchServe whose sweep was killed", Args: cobra.MaximumNArgs(1),
		Long: `restore sets workers, batch size and batch delay of a running TorchServe to what they were before a sweep
that was killed, so that it could not restore them itself. Without URL it restores all servers that need it. The next sweep of the
server does the same.`,
		Example: "  sweetspot restore\n  sweetspot restore http://127.0.0.1:8081 --key-file key_file.json",
	}
	a.remote.bind(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		files, err := a.restoreFiles(args)
		if err != nil {
			return err
		}
		if len(files) == 0 {
			fmt.Fprintln(a.out, "nothing to restore")
		}
		var errs []error
		for _, file := range files {
			errs = append(errs, a.restoreOne(c, file))
		}
		return errors.Join(errs...)
	}
	return c
}

// restoreFiles returns the restore files that exist: of one server or of all.
func (a *app) restoreFiles(args []string) ([]string, error) {
	pattern := a.env.stateFile("torchserve-*.json")
	if len(args) > 0 {
		pattern = a.restoreFile(args[0])
	}
	if pattern == "" {
		return nil, errors.New("there is no folder for the state of this program: set HOME or XDG_STATE_HOME")
	}
	if len(args) == 0 {
		return filepath.Glob(pattern)
	}
	if _, err := os.Stat(pattern); err != nil {
		return nil, nil //nolint:nilerr // there is nothing to restore
	}
	return []string{pattern}, nil
}

func (a *app) restoreOne(c *cobra.Command, file string) error {
	saved, err := torchserve.ReadSaved(file)
	if err != nil {
		return err
	}
	p := plan.Plan{Target: saved.Management}
	if err := a.allow(c.Context(), p); err != nil {
		return err
	}
	cfg, err := a.remote.config(p)
	if err != nil {
		return err
	}
	text, err := torchserve.Restore(c.Context(), cfg, saved.Management, file)
	if err != nil {
		return fmt.Errorf("%s: %w", saved.Management, err)
	}
	if text != "" {
		fmt.Fprintf(a.out, "restored %s: %s\n", saved.Management, text)
	}
	return nil
}
