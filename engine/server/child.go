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

// Handshake is the one JSON line a child writes when it serves, or when it
// cannot.
type Handshake struct {
	Inference  string `json:"inference,omitempty"` // host:port
	Management string `json:"management,omitempty"`
	PID        int    `json:"pid,omitempty"`
	Error      string `json:"error,omitempty"` // instead of all else
}

// free is a loopback address whose port the system chooses.
const free = "127.0.0.1:0"

// childNice is how far a child steps back for its parent, which draws the screen
// and times the requests.
const childNice = 5

// maxToken is the longest first line of stdin.
const maxToken = 4096

// errParent is why a child ends in the ordinary way.
var errParent = errors.New("stdin was closed")

// RunChild serves an engine for the process that started this one. It reads the
// one token of all listeners from the first line of stdin, calls start for the
// engine, which it then owns, serves it on free loopback ports, and writes the
// Handshake. Once it serves, the end of stdin or of ctx is no error: it answers
// what is under way, closes the engine and returns nil. Both also end the
// context of start. Addresses and tokens of c are not read.
//
// The goroutine that watches stdin ends with stdin: nothing else can end a read
// of it. In a child, that is the end of the process.
func RunChild(ctx context.Context, stdin io.Reader, handshake io.Writer, c Config,
	start func(context.Context) (*engine.Engine, error),
) error {
	lowerPriority(childNice)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tokens, err := watch(ctx, stdin, cancel)
	if err != nil {
		return errors.Join(err, shake(handshake, Handshake{Error: err.Error()}))
	}
	c.Inference, c.Management, c.Tokens = free, free, tokens
	c = c.withDefaults()
	e, err := start(ctx)
	if err != nil {
		return errors.Join(err, shake(handshake, Handshake{Error: err.Error()}))
	}
	err = serveChild(ctx, handshake, c, e)
	end, stop := context.WithTimeout(context.Background(), c.DrainTime)
	defer stop()
	return errors.Join(err, e.Close(end))
}

func serveChild(ctx context.Context, handshake io.Writer, c Config, e *engine.Engine) error {
	s, err := Open(c, e)
	if err != nil {
		return errors.Join(err, shake(handshake, Handshake{Error: err.Error()}))
	}
	a := s.Addrs()
	if err := shake(handshake, Handshake{Inference: a.Inference, Management: a.Management, PID: os.Getpid()}); err != nil {
		return errors.Join(err, s.Close())
	}
	return s.Run(ctx)
}

// watch reads the token from stdin and goes on reading until stdin ends, when it
// cancels with errParent.
func watch(ctx context.Context, stdin io.Reader, cancel context.CancelCauseFunc) (*token.Tokens, error) {
	first := make(chan string, 1)
	go func() {
		defer cancel(errParent)
		r := bufio.NewReaderSize(stdin, maxToken)
		line, err := r.ReadSlice('\n')
		if err != nil {
			return // the end came first, or the line is too long
		}
		first <- strings.TrimSpace(string(line))
		_, _ = io.Copy(io.Discard, r) // how it ends does not matter
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

// shake writes h as one line.
func shake(w io.Writer, h Handshake) error {
	line, err := json.Marshal(h)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return nil
}
