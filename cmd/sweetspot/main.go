// Command sweetspot finds the settings at which a model server does the most
// work without breaking its latency promise.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"sweetspot/engine/monitor"
)

// The exit codes of FORMATS section 5.
const (
	exitYes        = 0
	exitError      = 1
	exitNo         = 2
	exitCannotTell = 3
)

// version is the tool's, as profiles and exports record it.
const version = "0.1.0"

func main() {
	os.Exit(run(os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// app is what every command has at hand. Nothing else reads the environment or
// the standard streams.
type app struct {
	self   string // this executable, for the engine child
	env    environment
	in     io.Reader
	out    io.Writer // results
	err    io.Writer // progress, hints, errors
	signal *signals
	limits func() monitor.Container // of the cores and the memory; asked once

	targets []targetKind // that a sweep can drive, the default first
	verbose bool         // log what only helps to find faults
}

// exitError ends the program with a code, after its text was printed.
type exit struct{ code int }

func (e exit) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// run is the program. more are targets beside those that it has.
func run(args, env []string, in io.Reader, out, errw io.Writer, more ...targetKind) int {
	self, err := os.Executable()
	if err != nil {
		self = args[0]
	}
	ctx, sig := watchSignals()
	defer sig.stop()
	a := &app{
		self: self, env: parseEnviron(env), in: in, out: out, err: errw, signal: sig, limits: sync.OnceValue(monitor.Limits),
		targets: append(targetKinds(), more...),
	}
	root := a.root()
	root.SetArgs(args[1:])
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	return a.code(root.ExecuteContext(ctx))
}

// code turns how a command ended into the exit code, and prints its error.
func (a *app) code(err error) int {
	var quit exit
	switch {
	case errors.As(err, &quit):
		return quit.code
	case a.signal.code() != 0 && (err == nil || errors.Is(err, context.Canceled)):
		return a.signal.code()
	case err == nil:
		return exitYes
	}
	a.complain(err)
	return exitError
}

// complain prints an error as one line, and its hint, if it has one, as another.
func (a *app) complain(err error) {
	fmt.Fprintf(a.err, "sweetspot: %v\n", err)
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		fmt.Fprintf(a.err, "hint: %s\n", h.Hint())
	}
}

// hinted is an error with a line that says what to type instead.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

func withHint(hint, format string, args ...any) error {
	return hinted{fmt.Errorf(format, args...), hint}
}

// signals remembers which signal asked the program to end. The first one
// cancels the context, and work drains; the second ends the program at once.
type signals struct {
	ch   chan os.Signal
	done chan struct{}
	got  chan os.Signal // capacity 1: the first
}

func watchSignals() (context.Context, *signals) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &signals{ch: make(chan os.Signal, 2), done: make(chan struct{}), got: make(chan os.Signal, 1)}
	signal.Notify(s.ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for n := 0; ; n++ {
			select {
			case sig := <-s.ch:
				if n > 0 {
					os.Exit(signalCode(sig))
				}
				select {
				case s.got <- sig:
				default: // a key was first
				}
				cancel(fmt.Errorf("%w by %v", context.Canceled, sig))
			case <-s.done:
				cancel(nil)
				return
			}
		}
	}()
	return ctx, s
}

func (s *signals) stop() {
	signal.Stop(s.ch)
	close(s.done)
}

// interrupted notes a Ctrl-C that came as a key: a terminal in raw mode sends no
// signal.
func (s *signals) interrupted() {
	select {
	case s.got <- os.Interrupt:
	default:
	}
}

// code is 130, 143 or 129 after Ctrl-C, TERM or HUP, else 0.
func (s *signals) code() int {
	select {
	case sig := <-s.got:
		s.got <- sig
		return signalCode(sig)
	default:
		return 0
	}
}

func signalCode(sig os.Signal) int {
	if n, ok := sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return exitError
}

// root is the command without a subcommand: the workbench, or with --sweep the
// same work without a screen.
func (a *app) root() *cobra.Command {
	var o runFlags
	c := &cobra.Command{
		Use:   "sweetspot [MODEL]",
		Short: "find the settings with the most throughput within a latency promise",
		Long: `sweetspot serves a model in a local, TorchServe-compatible engine, turns workers,
batch size, batch delay and FP16 while traffic flows, searches for the settings
with the most throughput within a latency promise, and writes the
config.properties.

MODEL is a .onnx file, a folder with one, builtin:mlp-wide, builtin:resnet18, or
a device on paper: sim:animated-drawings.
Without MODEL it is builtin:mlp-wide. Without --sla its promise comes from a probe
of this machine: batch size 1 breaks it, 8 keeps it.`,
		Example: `  sweetspot model.onnx                                the workbench
  sweetspot model.onnx --sweep --sla 100ms            search without a screen
  sweetspot --sweep=plan.yaml --out results           what plan.yaml says
  sweetspot model.onnx --sweep --dry-run              what it would try
  sweetspot serve model.onnx                          only serve it`,
		Args:          cobra.MaximumNArgs(1),
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		RunE: func(c *cobra.Command, args []string) error {
			return a.workOrSweep(c.Context(), c.Flags(), args, &o)
		},
	}
	c.SetVersionTemplate("sweetspot {{.Version}}\n")
	o.bind(c.Flags(), a.targets)
	a.bindVerbose(c.Flags())
	c.AddCommand(a.engineCommand(), a.keeperCommand(), a.serveCommand(), a.profilesCommand(), a.exportCommand(), a.reportCommand(), a.doctorCommand(), a.versionCommand())
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return withHint("see: sweetspot --help", "%w", err)
	})
	return c
}
