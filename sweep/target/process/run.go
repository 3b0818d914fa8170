// Package process runs a server as a child of a supervisor, for targets that start their server.
//
// The supervisor is a process of this program that calls [Supervise]. It ends the server with all its processes when its standard
// input ends, so also if this process is killed. [Start] starts both. A server that ends, or is never ready, is a [StartError], which says
// what kind of failure it was.
package process

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of a server process.
const (
	grace      = 5 * time.Second // from SIGTERM until it is killed
	tailLines  = 20
	longLine   = 500             // bytes of a line that are kept
	outputWait = 3 * time.Second // for the end of the output after the end of the supervisor
	deathWait  = 300 * time.Millisecond
)

// report is a line that a supervisor writes to file descriptor 3.
type report struct {
	PID   int    `json:"pid,omitempty"`   // of the server, once it runs
	Error string `json:"error,omitempty"` // why it could not be started
	Ended string `json:"ended,omitempty"` // how it ended: "exit status 2", "killed"
}

// Config says what is started.
type Config struct {
	Supervisor []string  // the command line of a process that calls Supervise
	Folder     string    // is removed at the end
	Argv       []string  // the command line of the server
	Env        []string  // of the server and its supervisor
	Dir        string    // the folder in which the server runs; "" is that of this process
	Log        io.Writer // gets the output of the server; nil for no log
}

// Process is a server with its supervisor. It is safe for concurrent use.
type Process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	tail  *tail
	done  chan struct{} // closed after the end of both

	// Valid after done is closed.
	how     string
	unknown bool // the program could not be started
}

// Start starts the supervisor, which starts the server. After an error the folder is still there.
func Start(c Config) (*Process, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &Process{tail: &tail{log: c.Log}, done: make(chan struct{})}
	words := slices.Concat(c.Supervisor, []string{c.Folder}, c.Argv)
	p.cmd = exec.Command(words[0], words[1:]...) // not CommandContext, which would kill the supervisor
	p.cmd.Env, p.cmd.Dir, p.cmd.ExtraFiles, p.cmd.WaitDelay = c.Env, c.Dir, []*os.File{write}, outputWait
	p.cmd.Stdout, p.cmd.Stderr = p.tail, p.tail
	p.cmd.SysProcAttr = ownGroup()
	if p.stdin, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	write.Close()
	if err != nil {
		read.Close()
		return nil, err
	}
	go p.wait(read)
	return p, nil
}

// wait reads the reports until the supervisor has ended.
func (p *Process) wait(reports *os.File) {
	defer reports.Close()
	for d := json.NewDecoder(reports); ; {
		var r report
		if d.Decode(&r) != nil {
			break
		}
		if r.Error != "" {
			p.how, p.unknown = r.Error, true
		}
		if r.Ended != "" {
			p.how = r.Ended
		}
	}
	if err := p.cmd.Wait(); err != nil && p.how == "" {
		p.how = "its supervisor: " + err.Error()
	}
	close(p.done)
}

// Done is closed when the server has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// HasEnded reports whether the server has ended.
func (p *Process) HasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Ends reports whether the server has ended. With broken it waits a moment, because a connection
// breaks a moment before the end of the process is known.
func (p *Process) Ends(broken bool) bool {
	if !broken {
		return p.HasEnded()
	}
	select {
	case <-p.done:
		return true
	case <-time.After(deathWait):
		return false
	}
}

// Stop ends the server and all its processes. It returns after their end.
func (p *Process) Stop() {
	_ = p.stdin.Close()
	<-p.done
}

// Failure returns the error of a server that has ended. when says when: "before it was ready".
func (p *Process) Failure(when string) error {
	lines := p.tail.last()
	if p.unknown {
		return &StartError{Kind: NotFound, How: p.how}
	}
	return &StartError{Kind: classify(p.how, lines), How: p.how + " " + when, Lines: lines}
}

// LastLines returns the last lines of the output, oldest first.
func (p *Process) LastLines() []string { return p.tail.last() }

// tail copies output to a log and keeps its last lines. It is safe for concurrent use.
type tail struct {
	log io.Writer

	mu      sync.Mutex
	partial string
	lines   []string
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log != nil {
		_, _ = t.log.Write(b) // an error of the log must not stop the server
	}
	all := strings.Split(t.partial+string(b), "\n")
	t.partial = all[len(all)-1]
	if len(t.partial) > longLine {
		t.partial = t.partial[:longLine]
	}
	for _, line := range all[:len(all)-1] {
		t.add(line)
	}
	return len(b), nil
}

// add keeps a line. The lock is held.
func (t *tail) add(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	t.lines = append(t.lines, line[:min(len(line), longLine)])
	t.lines = t.lines[max(0, len(t.lines)-tailLines):]
}

// last returns the last lines, oldest first.
func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := slices.Clone(t.lines)
	if rest := strings.TrimSpace(t.partial); rest != "" {
		out = append(out, rest)
	}
	return out
}
