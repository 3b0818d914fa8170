package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// The defaults of a Cache.
const (
	DefaultCacheBytes = 20_000_000_000
	DefaultCacheAge   = 30 * 24 * time.Hour
)

// abandonedAfter is the age at which an unpacking has certainly ended: its process was killed.
const abandonedAfter = 24 * time.Hour

const (
	lockSuffix = ".lock"
	tempPrefix = ".unpack-"
	sumLength  = 64 // of SHA-256 in hex
)

// Cache is a folder to which archives are unpacked, each to a folder that is named by the content
// of the archive. Several processes may use it at once.
//
// What no process uses is removed when another archive is unpacked: what was last used longer ago
// than Age, and beyond Bytes the longest unused first. A shared lock on the file NAME.lock says
// that the folder NAME is used, and its time when it was last used; removing needs an exclusive
// lock. The kernel frees the locks of a process that ends in any way. Systems without such locks, as
// Windows, never remove anything.
//
// The methods may be called concurrently. A Cache must not be copied.
type Cache struct {
	Dir   string
	Bytes int64         // of all folders together; 0 is DefaultCacheBytes
	Age   time.Duration // 0 is DefaultCacheAge

	mu   sync.Mutex
	held map[string]*hold // by folder
}

// hold is a locked lock file, and how many callers use the folder.
type hold struct {
	lock *os.File
	uses int
}

// Unpack returns the folder with the files of the archive: the archive itself if it is a folder,
// else one in the cache, which it makes if it is not there. The folder stays until Release, or the
// end of the process.
func (c *Cache) Unpack(a *Archive) (string, error) {
	if a.Folder {
		return a.Path, nil
	}
	sum, err := a.sum()
	if err != nil {
		return "", fmt.Errorf("%s: %w", a.Path, err)
	}
	dir := filepath.Join(c.Dir, sum)
	if err := c.hold(dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
			return dir, nil // a cache that cannot be written is not pruned either
		}
		return "", fmt.Errorf("%s: %w", a.Path, err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	err = a.Extract(dir)
	if _, there := os.Stat(dir); there != nil {
		c.Release(dir)
		return "", err
	}
	c.prune(time.Now()) // otherwise made by another process meanwhile
	return dir, nil
}

// Release says that a caller of Unpack does not use its folder any more. path is the folder or a
// file in it; a path elsewhere is ignored, and every path by a nil Cache.
func (c *Cache) Release(path string) {
	if c == nil {
		return
	}
	rel, err := filepath.Rel(c.Dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return
	}
	name, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	dir := filepath.Join(c.Dir, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[dir]
	if h == nil {
		return
	}
	if h.uses--; h.uses == 0 {
		touch(h.lock.Name())
		h.lock.Close() //nolint:errcheck // nothing was written
		delete(c.held, dir)
	}
}

// hold locks a folder, which need not exist, against its removal.
func (c *Cache) hold(dir string) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[dir]
	if h == nil {
		lock, err := lockFile(dir+lockSuffix, false)
		if err != nil {
			return err
		}
		h = &hold{lock: lock}
		if c.held == nil {
			c.held = map[string]*hold{}
		}
		c.held[dir] = h
	}
	h.uses++
	touch(h.lock.Name())
	return nil
}

// touch sets the time of a file; without it the folder only seems to be unused for longer.
func touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// lockFile makes and locks the file of this name. Another process may remove the name while this
// one waits for the lock, and then a new file is locked. An exclusive lock is not waited for.
func lockFile(path string, exclusive bool) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(f, exclusive); err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		mine, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
			return f, nil
		}
		f.Close() //nolint:errcheck // nothing was written
	}
}

// entry is a folder of the cache.
type entry struct {
	dir  string
	used time.Time
	size int64
}

// prune removes what nobody uses and is too old or too much. A cache that cannot be pruned is
// used all the same, so there is no error.
func (c *Cache) prune(now time.Time) {
	most, age := c.Bytes, c.Age
	if most == 0 {
		most = DefaultCacheBytes
	}
	if age == 0 {
		age = DefaultCacheAge
	}
	entries, total := c.entries(now)
	for _, e := range entries {
		if total <= most && now.Sub(e.used) <= age {
			continue
		}
		if remove(e.dir) {
			total -= e.size
		}
	}
}

// entries returns the folders, the longest unused first, with their sizes together. It removes
// what killed processes have left.
func (c *Cache) entries(now time.Time) (out []entry, total int64) {
	all, _ := os.ReadDir(c.Dir)
	for _, d := range all {
		info, err := d.Info()
		dir := filepath.Join(c.Dir, d.Name())
		switch {
		case err != nil || !d.IsDir():
		case strings.HasPrefix(d.Name(), tempPrefix):
			if now.Sub(info.ModTime()) > abandonedAfter {
				_ = os.RemoveAll(dir)
			}
		case isSum(d.Name()):
			e := entry{dir, info.ModTime(), sizeOf(dir)}
			if lock, err := os.Stat(dir + lockSuffix); err == nil {
				e.used = lock.ModTime()
			}
			out, total = append(out, e), total+e.size
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return a.used.Compare(b.used) })
	return out, total
}

func isSum(name string) bool {
	return len(name) == sumLength && strings.Trim(name, "0123456789abcdef") == ""
}

func sizeOf(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // removed meanwhile
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

// remove removes a folder and its lock file, unless somebody uses it.
func remove(dir string) bool {
	lock, err := lockFile(dir+lockSuffix, true)
	if err != nil {
		return false
	}
	defer lock.Close()
	// At once or not at all: a killed process must not leave half a folder under the name.
	old := filepath.Join(filepath.Dir(dir), tempPrefix+"old-"+filepath.Base(dir))
	if err := os.Rename(dir, old); err != nil {
		return false
	}
	return errors.Join(os.RemoveAll(old), os.Remove(lock.Name())) == nil
}
