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
func (s *server) save() error {
	if s.restoreFile == "" || s.saved {
		return nil
	}
	text, err := json.Marshal(Saved{s.api.base, os.Getpid(), s.initial})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.restoreFile), "restore-*.tmp")
	if err != nil {
		return fmt.Errorf("write the settings to restore: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.restoreFile)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the settings to restore: %w", err), os.Remove(f.Name()))
	}
	s.saved = true
	return nil
}

// forget removes the restore file after everything is restored.
func (s *server) forget() error {
	if s.restoreFile == "" || !s.saved {
		return nil
	}
	s.saved = false
	return os.Remove(s.restoreFile)
}

// restoreEarlier restores what an earlier sweetspot that was killed has not restored. restored is
// false if there was nothing to do.
func (s *server) restoreEarlier(ctx context.Context) (restored bool, err error) {
	if s.restoreFile == "" {
		return false, nil
	}
	found, err := ReadSaved(s.restoreFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case found.PID != os.Getpid() && isAlive(found.PID):
		return false, fmt.Errorf("process %d is changing the settings of this server; if it is no sweetspot, remove %s", found.PID, s.restoreFile)
	}
	s.initial, s.saved = found.Model, true
	for begin := time.Now(); ; {
		err := s.restoreOnce(ctx)
		var answer *answerError
		switch {
		case err == nil:
			return true, s.forget()
		case !errors.As(err, &answer) && !errors.Is(err, errOther), time.Since(begin) > restoreTime:
			return false, fmt.Errorf("restore what an earlier sweep found (%s): %w", found.Model, err)
		}
		// The server may still be busy with the last change of the killed program.
		if err := pause(ctx); err != nil {
			return false, err
		}
	}
}

// restoreOnce tries to set what was in force.
func (s *server) restoreOnce(ctx context.Context) error {
	d, err := s.api.describe(ctx, s.initial.Name, s.initial.Version)
	switch {
	case isGone(err):
		s.now = s.initial
		s.now.BatchSize = 0 // so that the model is registered
	case err != nil:
		return fmt.Errorf("%w: %w", errOther, err)
	default:
		s.now = d
		if err := s.drain(ctx); err != nil {
			return err
		}
	}
	return s.change(ctx, s.initial)
}

// errOther means that the server has other settings than it was told, or describes none.
var errOther = errors.New("other settings are in force")

func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && pid > 0 && p.Signal(syscall.Signal(0)) == nil
}

// Restore restores what an earlier sweetspot has not restored on the server at a management address, and says what is in
// force now. The text is "" if there was nothing to do. Of c it uses what says how a server is called.
func Restore(ctx context.Context, c Config, management, file string) (string, error) {
	s := &server{api: newClient(c, management), restoreFile: file}
	defer s.api.http.CloseIdleConnections()
	restored, err := s.restoreEarlier(ctx)
	if err != nil || !restored {
		return "", err
	}
	return fmt.Sprintf("%s: %s", s.now.Name, s.now), nil
}
