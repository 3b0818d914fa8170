package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
)

const (
	enterScreen = "\x1b[?1049h"
	leaveScreen = "\x1b[?1049l"
	showCursor  = "\x1b[?25h"
)

// terminal collects what is written and calls seen with all of it.
type terminal struct {
	mu   sync.Mutex
	b    bytes.Buffer
	seen func(all string)
}

func (o *terminal) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.b.Write(p)
	if o.seen != nil {
		o.seen(o.b.String())
	}
	return n, err
}

func (o *terminal) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs the program until end, called when the first frame is out.
func start(t *testing.T, ctx context.Context, end func(keys io.Writer)) (screen string, err error) {
	t.Helper()
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	out := &terminal{}
	var once sync.Once
	out.seen = func(all string) {
		if strings.Contains(all, "sweetspot") {
			once.Do(func() { go end(keys) })
		}
	}
	err = Run(ctx, Deps{Bench: &bench{snap: serving()}, In: in, Out: out, NoColor: true})
	return out.text(), err
}

func restored(t *testing.T, screen string) {
	t.Helper()
	in, out := strings.LastIndex(screen, enterScreen), strings.LastIndex(screen, leaveScreen)
	if in < 0 || out < in || !strings.Contains(screen[out:]+screen[in:out], showCursor) {
		t.Errorf("the terminal is not restored: %q", screen[max(len(screen)-200, 0):])
	}
}

func TestRunQuits(t *testing.T) {
	screen, err := start(t, t.Context(), func(keys io.Writer) { _, _ = keys.Write([]byte("q")) })
	if err != nil {
		t.Errorf("q ended with %v", err)
	}
	restored(t, screen)
	if strings.Contains(screen, "\x1b[9") || strings.Contains(screen, ";9") {
		t.Error("colour without being wanted")
	}
}

func TestRunEndsWithTheContext(t *testing.T) {
	hangup := errors.New("hangup")
	ctx, cancel := context.WithCancelCause(t.Context())
	screen, err := start(t, ctx, func(io.Writer) { cancel(hangup) })
	if !errors.Is(err, hangup) {
		t.Errorf("ended with %v, want the cause", err)
	}
	restored(t, screen)
}

func TestSummary(t *testing.T) {
	cases := map[string]string{
		"pass":        Summary(serving(), "out/config.properties"),
		"sweeping":    Summary(sweepingNow()),
		"swept":       Summary(swept()),
		"down":        Summary(down()),
		"no answers":  Summary(quiet()),
		"never began": Summary(starting()),
	}
	for name, got := range cases {
		t.Run(name, func(t *testing.T) {
			if got != ansi.Strip(got) {
				t.Error("it holds escape sequences")
			}
			golden.RequireEqual(t, got)
		})
	}
}
