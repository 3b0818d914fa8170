package local

import (
	"bufio"
	"os/exec"
	"testing"

	"sweetspot/engine/monitor"
)

// The CPU time of the processes that the child has started, such as workers in Python, is that of the child and no disturbance.
func TestWorkersAreNoDisturbance(t *testing.T) {
	// A shell that waits, whose own child counts for some 10 ms at least and then waits too.
	cmd := exec.Command("/bin/sh", "-c", `/bin/sh -c 'read line; i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done; echo worked; read line'; :`)
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
	n := newDisturbanceRecorder(cmd.Process.Pid)
	if _, err := in.Write([]byte("on\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	child, generator := n.child.Sample(), n.generator.Sample()
	used, ok := child.CPUPercent.Get()
	if !ok || used <= 0 {
		t.Fatalf("the child and its workers used %v%% of a core (known: %v), and one of them has counted", used, ok)
	}
	with := foreignShare(child, generator, n.cores)
	child.CPUPercent = monitor.Of(0)
	if without := foreignShare(child, generator, n.cores); with >= without && without > 0 {
		t.Errorf("the use by others is %v, and %v if the workers were others", with, without)
	}
}
