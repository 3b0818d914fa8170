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

// lifecycle executes the commands of a scenario on an engine with one model. When gated,
// each opening of a session waits until a command lets it succeed or fail.
type lifecycle struct {
	t       *testing.T
	engine  *engine.Engine
	backend *enginetest.Backend

	mu      sync.Mutex
	gated   bool
	opening []chan error // openings that wait
	ended   []string     // commands that ended in the background
}

func newLifecycle(t *testing.T) *lifecycle {
	l := &lifecycle{t: t}
	l.backend = &enginetest.Backend{OnOpen: l.open}
	l.engine = engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: l.backend}, Cores: 8})
	return l
}

// open waits, when gated, until a command ends the opening.
func (l *lifecycle) open(ctx context.Context, _ int) error {
	l.mu.Lock()
	if !l.gated {
		l.mu.Unlock()
		return nil
	}
	gate := make(chan error, 1)
	l.opening = append(l.opening, gate)
	l.mu.Unlock()
	select {
	case err := <-gate:
		return err
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		l.opening = slices.DeleteFunc(l.opening, func(g chan error) bool { return g == gate })
		return context.Cause(ctx)
	}
}

// background runs f and records its result.
func (l *lifecycle) background(what string, f func() error) {
	go func() {
		text := outcome(f())
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = append(l.ended, what+": "+text)
	}()
}

// outcome abbreviates an error; no error is "ok".
func outcome(err error) string {
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
		return "already loaded"
	}
	return err.Error()
}

var errBroken = errors.New("it is broken")

// do executes one command and returns its output.
func (l *lifecycle) do(command string) string {
	words := strings.Fields(command)
	arg := append(words[1:], "", "")
	ctx := l.t.Context()
	switch words[0] {
	case "gate": // openings wait from here on
		l.gated = true
	case "ungate":
		l.gated = false
		return l.endOpenings(len(l.opening), nil)
	case "open": // the oldest opening succeeds
		return l.endOpenings(1, nil)
	case "fail": // the oldest opening fails
		return l.endOpenings(1, errBroken)
	case "start":
		_, err := l.engine.Start(l.model(arg[0]), l.config(arg[1]))
		return outcome(err)
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
		return outcome(l.engine.SetDefault("m", arg[0]))
	case "wait":
		d, _ := time.ParseDuration(arg[0])
		time.Sleep(d)
	case "state":
		return l.state()
	default:
		l.t.Fatalf("unknown command %q", command)
	}
	return ""
}

// endOpenings ends the n oldest openings with err.
func (l *lifecycle) endOpenings(n int, err error) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.opening) < n || n == 0 && err != nil {
		return "no opening waits"
	}
	for _, gate := range l.opening[:n] {
		gate <- err
	}
	l.opening = l.opening[n:]
	return ""
}

func (l *lifecycle) model(version string) *engine.Model {
	m := enginetest.Model("m")
	m.Version = version
	return m
}

func (l *lifecycle) config(workers string) knob.Config {
	n := 1
	_, _ = fmt.Sscan(workers, &n)
	return config(n, 2, ms)
}

// state lists the versions with their states and workers, and the sessions.
func (l *lifecycle) state() string {
	var out []string
	for _, s := range l.engine.Services() {
		text := fmt.Sprintf("%s %s, workers %d", s.Model().Version, s.State(), s.Stats().Workers)
		if l.engine.Default("m") == s.Model().Version {
			text += ", default"
		}
		out = append(out, text)
	}
	return strings.Join(append(out, fmt.Sprintf("sessions %d", l.backend.OpenNow())), "\n")
}

// results returns the results of background commands since the last call.
func (l *lifecycle) results() []string {
	time.Sleep(100 * ms) // let batches fill, and let polling loops see their end
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.ended
	l.ended = nil
	slices.Sort(out)
	return out
}

var update = flag.Bool("update", false, "rewrite the scenario files with the actual output")

// TestLifecycle runs the scenarios of testdata/lifecycle: each line is a command; the
// indented lines below are its output and the background commands that it ended.
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

// runScenario returns the scenario with the actual output of its commands.
func runScenario(t *testing.T, text string) string {
	l := newLifecycle(t)
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
		output := l.do(strings.TrimSpace(line))
		for _, s := range append(strings.Split(output, "\n"), l.results()...) {
			if s != "" {
				fmt.Fprintf(&b, "  %s\n", s)
			}
		}
	}
	l.end()
	return b.String()
}

// end closes the engine and checks that no session and no version is left.
func (l *lifecycle) end() {
	l.mu.Lock()
	l.gated = false
	l.mu.Unlock()
	l.endOpenings(len(l.opening), nil)
	if err := l.engine.Close(l.t.Context()); err != nil {
		l.t.Errorf("close: %v", err)
	}
	synctest.Wait()
	if n := l.backend.OpenNow(); n != 0 {
		l.t.Errorf("%d sessions are left open", n)
	}
	if n := len(l.engine.Services()); n != 0 {
		l.t.Errorf("%d versions are left in the registry", n)
	}
}

// TestLifecycleRandom executes random commands and checks the invariants: every background
// command ends once the openings end, and no session and no version is left.
func TestLifecycleRandom(t *testing.T) {
	runs := 300
	if testing.Short() {
		runs = 40
	}
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			l := newLifecycle(t)
			l.gated = true
			started, history := 0, []string{}
			for range 30 {
				command := drawCommand(rng)
				history = append(history, command)
				switch strings.Fields(command)[0] {
				case "load", "unload", "ask", "scale":
					started++
				}
				l.do(command)
				started -= len(l.results())
			}
			l.do("ungate")
			time.Sleep(time.Hour)
			if started -= len(l.results()); started != 0 {
				t.Errorf("seed %d: %d commands never ended: %v", seed, started, history)
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
		return "open"
	case 7:
		return "fail"
	case 8:
		return fmt.Sprintf("scale %s %d", version, rng.IntN(3))
	case 9:
		return "default " + version
	}
	return "ask " + version
}
