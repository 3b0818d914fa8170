package profiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// removedDir is the folder in a folder of profiles with those that Remove has removed.
const removedDir = "removed"

// RemovedDir returns the folder to which Remove moves the profiles of dir.
func RemovedDir(dir string) string { return filepath.Join(dir, removedDir) }

// Remove moves the profile with this ID from dir to a folder in it, which no list shows and from
// which [Restore] brings it back. Nothing else removes profiles from there. It is an error if the
// profile is still being written. A link to a profile elsewhere is removed, not that profile.
func Remove(dir, id string) error {
	path := Path(dir, id)
	f, err := os.Open(path)
	switch {
	case err == nil:
		locked := isLocked(f)
		f.Close()
		if locked {
			return fmt.Errorf("profiles: %s is still being written; stop it first", id)
		}
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("profiles: %s is not in %s", id, dir)
	default:
		return fmt.Errorf("profiles: %w", err)
	}
	if err := os.MkdirAll(RemovedDir(dir), 0o700); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return move(path, Path(RemovedDir(dir), id))
}

// Restore moves a profile that Remove has removed back to dir.
func Restore(dir, id string) error { return move(Path(RemovedDir(dir), id), Path(dir, id)) }

// move renames a file unless another one has its new name.
func move(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("profiles: %s exists already", to)
	}
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return nil
}
