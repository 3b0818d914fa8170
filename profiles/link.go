package profiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// idPattern matches the IDs of NewID.
var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$`)

// Link creates a symbolic link in dir to the profile with this ID at path, so that it is
// listed in dir and found there by its ID and as the last profile. If the profile is
// moved or deleted later, all readers ignore the link.
//
// Link removes the links in dir to earlier profiles at path. Profiles are never
// overwritten, so that these no longer exist.
func Link(dir, id, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	_, dangling, err := idsIn(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, old := range dangling {
		if linkTarget(dir, old) == path {
			errs = append(errs, os.Remove(Path(dir, old)))
		}
	}
	errs = append(errs, os.Symlink(path, Path(dir, id)))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return nil
}

// Dangling returns the IDs of the links in dir whose profiles were moved or deleted.
func Dangling(dir string) ([]string, error) {
	_, dangling, err := idsIn(dir)
	return dangling, err
}

// linkTarget returns the path to which the link with this ID points.
func linkTarget(dir, id string) string {
	path, err := os.Readlink(Path(dir, id))
	if err != nil {
		return "an unknown place"
	}
	return path
}

// isDangling reports whether the link with this ID points to no file, or to a profile with
// another ID. A link that a person made may have any name.
func isDangling(dir, id string) bool {
	path := Path(dir, id)
	if _, err := os.Stat(path); err != nil {
		return true
	}
	h, ok := headerOf(path)
	return ok && h.ID != id && idPattern.MatchString(id)
}
