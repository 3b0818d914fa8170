package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/sweep/session"
)

const (
	enterScreen = "\x1b[?1049h"
	leaveScreen = "\x1b[?1049l"
	showCursor  = "\x1b[?25h"
)

// terminal stores its output. onWrite is called with all of it after each write.
type terminal struct {
	mu      sync.Mutex
	b       bytes.Buffer
	onWrite func(all string)
}

func (o *terminal) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.b.Write(p)
	if o.onWrite != nil {
		o.onWrite(o.b.String())
	}
	return n, err
}

func (o *terminal) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs the program until it ends. end is called when the first frame is written,
// and must end it.
func start(t *testing.T, ctx context.Context, end func(keys io.Writer)) (screen string, err error) {
	t.Helper()
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	out := &terminal{}
	var once sync.Once
	out.onWrite = func(all string) {
		if strings.Contains(all, "sweetspot") {
			once.Do(func() { go end(keys) })
		}
	}
	err = Run(ctx, Deps{Workbench: &fakeWorkbench{snap: serving()}, In: in, Out: out, NoColor: true})
	return out.text(), err
}

// requireRestored fails unless the output ends with the main screen and a cursor.
func requireRestored(t *testing.T, screen string) {
	t.Helper()
	in, out := strings.LastIndex(screen, enterScreen), strings.LastIndex(screen, leaveScreen)
	if in < 0 || out < in || !strings.Contains(screen[out:]+screen[in:out], showCursor) {
		t.Errorf("the terminal is not restored: %q", screen[max(len(screen)-200, 0):])
	}
}

func TestRunQuits(t *testing.T) {
	screen, err := start(t, t.Context(), func(keys io.Writer) { _, _ = keys.Write([]byte("q")) })
	if err != nil {
		t.Errorf("Run after q = %v, want nil", err)
	}
	requireRestored(t, screen)
	if got := colours(screen); got != "" {
		t.Errorf("there is a colour despite NoColor: %q", got)
	}
}

func TestRunEndsWithTheContext(t *testing.T) {
	hangup := errors.New("hangup")
	ctx, cancel := context.WithCancelCause(t.Context())
	screen, err := start(t, ctx, func(io.Writer) { cancel(hangup) })
	if !errors.Is(err, hangup) {
		t.Errorf("Run = %v, want the cause of the context", err)
	}
	requireRestored(t, screen)
}

// crashing is a workbench whose snapshots panic once the screen is shown.
type crashing struct {
	fakeWorkbench
	broken atomic.Bool
}

func (c *crashing) Snapshot() *session.Snapshot {
	if c.broken.Load() {
		panic("a bug")
	}
	return c.fakeWorkbench.Snapshot()
}

// A panic in the screen's own goroutine restores the terminal, and is an error.
func TestRunPanics(t *testing.T) {
	w := &crashing{fakeWorkbench: fakeWorkbench{snap: serving()}}
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	out := &terminal{}
	out.onWrite = func(all string) {
		if strings.Contains(all, "sweetspot") {
			w.broken.Store(true)
		}
	}
	if err := Run(t.Context(), Deps{Workbench: w, In: in, Out: out}); err == nil || !strings.HasPrefix(err.Error(), "screen: ") {
		t.Errorf("Run = %v, want an error", err)
	}
	requireRestored(t, out.text())
}

func TestSummary(t *testing.T) {
	cases := map[string]string{
		"pass":       Summary(serving(), "out/config.properties"),
		"sweeping":   Summary(sweeping()),
		"swept":      Summary(swept()),
		"down":       Summary(down()),
		"no answers": Summary(noAnswers()),
		"not loaded": Summary(starting()),
	}
	for name, got := range cases {
		t.Run(name, func(t *testing.T) {
			if got != ansi.Strip(got) {
				t.Error("the summary has escape sequences")
			}
			golden.RequireEqual(t, got)
		})
	}
}
