package profiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// idForm is what NewID makes.
var idForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$`)

// Link makes the profile called id, which was begun at path, known in dir, so that
// it is listed there and found by its ID and as the last one. What is put there is
// a symbolic link: the profile stays where its owner wants it, and who takes it
// away leaves a link that every reader skips.
//
// Links to profiles that were at path before are taken away: profiles are never
// overwritten, so they are gone.
func Link(dir, id, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	_, gone, err := idsIn(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, old := range gone {
		if linked(dir, old) == path {
			errs = append(errs, os.Remove(Path(dir, old)))
		}
	}
	errs = append(errs, os.Symlink(path, Path(dir, id)))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return nil
}

// Gone returns the IDs of the profiles that were linked in dir and are no longer
// where the links say.
func Gone(dir string) ([]string, error) {
	_, gone, err := idsIn(dir)
	return gone, err
}

// linked is where the link called id leads.
func linked(dir, id string) string {
	path, err := os.Readlink(Path(dir, id))
	if err != nil {
		return "nowhere"
	}
	return path
}

// dangles tells whether the link called id leads to no profile, or to another one
// than it was made for. A link that a person made may be called anything.
func dangles(dir, id string) bool {
	path := Path(dir, id)
	if _, err := os.Stat(path); err != nil {
		return true
	}
	h, ok := headerOf(path)
	return ok && h.ID != id && idForm.MatchString(id)
}
