//go:build unix

package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sweetspot/engine/backend/python/peertest"
	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/backend/python/worker"
	"sweetspot/engine/payload"
)

func TestMain(m *testing.M) {
	if os.Getenv(parentVariable) != "" && os.Getenv(peertest.Variable) == "" {
		beParent()
	}
	peertest.Main()
	os.Exit(m.Run())
}

// parentVariable makes the test binary a process that has a worker which hangs.
const parentVariable = "SWEETSPOT_TEST_PARENT"

// beParent is that process. It prints the ID of the worker and never ends.
func beParent() {
	p, err := worker.Start(context.Background(), worker.Command{Args: peertest.Args(), Env: peertest.Env()})
	if err == nil {
		err = p.Load(context.Background(), protocol.Load{Handler: "good.py"})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go p.Predict(context.Background(), 0, messages("hang"), nil) //nolint:errcheck // it never returns
	fmt.Println(p.PID())
	select {}
}

// command returns the command of a peer, and a folder in which its socket is.
func command(t *testing.T) (worker.Command, string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return worker.Command{Args: peertest.Args(), Env: peertest.Env()}, dir
}

// start starts a peer and loads a handler.
func start(t *testing.T, handler string) (*worker.Process, error) {
	t.Helper()
	c, dir := command(t)
	p, err := worker.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "sweetspot-*")); err != nil || left != nil {
		t.Errorf("%v, %v is left of the socket", left, err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if gone(p.PID()) == nil {
			t.Errorf("process %d still exists", p.PID())
		}
	})
	return p, p.Load(t.Context(), protocol.Load{Name: "m", Dir: dir, BatchSize: 4, Handler: handler, GPU: protocol.NoGPU})
}

// gone returns an error if no process has the ID.
func gone(pid int) error { return syscall.Kill(pid, 0) }

func messages(texts ...string) []*payload.Message {
	var out []*payload.Message
	for i, text := range texts {
		out = append(out, &payload.Message{ID: strconv.Itoa(i), Parts: []payload.Part{{Name: "body", Data: []byte(text)}}})
	}
	return out
}

func TestPredict(t *testing.T) {
	p, err := start(t, "good.py")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var pieces []string
		r, err := p.Predict(t.Context(), 0, messages("one", "stream a b", "status 418 tea"), func(r *protocol.Reply) {
			pieces = append(pieces, string(r.Items[1].Body))
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(pieces, " "); got != "a b" || len(r.Items) != 3 {
			t.Errorf("pieces %q, %d items", got, len(r.Items))
		}
		if r.Code != 200 || string(r.Items[0].Body) != "ONE" || string(r.Items[1].Body) != "." || r.Items[2].Status != 418 {
			t.Errorf("reply %+v", r)
		}
	}
	select {
	case <-p.Done():
		t.Error("the worker has ended")
	default:
	}
}

// Errors of a load and of a batch say how the worker ended, and why.
func TestErrors(t *testing.T) {
	for _, tt := range []struct{ handler, command, want string }{
		{"missing.py", "", "did not load the model (exit status 1): ModuleNotFoundError: No module named 'detectron2'"},
		{"runtime.py", "", "500 Unknown exception (exit status 1): RuntimeError: no weights"},
		{"good.py", "die", "ended during a batch (exit status 3): MemoryError: no memory"},
		{"good.py", "kill", "ended during a batch (killed by signal 9, killed)"},
		{"good.py", "garbage", "the length -256"},
	} {
		p, err := start(t, tt.handler)
		if tt.command != "" {
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Predict(t.Context(), 0, messages("text", tt.command), func(*protocol.Reply) {})
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", tt.handler, tt.command, err, tt.want)
		}
		if gone(p.PID()) == nil {
			t.Errorf("%s %s: the process still exists", tt.handler, tt.command)
		}
	}
}

func TestTimeout(t *testing.T) {
	p, err := start(t, "good.py")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Predict(t.Context(), time.Millisecond, messages("hang"), nil)
	if err == nil || !strings.Contains(err.Error(), "did not answer a batch of 1 within 1ms") {
		t.Errorf("a worker that hangs: %v", err)
	}
	<-p.Done()
}

// The end of the context ends a start, a load and a batch.
func TestCancel(t *testing.T) {
	cause := errors.New("no longer needed")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	c, _ := command(t)
	if p, err := worker.Start(ctx, c); !errors.Is(err, cause) {
		t.Errorf("start: %v, %v", p, err)
	}
	for _, handler := range []string{"slow.py", "good.py"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		p, err := worker.Start(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err = p.Load(ctx, protocol.Load{Handler: handler}); err == nil {
				_, err = p.Predict(ctx, 0, messages("hang"), nil)
			}
		})
		cancel(cause)
		wg.Wait()
		if !errors.Is(err, cause) {
			t.Errorf("%s: %v", handler, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What a handler has started ends with its worker, although it keeps the output open.
func TestGroup(t *testing.T) {
	for _, last := range []string{"text", "die"} {
		p, err := start(t, "good.py")
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Predict(t.Context(), 0, messages("spawn"), nil)
		if err != nil {
			t.Fatal(err)
		}
		child, err := strconv.Atoi(string(r.Items[0].Body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Predict(t.Context(), 0, messages(last), nil); (err == nil) != (last == "text") {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		for gone(child) == nil && !isZombie(child) {
			if t.Context().Err() != nil {
				t.Fatalf("process %d of a handler still exists", child)
			}
			time.Sleep(time.Millisecond) // its signal is on the way
		}
	}
}

// isZombie reports whether a process has ended and nobody has waited for it.
func isZombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestStartErrors(t *testing.T) {
	c, _ := command(t)
	c.Args = []string{"/no/such/program"}
	if _, err := worker.Start(t.Context(), c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
	c.Args, c.Env = []string{"/bin/sh", "-c", "echo no torch here >&2; exit 7"}, nil
	if _, err := worker.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "(exit status 7): no torch here") {
		t.Errorf("a program that ends: %v", err)
	}
}

// Every line reaches the receiver, also from stderr, and long ones are cut.
func TestLines(t *testing.T) {
	c, _ := command(t)
	var mu sync.Mutex
	var all []worker.Line
	c.Line = func(l worker.Line) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, l)
	}
	c.Args = []string{"/bin/sh", "-c", "printf 'a\\r\\n'; head -c 200000 /dev/zero | tr '\\0' x; echo; echo b; echo c >&2; printf d"}
	_, err := worker.Start(t.Context(), c)
	if err == nil {
		t.Fatal("a shell is no worker")
	}
	mu.Lock()
	defer mu.Unlock()
	var stdout, stderr []string
	for _, l := range all {
		if l.Stderr {
			stderr = append(stderr, l.Text)
		} else {
			stdout = append(stdout, l.Text[:min(len(l.Text), 5)])
		}
	}
	if strings.Join(stdout, " ") != "a xxxxx b d" || strings.Join(stderr, " ") != "c" {
		t.Errorf("stdout %q, stderr %q", stdout, stderr)
	}
}
