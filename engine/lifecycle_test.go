package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
)

// life drives an engine with one model by the commands of a scenario. Openings of
// sessions wait until they are told to succeed or to fail.
type life struct {
	t       *testing.T
	engine  *engine.Engine
	backend *enginetest.Backend

	mu      sync.Mutex
	gated   bool
	waiting []chan error // openings under way
	ended   []string     // commands that ended in the background
}

func newLife(t *testing.T) *life {
	l := &life{t: t}
	l.backend = &enginetest.Backend{Opens: l.open}
	l.engine = engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: l.backend}, Cores: 8})
	return l
}

// open is an opening: it takes a while, which is up to the scenario.
func (l *life) open(ctx context.Context, _ int) error {
	l.mu.Lock()
	if !l.gated {
		l.mu.Unlock()
		return nil
	}
	gate := make(chan error, 1)
	l.waiting = append(l.waiting, gate)
	l.mu.Unlock()
	select {
	case err := <-gate:
		return err
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting = slices.DeleteFunc(l.waiting, func(g chan error) bool { return g == gate })
		return context.Cause(ctx)
	}
}

// background runs f and notes how it ended.
func (l *life) background(what string, f func() error) {
	go func() {
		text := l.told(f())
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = append(l.ended, what+": "+text)
	}()
}

// told is an error in a word, or "ok".
func (l *life) told(err error) string {
	for word, is := range map[string]error{
		"no such model": engine.ErrUnknownModel, "no such version": engine.ErrUnknownVersion, "not ready": engine.ErrNotReady,
		"closed": engine.ErrClosed, "no workers": engine.ErrNoWorkers, "is the default": engine.ErrDefaultVersion, "broken": errBroken,
	} {
		if errors.Is(err, is) && !(is == engine.ErrNotReady && errors.Is(err, errBroken)) {
			return word
		}
	}
	switch {
	case err == nil:
		return "ok"
	case strings.Contains(err.Error(), "served already"):
		return "taken"
	}
	return err.Error()
}

var errBroken = errors.New("it is broken")

// do runs one command and returns what it says.
func (l *life) do(command string) string {
	words := strings.Fields(command)
	arg := append(words[1:], "", "")
	ctx := l.t.Context()
	switch words[0] {
	case "gate": // openings wait from now on
		l.gated = true
	case "free":
		l.gated = false
		return l.answer(len(l.waiting), nil)
	case "opens": // the oldest opening succeeds
		return l.answer(1, nil)
	case "breaks":
		return l.answer(1, errBroken)
	case "start":
		_, err := l.engine.Start(l.model(arg[0]), l.config(arg[1]))
		return l.told(err)
	case "load":
		l.background(command, func() error { return l.engine.Load(ctx, l.model(arg[0]), l.config(arg[1])) })
	case "unload":
		l.background(command, func() error { return l.engine.Unload(ctx, "m", arg[0]) })
	case "ask":
		l.background(command, func() error {
			s, err := l.engine.Find("m", arg[0])
			if err != nil {
				return err
			}
			_, err = ask(ctx, s, "word")
			return err
		})
	case "scale":
		l.background(command, func() error {
			s, err := l.engine.Find("m", arg[0])
			if err != nil {
				return err
			}
			var n int
			_, _ = fmt.Sscan(arg[1], &n)
			return s.Scale(ctx, n, n, nil)
		})
	case "default":
		return l.told(l.engine.SetDefault("m", arg[0]))
	case "pass": // time
		d, _ := time.ParseDuration(arg[0])
		time.Sleep(d)
	case "state":
		return l.state()
	default:
		l.t.Fatalf("unknown command %q", command)
	}
	return ""
}

// answer ends openings that wait.
func (l *life) answer(n int, err error) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) < n || n == 0 && err != nil {
		return "nothing opens"
	}
	for _, gate := range l.waiting[:n] {
		gate <- err
	}
	l.waiting = l.waiting[n:]
	return ""
}

