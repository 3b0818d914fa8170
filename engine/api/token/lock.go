package token

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lock is a locked file beside the key file, with the number of the process: the key file itself
// is replaced with each renewal.
type lock struct{ f *os.File }

// lockFile is the lock of a key file.
func lockFile(keys string) string {
	return filepath.Join(filepath.Dir(keys), "."+filepath.Base(keys)+".lock")
}

// takeLock locks the key file for this process. It returns an error if another server has done
// so, and no lock where the folder or the file system allows none.
func takeLock(keys string) (*lock, error) {
	const tries = 10 // another server may remove the file between two steps
	for range tries {
		f, err := os.OpenFile(lockFile(keys), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, nil //nolint:nilerr,nilnil // writing the keys says what is wrong with the folder
		}
		held, err := flock(f)
		if held {
			defer f.Close()
			return nil, heldError(keys, f)
		}
		if err != nil {
			return nil, f.Close() //nolint:nilnil // no lock
		}
		if !isAt(f, lockFile(keys)) {
			_ = f.Close()
			continue
		}
		if err := f.Truncate(0); err == nil {
			_, _ = f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0) // only for the message of another server
		}
		return &lock{f}, nil
	}
	return nil, errors.New("token: other servers in this folder begin and end all the time")
}

// isAt reports whether path still is the file f.
func isAt(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}

// heldError says whose the key file is.
func heldError(keys string, f *os.File) error {
	const digits = 20
	who := "another server that is running"
	if b, err := io.ReadAll(io.LimitReader(f, digits)); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			who += fmt.Sprintf(" (process %d)", pid)
		}
	}
	return fmt.Errorf("token: %s keeps its keys in %s; start this one in another folder, or with --disable-token-auth", who, keys)
}

// release gives the lock back; a nil lock has nothing to give.
func (l *lock) release(keys string) error {
	if l == nil {
		return nil
	}
	return errors.Join(os.Remove(lockFile(keys)), l.f.Close())
}
