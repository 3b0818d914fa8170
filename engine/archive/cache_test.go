package archive_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sweetspot/engine/archive"
)

// numbered returns archives with different contents of 1000 bytes and a manifest.
func numbered(t testing.TB, n int) []*archive.Archive {
	t.Helper()
	dir := t.TempDir()
	var out []*archive.Archive
	for i := range n {
		var b bytes.Buffer
		text := archive.Text("model.onnx", strings.Repeat(string(rune('a'+i)), 1000))
		if err := archive.Create(&b, archive.FormatOf("m.mar"), archive.Manifest{Model: archive.Model{Name: "m"}}, []archive.Content{text}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.mar", i))
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := archive.Open(path, archive.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func unpack(t testing.TB, c *archive.Cache, a *archive.Archive) string {
	t.Helper()
	dir, err := c.Unpack(a)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// usedAt says that a folder was last used so long ago.
func usedAt(t *testing.T, dir string, ago time.Duration) {
	t.Helper()
	at := time.Now().Add(-ago)
	if err := os.Chtimes(dir+".lock", at, at); err != nil {
		t.Fatal(err)
	}
}

// Beyond the size the longest unused folders are removed, but none that is used.
func TestCacheSize(t *testing.T) {
	all := numbered(t, 5)
	c := &archive.Cache{Dir: t.TempDir(), Bytes: 3500}
	var dirs []string
	for i, a := range all[:3] {
		dirs = append(dirs, unpack(t, c, a))
		usedAt(t, dirs[i], time.Hour*time.Duration(10-i))
	}
	c.Release(filepath.Join(dirs[1], "model.onnx"))
	c.Release(dirs[2])
	usedAt(t, dirs[1], 9*time.Hour)
	usedAt(t, dirs[2], 8*time.Hour)
	dirs = append(dirs, unpack(t, c, all[3]))
	if !exists(dirs[0]) || exists(dirs[1]) || !exists(dirs[2]) || !exists(dirs[3]) || exists(dirs[1]+".lock") {
		t.Fatalf("the first is used, the second is the longest unused: %v", files(t, c.Dir))
	}
	// What was unpacked twice is used until it is released twice, also by another Cache.
	if again := unpack(t, c, all[0]); again != dirs[0] {
		t.Errorf("%s, want %s", again, dirs[0])
	}
	other := &archive.Cache{Dir: c.Dir, Bytes: 1}
	unpack(t, other, all[3])
	c.Release(dirs[0])
	c.Release(dirs[3])
	unpack(t, other, all[4])
	if !exists(dirs[0]) || exists(dirs[2]) || !exists(dirs[3]) {
		t.Errorf("only the third is used by nobody: %v", files(t, c.Dir))
	}
	c.Release(dirs[0])
	other.Release(dirs[3])
	c.Release(dirs[3]) // once too often
	unpack(t, other, all[1])
	if exists(dirs[0]) || exists(dirs[3]) || !exists(dirs[1]) {
		t.Errorf("nobody uses the first and the fourth: %v", files(t, c.Dir))
	}
}

// What was not used for long is removed, and what killed processes have left; nothing else is.
func TestCacheAge(t *testing.T) {
	all := numbered(t, 3)
	c := &archive.Cache{Dir: t.TempDir(), Age: time.Hour}
	old, young := unpack(t, c, all[0]), unpack(t, c, all[1])
	c.Release(old)
	c.Release(young)
	usedAt(t, old, 2*time.Hour)
	left, foreign := filepath.Join(c.Dir, ".unpack-1"), filepath.Join(c.Dir, "mine")
	running := filepath.Join(c.Dir, ".unpack-2")
	for _, dir := range []string{left, foreign, running} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-48 * time.Hour)
	for _, dir := range []string{left, foreign} {
		if err := os.Chtimes(dir, long, long); err != nil {
			t.Fatal(err)
		}
	}
	unpack(t, c, all[2])
	if exists(old) || exists(left) || !exists(young) || !exists(foreign) || !exists(running) {
		t.Errorf("removed are the old and the abandoned: %v", files(t, c.Dir))
	}
}

// A cache that cannot be written serves what is in it.
func TestCacheReadOnly(t *testing.T) {
	a := numbered(t, 1)[0]
	c := &archive.Cache{Dir: t.TempDir()}
	dir := unpack(t, c, a)
	c.Release(dir)
	if err := os.Remove(dir + ".lock"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+".lock", 0o700); err != nil { // it cannot be opened
		t.Fatal(err)
	}
	if got := unpack(t, &archive.Cache{Dir: c.Dir}, a); got != dir {
		t.Errorf("%s, want %s", got, dir)
	}
	var none *archive.Cache
	none.Release(dir)
}

// Callers that unpack, use and release at once, with no room for two archives, never miss a file.
func TestCacheAtOnce(t *testing.T) {
	all := numbered(t, 3)
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			c := &archive.Cache{Dir: dir, Bytes: 1} // its own locks, as of another process
			for j := range 10 {
				a := all[(i+j)%len(all)]
				at, err := c.Unpack(a)
				if err != nil {
					t.Errorf("unpack: %v", err)
					return
				}
				if data, err := os.ReadFile(filepath.Join(at, "model.onnx")); err != nil || len(data) != 1000 {
					t.Errorf("%d bytes, %v", len(data), err)
				}
				c.Release(at)
			}
		})
	}
	wg.Wait()
}

// heldVariable names the cache and the archive that another process uses.
const heldVariable = "SWEETSPOT_TEST_HOLD"

// TestCacheHolder is the other process of TestCacheOfProcesses.
func TestCacheHolder(t *testing.T) {
	cache, path, ok := strings.Cut(os.Getenv(heldVariable), "\n")
	if !ok {
		t.Skip("only for TestCacheOfProcesses")
	}
	a, err := archive.Open(path, archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(unpack(t, &archive.Cache{Dir: cache}, a))
	_, _ = io.ReadAll(os.Stdin) // until it is killed
}

// What another process uses stays until that process has ended, even if it was killed.
func TestCacheOfProcesses(t *testing.T) {
	all := numbered(t, 3)
	c := &archive.Cache{Dir: t.TempDir(), Bytes: 1}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCacheHolder$")
	cmd.Env = append(os.Environ(), heldVariable+"="+c.Dir+"\n"+all[0].Path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir := strings.TrimSpace(line)
	if err != nil || !exists(dir) {
		t.Fatalf("%q, %v", line, err)
	}
	usedAt(t, dir, 24*time.Hour)
	unpack(t, c, all[1])
	if !exists(dir) {
		t.Error("the folder of another process was removed")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	unpack(t, c, all[2])
	if exists(dir) {
		t.Error("the folder of a killed process stays")
	}
}
