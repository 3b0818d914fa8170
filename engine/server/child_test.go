package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/server"
)

var errNoModel = errors.New("load m: no such file")

// child is a running RunChild with the parent's ends of its pipes.
type child struct {
	stdin     *io.PipeWriter
	handshake server.Handshake
	ended     chan error
}

// spawn starts a child whose stdin begins with first, and reads its handshake.
func spawn(t *testing.T, ctx context.Context, first string, start func(context.Context) (*engine.Engine, error)) child {
	t.Helper()
	in, stdin := io.Pipe()
	out, handshake := io.Pipe()
	c := child{stdin: stdin, ended: make(chan error, 1)}
	go func() {
		c.ended <- server.RunChild(ctx, in, handshake, server.Config{}, start)
		_ = in.Close()
		_ = handshake.Close()
	}()
	go func() {
		_, _ = io.WriteString(stdin, first)
		if !strings.Contains(first, "\n") {
			_ = stdin.Close()
		}
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &c.handshake)
	}
	if err != nil {
		t.Fatalf("handshake %q: %v", line, err)
	}
	return c
}

func TestRunChild(t *testing.T) {
	ends := map[string]func(child, context.CancelFunc){
		"stdin ends":   func(c child, _ context.CancelFunc) { _ = c.stdin.Close() },
		"context ends": func(_ child, cancel context.CancelFunc) { cancel() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			var e *engine.Engine
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := spawn(t, ctx, "secret\n", func(context.Context) (*engine.Engine, error) {
				e = newEngine(t, newDoubler())
				return e, nil
			})
			if c.handshake.Error != "" || c.handshake.PID != os.Getpid() {
				t.Fatalf("handshake = %+v", c.handshake)
			}
			if resp := do(t, "POST", "http://"+c.handshake.Inference+"/predictions/m", "secret", "[4]"); read(t, resp) != "[8]\n" {
				t.Errorf("prediction: %d", resp.StatusCode)
			}
			if resp := do(t, "GET", "http://"+c.handshake.Management+"/engine/v1/info", "secret", ""); resp.StatusCode != 200 {
				t.Errorf("info: %d", resp.StatusCode)
			}
			if resp := do(t, "GET", "http://"+c.handshake.Management+"/engine/v1/info", "", ""); resp.StatusCode != 400 {
				t.Errorf("info without token: %d", resp.StatusCode)
			}
			checkUsage(t, c.handshake.Management, "secret")
			end(c, cancel)
			if err := <-c.ended; err != nil {
				t.Errorf("RunChild = %v", err)
			}
			if len(e.Services()) != 0 {
				t.Error("the engine is still open")
			}
			_ = c.stdin.Close()
		})
	}
}

func TestRunChildErrors(t *testing.T) {
	tests := []struct {
		name, stdin string
		want        string
	}{
		{"no token", "", "no token on the first line of stdin: stdin was closed"},
		{"incomplete line", "secret", "no token on the first line of stdin: stdin was closed"},
		{"long line", strings.Repeat("x", 5000) + "\n", "no token on the first line of stdin: stdin was closed"},
		{"empty token", "\n", "the first line of stdin is empty, expected the token"},
		{"no engine", "secret\n", errNoModel.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := spawn(t, t.Context(), tt.stdin, func(context.Context) (*engine.Engine, error) { return nil, errNoModel })
			if c.handshake != (server.Handshake{Error: tt.want}) {
				t.Errorf("handshake = %+v, want %q", c.handshake, tt.want)
			}
			if err := <-c.ended; err == nil || err.Error() != tt.want {
				t.Errorf("RunChild = %v, want %s", err, tt.want)
			}
			_ = c.stdin.Close()
		})
	}
}

// The end of the parent cancels a running load.
func TestRunChildParentEndsWhileLoading(t *testing.T) {
	in, stdin := io.Pipe()
	go func() { _, _ = io.WriteString(stdin, "secret\n") }()
	err := server.RunChild(t.Context(), in, io.Discard, server.Config{}, func(ctx context.Context) (*engine.Engine, error) {
		_ = stdin.Close()
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	if err == nil || err.Error() != "stdin was closed" {
		t.Errorf("RunChild = %v", err)
	}
}

func TestRunChildHandshakeBroken(t *testing.T) {
	broken := errors.New("pipe is closed")
	r, w := io.Pipe()
	_ = r.CloseWithError(broken)
	in, stdin := io.Pipe()
	defer func() { _ = stdin.Close() }()
	go func() { _, _ = io.WriteString(stdin, "secret\n") }()
	err := server.RunChild(t.Context(), in, w, server.Config{}, func(context.Context) (*engine.Engine, error) {
		return newEngine(t, newDoubler()), nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("RunChild = %v, want %v", err, broken)
	}
}
