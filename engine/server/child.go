package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/api/token"
)

// Handshake is the one JSON line that a child writes when it serves or has failed.
type Handshake struct {
	Inference  string `json:"inference,omitempty"` // host:port
	Management string `json:"management,omitempty"`
	PID        int    `json:"pid,omitempty"`
	Error      string `json:"error,omitempty"` // then the other fields are empty
}

// anyPort is a loopback address with any free port.
const anyPort = "127.0.0.1:0"

// childNice is added to the niceness of a child, so that its parent, which draws the screen
// and measures the requests, runs first.
const childNice = 5

// maxToken is the longest first line of stdin in bytes.
const maxToken = 4096

// errStdinClosed is the normal reason for the end of a child.
var errStdinClosed = errors.New("stdin was closed")

// RunChild serves an engine for the parent process. It reads the token of all listeners from
// the first line of stdin, calls start to make the engine, serves it on free loopback ports,
// and writes the Handshake. It closes the engine at the end. The end of stdin or of ctx
// cancels the context of start; after the Handshake it is not an error: RunChild answers the
// running requests and returns nil. It ignores the addresses and tokens of c.
//
// The goroutine that reads stdin ends when stdin ends, because nothing else can end its read.
// In a child that is the end of the process.
func RunChild(ctx context.Context, stdin io.Reader, handshake io.Writer, c Config,
	start func(context.Context) (*engine.Engine, error),
) error {
	lowerPriority(childNice)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tokens, err := readToken(ctx, stdin, cancel)
	if err != nil {
		return errors.Join(err, writeHandshake(handshake, Handshake{Error: err.Error()}))
	}
	c.Inference, c.Management, c.Metrics, c.Tokens = anyPort, anyPort, "", tokens
	c = c.withDefaults()
	e, err := start(ctx)
	if err != nil {
		return errors.Join(err, writeHandshake(handshake, Handshake{Error: err.Error()}))
	}
	err = serveChild(ctx, handshake, c, e)
	end, stop := context.WithTimeout(context.Background(), c.DrainTime)
	defer stop()
	return errors.Join(err, e.Close(end))
}

func serveChild(ctx context.Context, handshake io.Writer, c Config, e *engine.Engine) error {
	s, err := Open(c, e)
	if err != nil {
		return errors.Join(err, writeHandshake(handshake, Handshake{Error: err.Error()}))
	}
	a := s.Addrs()
	if err := writeHandshake(handshake, Handshake{Inference: a.Inference, Management: a.Management, PID: os.Getpid()}); err != nil {
		return errors.Join(err, s.Close())
	}
	return s.Run(ctx)
}

// readToken reads the token from stdin and continues to read. When stdin ends, it calls
// cancel with errStdinClosed.
func readToken(ctx context.Context, stdin io.Reader, cancel context.CancelCauseFunc) (*token.Tokens, error) {
	first := make(chan string, 1)
	go func() {
		defer cancel(errStdinClosed)
		r := bufio.NewReaderSize(stdin, maxToken)
		line, err := r.ReadSlice('\n')
		if err != nil {
			return // stdin has ended, or the line is too long
		}
		first <- strings.TrimSpace(string(line))
		_, _ = io.Copy(io.Discard, r) // the error does not matter
	}()
	select {
	case text := <-first:
		if text == "" {
			return nil, errors.New("the first line of stdin is empty, expected the token")
		}
		return token.Fixed(text), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no token on the first line of stdin: %w", context.Cause(ctx))
	}
}

// writeHandshake writes h as one line of JSON.
func writeHandshake(w io.Writer, h Handshake) error {
	line, err := json.Marshal(h)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return nil
}
