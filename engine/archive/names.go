package archive

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// maxName bounds the bytes of a name.
const maxName = 1024

// safeName refuses a name that could leave the folder on any system, or that is not the
// shortest form of itself.
func safeName(name string) error {
	bad := ""
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("a name of %d bytes; expected 1 to %d", len(name), maxName)
	case strings.HasPrefix(name, "/"):
		bad = "it is absolute"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		bad = "it has control characters"
	case strings.ContainsAny(name, `\:`):
		bad = `it has a \ or a colon`
	case path.Clean(name) != name || name == "." || name == ".." || strings.HasPrefix(name, "../"):
		bad = "it has . or .. or empty parts"
	default:
		return nil
	}
	return fmt.Errorf("the archive has the unsafe name %q: %s", name, bad)
}

// counter checks the names of an archive and bounds its files.
type counter struct {
	limits Limits
	files  int
	bytes  int64
	seen   map[string]bool // true is a file, false a folder; in lower case
}

func newCounter(l Limits) *counter { return &counter{limits: l, seen: map[string]bool{}} }

// add counts a file. Names that differ in case only are one file on some systems.
func (c *counter) add(name string, size int64) error {
	if err := safeName(name); err != nil {
		return err
	}
	c.files++
	switch {
	case c.files > c.limits.Files:
		return fmt.Errorf("more than %d files", c.limits.Files)
	case size < 0 || size > c.limits.Bytes-c.bytes:
		return fmt.Errorf("more than %d bytes unpacked", c.limits.Bytes)
	}
	c.bytes += size
	low := strings.ToLower(name)
	if _, there := c.seen[low]; there {
		return fmt.Errorf("the name %q occurs twice", name)
	}
	c.seen[low] = true
	for dir := path.Dir(low); dir != "."; dir = path.Dir(dir) {
		if file, there := c.seen[dir]; there && file {
			return fmt.Errorf("%q is a file and a folder", dir)
		} else if there {
			break
		}
		c.seen[dir] = false
	}
	return nil
}
