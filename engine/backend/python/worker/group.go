package worker

import (
	"errors"
	"os/exec"
	"sync"
)

// group is a process group whose leader is the worker.
type group struct {
	pid   int
	ended chan struct{} // closed when the leader has ended and its group was killed

	mu     sync.Mutex
	waited bool   // the leader was waited for: its ID may be that of another process
	killed bool   // by kill, while the leader ran
	end    string // how the leader ended
}

// startGroup starts a program.
func startGroup(args []string, c Command, out *output) (*group, error) {
	stdout, stderr, err := out.open()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.Dir, c.Env, stdout, stderr
	g := &group{ended: make(chan struct{})}
	started := make(chan error)
	go g.run(cmd, c.Cores, started)
	err = <-started
	err = errors.Join(err, stdout.Close(), stderr.Close())
	if err != nil {
		g.kill()
		out.finish()
		return nil, err
	}
	return g, nil
}

// kill kills the group.
func (g *group) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pid != 0 && !g.waited {
		g.killed = true
		killGroup(g.pid)
	}
}

// how says how the leader ended, if it did so by itself: "exit status 1", "killed by signal 9".
func (g *group) how() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.killed {
		return ""
	}
	return g.end
}

// wait waits for the end of the leader, kills what is left of its group, and notes how it ended.
func (g *group) wait(cmd *exec.Cmd) {
	defer close(g.ended)
	var err error
	if !waitEnd(g.pid) {
		err = cmd.Wait()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	killGroup(g.pid)
	if cmd.ProcessState == nil {
		err = cmd.Wait() // it has ended
	}
	g.waited, g.end = true, endText(err)
}
