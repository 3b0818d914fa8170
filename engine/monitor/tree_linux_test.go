package monitor

import (
	"bufio"
	"os/exec"
	"testing"
	"time"
)

// The CPU time and the memory of descendants count while they run, and their CPU time also after
// their end.
func TestTree(t *testing.T) {
	// A shell whose child counts, for 20 ms at least, and then waits for a line.
	cmd := exec.Command("/bin/sh", "-c", `/bin/sh -c 'i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done; echo worked; read line'; echo ended; read line`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Wait()
	}()
	lines, pid := bufio.NewReader(out), cmd.Process.Pid
	for _, want := range []string{"worked\n", "ended\n"} {
		if got, err := lines.ReadString('\n'); got != want || err != nil {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
		alone, tree := NewSampler(pid).read(time.Now()).process, NewTreeSampler(pid).read(time.Now()).process
		if tree.cpu-alone.cpu < 20*time.Millisecond {
			t.Errorf("%s: the process %v, with its descendants %v", want, alone.cpu, tree.cpu)
		}
		a, _ := alone.rss.Get()
		b, _ := tree.rss.Get()
		if want == "worked\n" && b <= a {
			t.Errorf("resident: the process %v, with its child %v bytes", a, b)
		}
		if _, err := in.Write([]byte("on\n")); err != nil {
			t.Fatal(err)
		}
	}
}
