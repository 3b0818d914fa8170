package process

import (
	"strings"
	"testing"
)

// TestClassify has last lines of real servers.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		how, lines string
		want       Failure
	}{
		{"exit status 1", "OSError: [Errno 98] Address already in use", PortTaken},
		{"exit status 1", "listen tcp 127.0.0.1:80: bind: address already in use", PortTaken},
		{"exit status 1", "ERROR: port 8000 is already in use", PortTaken},
		{"exit status 1", "Traceback (most recent call last):\n  File \"x.py\", line 1\nMemoryError", OutOfMemory},
		{"exit status 1", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", OutOfMemory},
		{"aborted", "terminate called after throwing an instance of 'std::bad_alloc'", OutOfMemory},
		{"killed", "", OutOfMemory},
		{"exit status 2", "usage: server.py [-h]\nserver.py: error: unrecognized arguments: --batch 8", BadArgument},
		{"exit status 2", "server.py: error: argument --port: invalid int value: 'x'", BadArgument},
		{"exit status 1", "Error: unknown flag: --batch", BadArgument},
		{"exit status 2", "flag provided but not defined: -batch", BadArgument},
		{"segmentation fault", "loading", Crashed},
		{"exit status 0", "", Crashed},
	} {
		if got := classify(c.how, strings.Split(c.lines, "\n")); got != c.want {
			t.Errorf("%s, %q: %s, want %s", c.how, c.lines, got, c.want)
		}
	}
}

// FuzzTail: the last lines are bounded, and none is empty.
func FuzzTail(f *testing.F) {
	f.Add("a\nb\n", "c")
	f.Add(strings.Repeat("x", 2000), "\n\n y ")
	f.Fuzz(func(t *testing.T, a, b string) {
		l := &tail{}
		for _, part := range []string{a, b} {
			if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		all := l.last()
		if len(all) > tailLines+1 {
			t.Errorf("%d lines", len(all))
		}
		for _, line := range all {
			if line == "" || len(line) > longLine {
				t.Errorf("line %q", line)
			}
		}
		_ = (&StartError{Kind: classify("exit status 1", all), Lines: all}).Error()
	})
}