func (l *life) model(version string) *engine.Model {
	m := enginetest.Model("m")
	m.Version = version
	return m
}

func (l *life) config(workers string) knob.Config {
	n := 1
	_, _ = fmt.Sscan(workers, &n)
	return config(n, 2, ms)
}

// state lists the versions with their states and workers, and the sessions.
func (l *life) state() string {
	var out []string
	for _, s := range l.engine.Served() {
		text := fmt.Sprintf("%s %s, workers %d", s.Model().Version, s.State(), s.Stats().Workers)
		if l.engine.Default("m") == s.Model().Version {
			text += ", default"
		}
		out = append(out, text)
	}
	return strings.Join(append(out, fmt.Sprintf("sessions %d", l.backend.OpenNow())), "\n")
}

// news returns what ended in the background since it was asked last.
func (l *life) news() []string {
	time.Sleep(100 * ms) // batches fill, and what ends is looked for now and then
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.ended
	l.ended = nil
	slices.Sort(out)
	return out
}

var update = flag.Bool("update", false, "write what the scenarios say into their files")

// TestLifecycle runs the scenarios of testdata/lifecycle: a command a line, and below
// it, indented, what it says and what ended because of it.
func TestLifecycle(t *testing.T) {
	files, err := filepath.Glob("testdata/lifecycle/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				got := runScenario(t, string(text))
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(string(text), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			})
		})
	}
}

// runScenario returns the scenario with what its commands said.
func runScenario(t *testing.T, text string) string {
	l := newLife(t)
	var b strings.Builder
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "  "):
			continue
		case strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "":
			b.WriteString(line)
			continue
		}
		b.WriteString(line)
		said := l.do(strings.TrimSpace(line))
		for _, s := range append(strings.Split(said, "\n"), l.news()...) {
			if s != "" {
				fmt.Fprintf(&b, "  %s\n", s)
			}
		}
	}
	l.end()
	return b.String()
}

// end closes the engine, and looks at what must be so whatever came before.
func (l *life) end() {
	l.mu.Lock()
	l.gated = false
	l.mu.Unlock()
	l.answer(len(l.waiting), nil)
	if err := l.engine.Close(l.t.Context()); err != nil {
		l.t.Errorf("close: %v", err)
	}
	synctest.Wait()
	if n := l.backend.OpenNow(); n != 0 {
		l.t.Errorf("%d sessions are left open", n)
	}
	if n := len(l.engine.Served()); n != 0 {
		l.t.Errorf("%d versions are left in the registry", n)
	}
}

// TestLifecycleExplored draws commands by chance and checks what must hold after each
// of them: every command that was begun ends once openings do, an answered request
// was asked of a version that was ready, and nothing is left at the end.
func TestLifecycleExplored(t *testing.T) {
	runs := 300
	if testing.Short() {
		runs = 40
	}
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			l := newLife(t)
			l.gated = true
			begun, history := 0, []string{}
			for range 30 {
				command := drawCommand(rng)
				history = append(history, command)
				switch strings.Fields(command)[0] {
				case "load", "unload", "ask", "scale":
					begun++
				}
				l.do(command)
				begun -= len(l.news())
			}
			l.do("free")
			time.Sleep(time.Hour)
			if begun -= len(l.news()); begun != 0 {
				t.Errorf("seed %d: %d commands never ended: %v", seed, begun, history)
			}
			l.end()
		})
		if t.Failed() {
			return
		}
	}
}

func drawCommand(rng *rand.Rand) string {
	version := []string{"1", "2"}[rng.IntN(2)]
	switch rng.IntN(12) {
	case 0:
		return "start " + version
	case 1:
		return "load " + version
	case 2, 3:
		return "unload " + version
	case 4, 5, 6:
		return "opens"
	case 7:
		return "breaks"
	case 8:
		return fmt.Sprintf("scale %s %d", version, rng.IntN(3))
	case 9:
		return "default " + version
	}
	return "ask " + version
}
