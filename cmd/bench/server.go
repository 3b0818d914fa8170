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

// serverCommand makes this program the server of the HTTP figures: a process of
// its own, as the engine of the workbench is, so that its allocations can be
// counted and neither side waits for the other's scheduler.
const serverCommand = "overhead-server"

// stopTime is how long the server may take to end.
const stopTime = 5 * time.Second

// modelWait is the model whose idle worker may hold a short batch for .2 ms.
const modelWait = "spin-wait"

// modelFor names the model for bodies of a size, whose worker never waits.
func modelFor(bytes int) string { return fmt.Sprintf("spin-%d", bytes) }

// addrs is the one line that the server prints.
type addrs struct {
	Predict string `json:"predict"` // the engine's inference listener
	Empty   string `json:"empty"`   // the empty handler; and /mallocs
}

// serve is the server's process. It ends when stdin does, and so with whoever
// started it.
func serve(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	eng := newEngine(monitor.Limits().Cores)
	defer func() { err = errors.Join(err, eng.Close(context.WithoutCancel(ctx))) }()
	if err := loadModels(ctx, eng); err != nil {
		return err
	}
	const free = "127.0.0.1:0"
	s, err := engineserver.Open(engineserver.Config{Inference: free, Management: free}, eng)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", free)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	empty := &http.Server{Handler: http.HandlerFunc(nothing), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- empty.Serve(listener) }()
	go func() { // ends with stdin, which ends with the parent
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	err = json.NewEncoder(stdout).Encode(addrs{s.Addrs().Inference, listener.Addr().String()})
	if err != nil {
		cancel()
	}
	err = errors.Join(err, s.Run(ctx), empty.Close())
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
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

// nothing is the empty handler, and tells how much the process has allocated.
func nothing(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/mallocs" {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, _ = io.WriteString(w, strconv.FormatUint(m.Mallocs, 10)) // the client sees a cut answer itself
}

// server is the child as its parent sees it.
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

// child is this program in another process, under one of its hidden commands.
// It prints one line when it is ready, and ends when its stdin does.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Reader // its stdout
}

// startChild starts a child and reads its line, which is JSON, into ready.
func (e *env) startChild(ctx context.Context, command string, ready any) (*child, error) {
	cmd := exec.CommandContext(ctx, e.self, command)
	cmd.Stderr = e.stderr
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
		return nil, c.stop(fmt.Errorf("server gave no addresses: %w", err))
	}
	return c, nil
}

// stop ends the child and returns err, or how the child ended if that is nil.
func (c *child) stop(err error) error {
	kill := time.AfterFunc(stopTime, func() { _ = c.cmd.Process.Kill() }) // it may have ended just now
	defer kill.Stop()
	_ = c.stdin.Close() // closed already if the child is gone
	werr := c.cmd.Wait()
	if err == nil && werr != nil {
		return fmt.Errorf("server: %w", werr)
	}
	return err
}

// noise watches both processes.
func (c *child) noise() judge.Noise { return watch(os.Getpid(), c.cmd.Process.Pid) }

// mallocs is how many objects the child has allocated since its start.
func (s *server) mallocs(ctx context.Context) (uint64, error) {
	var n uint64
	err := talk(ctx, http.MethodGet, "http://"+s.Empty+"/mallocs", "", func(r io.Reader) error {
		return json.NewDecoder(r).Decode(&n)
	})
	return n, err
}

// talk exchanges one request for the body of its answer.
func talk(ctx context.Context, method, address, body string, read func(io.Reader) error) error {
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
	_, err = io.Copy(io.Discard, res.Body) // to its end, so that the connection is kept
	return err
}
