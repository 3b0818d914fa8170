package worker

import (
	"bufio"
	"errors"
	"os"
	"strings"
	"sync"
	"time"
)

// longestLine bounds a line of output. The rest of a longer line is dropped.
const longestLine = 64 << 10

// keptLines is the number of lines in which exceptions are looked for.
const keptLines = 200

// drainTime is the longest wait for the output of a process that has ended. A process that it has
// started, and that has left its group, may keep the output open.
const drainTime = time.Second

// readyLine is what a worker prints when it listens, with anything before it.
const readyLine = "Torch worker started."

// output reads what a worker prints, always: a worker whose pipe is full stops.
type output struct {
	line    func(Line)
	ready   chan struct{} // closed when the worker listens
	readers sync.WaitGroup
	done    chan struct{} // closed when both pipes have ended
	files   []*os.File

	mu      sync.Mutex // guards all below
	last    []Line
	isReady bool
}

func newOutput(line func(Line)) *output {
	if line == nil {
		line = func(Line) {}
	}
	return &output{line: line, ready: make(chan struct{}), done: make(chan struct{})}
}

// open returns the ends of two pipes for a process: stdout and stderr. The caller closes them
// when the process has them.
func (o *output) open() (stdout, stderr *os.File, err error) {
	r1, w1, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	r2, w2, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, r1.Close(), w1.Close())
	}
	o.files = []*os.File{r1, r2}
	o.readers.Go(func() { o.read(r1, false) })
	o.readers.Go(func() { o.read(r2, true) })
	go func() {
		o.readers.Wait()
		close(o.done)
	}()
	return w1, w2, nil
}

// read passes the lines of a pipe on until it ends.
func (o *output) read(f *os.File, stderr bool) {
	r := bufio.NewReaderSize(f, longestLine)
	rest := false // of a line that was too long
	for {
		text, err := r.ReadSlice('\n')
		if len(text) > 0 && !rest {
			o.add(Line{strings.TrimRight(string(text), "\r\n"), stderr})
		}
		rest = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !rest {
			return
		}
	}
}

func (o *output) add(l Line) {
	o.mu.Lock()
	if len(o.last) >= 2*keptLines {
		o.last = append(o.last[:0], o.last[keptLines:]...)
	}
	o.last = append(o.last, l)
	if !o.isReady && strings.HasSuffix(l.Text, readyLine) {
		o.isReady = true
		close(o.ready)
	}
	o.mu.Unlock()
	o.line(l)
}

// forget forgets the lines so far.
func (o *output) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = o.last[:0]
}

// reason returns the last exception among the lines, or what was printed last on stderr.
func (o *output) reason() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return reasonOf(o.last)
}

// exceptions returns those among the lines, as exceptionsIn does.
func (o *output) exceptions() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	chain, _ := exceptionsIn(o.last)
	return chain
}

// finish waits until the pipes have ended, and closes them.
func (o *output) finish() {
	select {
	case <-o.done:
	case <-time.After(drainTime):
		for _, f := range o.files {
			_ = f.SetReadDeadline(time.Unix(1, 0))
		}
		<-o.done
	}
	for _, f := range o.files {
		_ = f.Close() // it may be closed
	}
}

// reasonOf returns the exceptions in one text, or what was printed last on stderr.
func reasonOf(lines []Line) string {
	chain, printed := exceptionsIn(lines)
	if len(chain) == 0 {
		return printed
	}
	return strings.Join(chain, "; then ")
}

// exceptionsIn finds the exceptions of the last traceback and of those that it says it was caused by, and what was printed last on
// stderr outside of tracebacks.
func exceptionsIn(lines []Line) (chain []string, printed string) {
	inside, chained := false, false
	for _, l := range lines {
		text := strings.TrimSpace(l.Text)
		switch {
		case strings.HasPrefix(text, "Traceback (most recent call last)"):
			if !chained {
				chain = nil
			}
			inside, chained = true, false
		case inside && text != "" && !strings.HasPrefix(l.Text, " "):
			chain = append(chain, text)
			inside = false
		case strings.HasPrefix(text, "During handling of the above exception"), strings.HasPrefix(text, "The above exception was the direct cause"):
			chained = true
		case l.Stderr && text != "":
			printed = text
		}
	}
	// TorchServe looks for a handler that cannot be imported among its own, and hides why.
	if n := len(chain); n > 1 && strings.Contains(chain[n-1], "ts.torch_handler") {
		chain = chain[:n-1]
	}
	return chain, printed
}
