package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine"
	"sweetspot/engine/monitor"
	engineserver "sweetspot/engine/server"
)

// serverCommand runs this program as the server of the HTTP figures. Like the
// engine of the workbench, it is a process of its own, so that its allocations
// can be counted and the Go schedulers of client and server are separate.
const serverCommand = "overhead-server"

// stopTime is how long the server may take to exit.
const stopTime = 5 * time.Second

// modelWait is the model whose idle worker waits up to .2 ms for a full batch.
const modelWait = "spin-wait"

// modelFor is the name of the model for bodies of a size; its worker never waits
// for a full batch.
func modelFor(bytes int) string { return fmt.Sprintf("spin-%d", bytes) }

// addrs is the one line that the server prints.
type addrs struct {
	Predict string `json:"predict"` // the engine's inference listener
	Empty   string `json:"empty"`   // the empty handler; and /mallocs
}

// runOverheadServer is the server process. It exits when stdin ends, so also when
// its parent exits.
func runOverheadServer(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	eng := newEngine(monitor.Limits().Cores)
	defer func() { err = errors.Join(err, eng.Close(context.WithoutCancel(ctx))) }()
	if err := loadModels(ctx, eng); err != nil {
		return err
	}
	const anyPort = "127.0.0.1:0"
	s, err := engineserver.Open(engineserver.Config{Inference: anyPort, Management: anyPort}, eng)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", anyPort)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	empty := &http.Server{Handler: http.HandlerFunc(emptyHandler), ReadHeaderTimeout: 10 * time.Second}
	serveErr := make(chan error, 1)
	go func() { serveErr <- empty.Serve(listener) }()
	go func() { // stdin ends when the parent exits
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	err = json.NewEncoder(stdout).Encode(addrs{s.Addrs().Inference, listener.Addr().String()})
	if err != nil {
		cancel()
	}
	err = errors.Join(err, s.Run(ctx), empty.Close())
	if e := <-serveErr; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

func loadModels(ctx context.Context, eng *engine.Engine) error {
	for _, size := range []int{256, 4096} {
		if err := eng.Load(ctx, spinModel(modelFor(size), size), spinConfig(clients, 0)); err != nil {
			return err
		}
	}
	return eng.Load(ctx, spinModel(modelWait, 256), spinConfig(clients, 200*time.Microsecond))
}

// emptyHandler answers nothing, or at /mallocs the number of allocated objects.
func emptyHandler(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/mallocs" {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, _ = io.WriteString(w, strconv.FormatUint(m.Mallocs, 10)) // the client notices a truncated answer
}

// server is the parent's view of the server process.
type server struct {
	addrs
	*child
}

// startServer starts the child and waits for its addresses.
func startServer(ctx context.Context, e *env) (*server, error) {
	s := &server{}
	var err error
	s.child, err = e.startChild(ctx, serverCommand, &s.addrs)
	return s, err
}

// child is another process of this program with one of its hidden commands. It
// prints one line when it is ready, and exits when its stdin ends.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Reader // its stdout
}

// startChild starts a child and reads its line, which is JSON, into ready.
func (e *env) startChild(ctx context.Context, command string, ready any, args ...string) (*child, error) {
	cmd := exec.CommandContext(ctx, e.self, append([]string{command}, args...)...)
	cmd.Env, cmd.Stderr = e.environ, e.stderr
	cmd.WaitDelay = stopTime
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	c := &child{cmd: cmd, stdin: stdin, lines: bufio.NewReader(stdout)}
	line, err := c.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, ready)
	}
	if err != nil {
		return nil, c.stop(fmt.Errorf("the server printed no addresses: %w", err))
	}
	return c, nil
}

// stop ends the child. It returns err, or the error of the child if err is nil.
func (c *child) stop(err error) error {
	kill := time.AfterFunc(stopTime, func() { _ = c.cmd.Process.Kill() }) // it may have exited just now
	defer kill.Stop()
	_ = c.stdin.Close() // already closed if the child has exited
	exitErr := c.cmd.Wait()
	if err == nil && exitErr != nil {
		return fmt.Errorf("server: %w", exitErr)
	}
	return err
}

// watch measures the disturbance by processes other than this one and the child.
func (c *child) watch() judge.DisturbanceFunc {
	return watchDisturbance(os.Getpid(), c.cmd.Process.Pid)
}

// mallocs is how many objects the child has allocated since its start.
func (s *server) mallocs(ctx context.Context) (uint64, error) {
	var n uint64
	err := doRequest(ctx, http.MethodGet, "http://"+s.Empty+"/mallocs", "", func(r io.Reader) error {
		return json.NewDecoder(r).Decode(&n)
	})
	return n, err
}

// doRequest sends one request and passes the body of its answer to read.
func doRequest(ctx context.Context, method, address, body string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(text)))
	}
	if err := read(res.Body); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body) // read to its end, so that the connection can be reused
	return err
}
