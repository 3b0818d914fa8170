package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/oip"
	"sweetspot/sweep/target/torchserve"
)

// restoreFile returns the file with what a server had in force before a sweep; "" if there is no folder
// for it.
func (a *app) restoreFile(management string) string {
	sum := sha256.Sum256([]byte(management))
	kind := "torchserve"
	if strings.HasPrefix(management, oip.Prefix) {
		kind = "oip"
	}
	return a.env.stateFile(fmt.Sprintf("%s-%x.json", kind, sum[:8]))
}

// restoreCommand restores the settings of servers whose sweep was killed.
func (a *app) restoreCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "restore [URL]", Short: "restore the settings of a server whose sweep was killed", Args: cobra.MaximumNArgs(1),
		Long: `restore sets workers, batch size and batch delay of a running TorchServe to what they were before a sweep
that was killed, so that it could not restore them itself; of a Triton the configuration of the model. Without URL it restores all servers that need it. The next sweep of the
server does the same.`,
		Example: "  sweetspot restore\n  sweetspot restore http://127.0.0.1:8081 --key-file key_file.json\n  sweetspot restore oip+http://127.0.0.1:8000\n  sweetspot restore --json",
	}
	a.remote.bind(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		files, err := a.restoreFiles(args)
		if err != nil {
			return err
		}
		done, errs := []restored{}, []error(nil)
		for _, file := range files {
			r, err := a.restoreOne(c, file)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			done = append(done, r)
		}
		if err := errors.Join(errs...); err != nil || !asJSON {
			w := a.out
			if asJSON {
				w = a.err
			}
			printRestored(w, done, len(files))
			return err
		}
		return a.printJSON(done)
	}
	return c
}

// restored is a server whose settings were restored.
type restored struct {
	Server string `json:"server"` // its management address
	Text   string `json:"text"`   // what was restored, in words; "" if the server had these settings already
}

// printRestored prints for people which servers were restored. If one of them failed with --json,
// these lines go to stderr, because stdout has the error as JSON.
func printRestored(w io.Writer, done []restored, found int) {
	if found == 0 {
		fmt.Fprintln(w, "nothing to restore")
	}
	for _, r := range done {
		if r.Text != "" {
			fmt.Fprintf(w, "restored %s: %s\n", r.Server, r.Text)
		}
	}
}

// restoreFiles returns the restore files that exist: of one server or of all.
func (a *app) restoreFiles(args []string) ([]string, error) {
	pattern := a.env.stateFile("*-*.json")
	if len(args) > 0 {
		pattern = a.restoreFile(args[0])
	}
	if pattern == "" {
		return nil, errors.New("there is no folder for the state of this program: set HOME or XDG_STATE_HOME")
	}
	if len(args) == 0 {
		all, err := filepath.Glob(pattern)
		return slices.DeleteFunc(all, func(f string) bool {
			name := filepath.Base(f)
			return !strings.HasPrefix(name, "torchserve-") && !strings.HasPrefix(name, "oip-")
		}), err
	}
	if _, err := os.Stat(pattern); err != nil {
		return nil, nil //nolint:nilerr // there is nothing to restore
	}
	return []string{pattern}, nil
}

func (a *app) restoreOne(c *cobra.Command, file string) (restored, error) {
	if strings.HasPrefix(filepath.Base(file), "oip-") {
		return a.restoreOIP(c, file)
	}
	saved, err := torchserve.ReadSaved(file)
	if err != nil {
		return restored{}, err
	}
	p := plan.Plan{Target: saved.Management}
	if err := a.allow(c.Context(), p); err != nil {
		return restored{}, err
	}
	cfg, err := a.remoteConfig(p)
	if err != nil {
		return restored{}, err
	}
	text, err := torchserve.Restore(c.Context(), cfg, saved.Management, file)
	if err != nil {
		return restored{}, fmt.Errorf("%s: %w", saved.Management, err)
	}
	return restored{saved.Management, text}, nil
}
