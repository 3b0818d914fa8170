package torchserve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Saved is the content of a restore file: what a server had in force before the first change. The file
// exists from before that change until it is restored, so that it is known after kill -9.
type Saved struct {
	Management string      `json:"management"`
	PID        int         `json:"pid"` // of the sweetspot that changes the server
	Model      description `json:"model"`
}

// ReadSaved reads a restore file.
func ReadSaved(path string) (Saved, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Saved{}, err
	}
	s, err := parseSaved(text)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func parseSaved(text []byte) (Saved, error) {
	var s Saved
	if err := json.Unmarshal(text, &s); err != nil {
		return s, err
	}
	if s.Management == "" {
		return s, errors.New("management: there is no address")
	}
	model, err := json.Marshal([]description{s.Model})
	if err != nil {
		return s, err
	}
	_, err = parseDescription(model) // with the same limits
	return s, err
}

// save writes the restore file before the first change. Without it there must be no change.
func (t *Target) save() error {
	if t.cfg.RestoreFile == "" || t.saved {
		return nil
	}
	text, err := json.Marshal(Saved{t.cfg.Management, os.Getpid(), t.initial})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(t.cfg.RestoreFile), "restore-*.tmp")
	if err != nil {
		return fmt.Errorf("write the settings to restore: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), t.cfg.RestoreFile)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the settings to restore: %w", err), os.Remove(f.Name()))
	}
	t.saved = true
	return nil
}

// forget removes the restore file after everything is restored.
func (t *Target) forget() error {
	if t.cfg.RestoreFile == "" || !t.saved {
		return nil
	}
	t.saved = false
	return os.Remove(t.cfg.RestoreFile)
}

// restoreEarlier restores what an earlier sweetspot that was killed has not restored. restored is
// false if there was nothing to do.
func (t *Target) restoreEarlier(ctx context.Context) (restored bool, err error) {
	if t.cfg.RestoreFile == "" {
		return false, nil
	}
	s, err := ReadSaved(t.cfg.RestoreFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case s.PID != os.Getpid() && isAlive(s.PID):
		return false, fmt.Errorf("process %d is changing the settings of this server; if it is no sweetspot, remove %s", s.PID, t.cfg.RestoreFile)
	}
	t.initial, t.saved = s.Model, true
	for begin := time.Now(); ; {
		err := t.restoreOnce(ctx)
		var answer *answerError
		switch {
		case err == nil:
			return true, t.forget()
		case !errors.As(err, &answer) && !errors.Is(err, errOther), time.Since(begin) > restoreTime:
			return false, fmt.Errorf("restore what an earlier sweep found (%s): %w", s.Model, err)
		}
		// The server may still be busy with the last change of the killed program.
		if err := pause(ctx); err != nil {
			return false, err
		}
	}
}

// restoreOnce tries to set what was in force.
func (t *Target) restoreOnce(ctx context.Context) error {
	d, err := t.api.describe(ctx, t.initial.Name, t.initial.Version)
	switch {
	case isGone(err):
		t.now = t.initial
		t.now.BatchSize = 0 // so that the model is registered
	case err != nil:
		return fmt.Errorf("%w: %w", errOther, err)
	default:
		t.now = d
		if err := t.drain(ctx); err != nil {
			return err
		}
	}
	return t.change(ctx, t.initial)
}

// errOther means that the server has other settings than it was told, or describes none.
var errOther = errors.New("other settings are in force")

func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && pid > 0 && p.Signal(syscall.Signal(0)) == nil
}

// Restore restores what an earlier sweetspot has not restored, and says what is in force now. The
// text is "" if there was nothing to do.
func Restore(ctx context.Context, c Config) (string, error) {
	t := &Target{cfg: c, api: newClient(c)}
	defer t.api.http.CloseIdleConnections()
	restored, err := t.restoreEarlier(ctx)
	if err != nil || !restored {
		return "", err
	}
	return fmt.Sprintf("%s: %s", t.now.Name, t.now), nil
}
