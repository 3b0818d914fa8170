package local

import (
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
)

// silentTarget returns a target whose child is a process that accepts calls and answers none of them.
func silentTarget(t *testing.T) *Target {
	t.Helper()
	ended := make(chan struct{})
	target := targetOf(t, func(_ http.ResponseWriter, r *http.Request) {
		select { // until the client gives up
		case <-r.Context().Done():
		case <-ended:
		}
	})
	t.Cleanup(func() { close(ended) })
	target.client.http.Timeout, target.cfg.CallLimit = 50*time.Millisecond, 50*time.Millisecond
	target.cfg.Command = []string{"/no/such/engine"} // it does not start again
	c := target.child
	c.cmd, c.tail = exec.Command("sleep", "600"), &stderrTail{}
	if err := c.cmd.Start(); err != nil {
		t.Skip(err)
	}
	go c.waitForEnd()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.done
	})
	return target
}

// TestSilentEngine: an engine that does not answer a call within the limit is killed, and counts as died: a sweep does not wait
// for it for ever.
func TestSilentEngine(t *testing.T) {
	for name, call := range map[string]func(*Target) error{
		"apply": func(target *Target) error {
			_, err := target.Apply(t.Context(), knob.Default(knob.TorchServe))
			return err
		},
		"bare": func(target *Target) error {
			_, err := target.Bare(t.Context())
			return err
		},
		"operators": func(target *Target) error {
			_, err := target.Operators(t.Context(), 3)
			return err
		},
	} {
		target := silentTarget(t)
		err := call(target)
		if !errors.Is(err, sweep.ErrEngineDied) || !strings.Contains(err.Error(), "it did not answer within 50ms and was killed") {
			t.Errorf("%s: %v", name, err)
		}
		if !target.child.hasEnded() {
			t.Errorf("%s: the engine still runs", name)
		}
	}
}
