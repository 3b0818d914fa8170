package torchserve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"sweetspot/sweep/target/restorefile"
)

// Saved is the content of a restore file: what a server had in force before the first change.
type Saved struct {
	restorefile.Owner
	Management string      `json:"management"`
	Model      description `json:"model"`
}

// ReadSaved reads a restore file.
func ReadSaved(path string) (Saved, error) { return restorefile.Read(path, parseSaved) }

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
	if err := restorefile.Write(s.restoreFile, Saved{restorefile.Me(), s.api.base, s.initial}); err != nil {
		return err
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
	earlier, found, err := restorefile.Abandoned(s.restoreFile, parseSaved)
	if err != nil || !found {
		return false, err
	}
	s.initial, s.saved = earlier.Model, true
	for begin := time.Now(); ; {
		err := s.restoreOnce(ctx)
		var answer *answerError
		switch {
		case err == nil:
			return true, s.forget()
		case !errors.As(err, &answer) && !errors.Is(err, errOther), time.Since(begin) > restoreTime:
			return false, fmt.Errorf("restore what an earlier sweep found (%s): %w", earlier.Model, err)
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
