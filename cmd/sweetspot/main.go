// Command sweetspot finds the settings with which a model server has the highest
// throughput without breaking a latency promise.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
)

// The exit codes.
const (
	exitYes        = 0
	exitError      = 1
	exitNo         = 2
	exitCannotTell = 3
)

// version is the version of the program, which profiles and exports record.
const version = "0.1.0"

func main() {
	os.Exit(run(os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// app has what all commands use. Only it has the environment and the standard streams.
type app struct {
	self   string // path of this executable, for child processes
	env    environment
	in     io.Reader
	out    io.Writer // results
	err    io.Writer // progress, hints, errors
	signal *signals
	limits func() monitor.Container // cores and memory of the container; read once

	targets []targetKind    // the kinds of targets
	verbose bool            // log what only helps to find faults
	gpus    onnx.GPUs       // that ONNX Runtime may use
	given   []knob.Name     // knobs of which the command line has a value
	gpuNote string          // which device a model runs on for which none is given, and why; "" if that is clear
	blind   bool            // the GPUs are not sampled
	python  string          // interpreter of --python; "" is not given
	remote  remoteFlags     // of targets that are running servers
	secrets *secretWords    // that err, JSON and profiles do not have
	allowed map[string]bool // targets elsewhere that the user has allowed
}

// exit ends the program with a code. Its command has printed all messages.
type exit struct{ code int }

func (e exit) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// run is the program. more are additional kinds of targets.
func run(args, env []string, in io.Reader, out, errw io.Writer, more ...targetKind) int {
	self, err := os.Executable()
	if err != nil {
		self = args[0]
	}
	ctx, sig := watchSignals()
	defer sig.stop()
	a := &app{
		self: self, env: parseEnviron(env), in: in, out: out, signal: sig, limits: sync.OnceValue(monitor.Limits),
		targets: append(targetKinds(), more...), secrets: new(secretWords),
	}
	a.err = hiding{errw, a.secrets}
	root := a.root()
	root.SetArgs(args[1:])
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(a.err)
	c, err := root.ExecuteContextC(ctx)
	return a.code(c, args[1:], err)
}

// code returns the exit code for the error of a command, and prints the error.
func (a *app) code(c *cobra.Command, args []string, err error) int {
	var quit exit
	switch {
	case errors.As(err, &quit):
		return quit.code
	case a.signal.code() != 0 && (err == nil || errors.Is(err, context.Canceled) || terminalGone(err)):
		return a.signal.code()
	case err == nil:
		return exitYes
	}
	a.printError(err)
	a.printFailure(c, args, err)
	return exitError
}

// terminalGone reports whether an error is that of a write to a terminal that has gone, of which the signal HUP has
// told before.
func terminalGone(err error) bool {
	e, ok := errors.AsType[*fs.PathError](err)
	return ok && (e.Path == os.Stdout.Name() || e.Path == os.Stderr.Name()) && errors.Is(e.Err, syscall.EIO)
}

// printError prints an error as one line, and its hint, if it has one, as another.
func (a *app) printError(err error) {
	fmt.Fprintf(a.err, "sweetspot: %v\n", err)
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		fmt.Fprintf(a.err, "hint: %s\n", h.Hint())
	}
}

// hinted is an error with a hint that says what to type instead.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

func withHint(hint, format string, args ...any) error {
	return hinted{fmt.Errorf(format, args...), hint}
}

// signals has the first signal that ended the program. It cancels the context, so that
// commands end in order. A second signal ends the program at once.
type signals struct {
	ch   chan os.Signal
	done chan struct{}
	got  chan os.Signal // capacity 1: the first
}

func watchSignals() (context.Context, *signals) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ignoreFileLimit()
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
				default: // Ctrl-C was a key before
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

// interrupted records Ctrl-C as a key: a terminal in raw mode sends no signal for it.
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

// root is the command without a subcommand: the workbench, or with --sweep a sweep without a
// screen.
func (a *app) root() *cobra.Command {
	var o runFlags
	c := &cobra.Command{
		Use:   "sweetspot [MODEL]",
		Short: "find the settings with the highest throughput within a latency promise",
		Long: `sweetspot serves a model in a local, TorchServe-compatible engine, changes workers,
batch size, batch delay and FP16 under load, searches for the settings with the
highest throughput within a latency promise, and writes config.properties.

MODEL is a .onnx file, a folder or a .mar archive with one, a .mar archive with a handler in Python,
builtin:mlp-wide, builtin:resnet18, or a simulated device: sim:animated-drawings.
The default is builtin:mlp-wide. Without --sla its promise is from a probe of this
machine: batch size 1 breaks it, 8 keeps it.`,
		Example: `  sweetspot model.onnx                                the workbench
  sweetspot model.onnx --sweep --sla 100ms            search without a screen
  sweetspot --sweep=plan.yaml --out results           the sweep of plan.yaml
  sweetspot model.onnx --sweep --hold 1h              then keep the choice under load for an hour
  sweetspot --sweep=plan.yaml --shard 2/4 --out part-2   the second of four parts of a grid, each on a machine of its own
  sweetspot model.onnx --sweep --dry-run              only print what would be tried
  sweetspot model.mar --target torchserve --input x.json   on a real TorchServe
  sweetspot resnet --target oip+http://127.0.0.1:8000 --sweep --question capacity   the highest load of a Triton, MLServer ...
  sweetspot serve model.onnx                          only serve it`,
		Args:          cobra.MaximumNArgs(1),
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		RunE: func(c *cobra.Command, args []string) error {
			return a.workbenchOrSweep(c.Context(), c.Flags(), args, &o)
		},
	}
	c.SetVersionTemplate("sweetspot {{.Version}}\n")
	o.bind(c.Flags(), a.targets)
	completeSweep(c)
	a.remote.bind(c.Flags())
	a.bindVerbose(c.Flags())
	a.bindPython(c.Flags())
	c.Flags().BoolVar(&a.blind, "no-gpu-sampling", false, "do not read the use of the GPU, to measure what reading it costs")
	c.AddCommand(a.engineCommand(), a.probeCommand(), a.probeModel(), a.restorerCommand(), a.superviseCommand(), a.serveCommand(), a.profilesCommand(), a.restoreCommand(), a.exportCommand(), a.reportCommand(), a.checkCommand(), a.archiveCommand(), a.doctorCommand(), a.versionCommand(), a.manCommand(), a.schemaCommand())
	explainArgs(c)
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return withHint("see: sweetspot --help", "%w", err)
	})
	return c
}

// explainArgs makes a wrong number of arguments an error that says what to write, in a command and those below it.
func explainArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if check(c, args) == nil {
				return nil
			}
			return withHint("see: "+c.CommandPath()+" --help", "wrong number of arguments (%d): write %s", len(args), c.UseLine())
		}
	}
	for _, sub := range c.Commands() {
		explainArgs(sub)
	}
}
