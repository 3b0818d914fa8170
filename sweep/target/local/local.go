// Package local is the target for an engine of this program: a child process on this machine, with
// load over the loopback interface.
//
// [Start] starts the child. A child that has died is started again with the last settings, and the
// call that noticed it returns an error that wraps sweep.ErrEngineDied and has the last lines of
// the child's stderr. Live may run concurrently with Apply, Info, Operators and Use. Otherwise only
// one goroutine may use a Target at a time.
package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"sync"
	"time"

	"sweetspot/engine/api/control"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Config says how the child is started and which requests it gets.
type Config struct {
	// Command is the program and its arguments, without the flags of the settings.
	Command []string
	Env     []string
	Log     io.Writer // gets the child's stderr; nil for no log
	Start   knob.Config
	Options []knob.Name // options that are changed like knobs, see knob.OptionKnobs
	// Bodies are those of requests; nil: random ones for the model's inputs. Command tells the child
	// where they are, so that it measures the model alone with them.
	Bodies  []load.Body
	Seed    uint64                          // of random bodies
	GPU     func(device string) monitor.GPU // opens the GPUs that a device names, for the monitor; nil for none
	Timeout time.Duration                   // of requests; 0 is the timeout of the SLA, and 30 s for live load
	// CallLimit is how long the child may take for one call of its control API, which may load the model. A child that takes
	// longer is killed, and counts as died. 0 is 10 minutes.
	CallLimit time.Duration
	// Notes are what people should know about the start settings; they are only reported.
	Notes []string
	// MaxRequestSize is what the command tells the child to take, in bytes; 0 if nothing. It
	// is only reported.
	MaxRequestSize int64
}

// Target is a running child.
type Target struct {
	cfg Config

	mu           sync.Mutex // guards everything below
	child        *child
	client       *client
	info         sweep.Info
	baseConfig   load.Config            // common part of all runs
	bodies       *sweep.BodyLengths     // lengths of the bodies of baseConfig
	bodiesSum    string                 // SHA-256 of those of Config, hex
	lastSettings knob.Settings          // last settings in force
	ranSettings  map[knob.Settings]bool // by memoryKey: all settings that this child had in force
	closed       bool
	monitor      *runningMonitor
	bareRates    []trial.Bare                   // measured bare rates
	simulated    bool                           // answers say nothing about the model
	singles      map[singlesKey]map[int]single  // answers to single requests
	agreements   map[string]trial.FP16Agreement // of FP16 with FP32, by device

	host hostWatch // has its own lock
}

// Start starts the child, waits until it serves, reads its description and sends the first
// requests.
func Start(ctx context.Context, c Config) (*Target, error) {
	t := &Target{cfg: c, lastSettings: c.Start.Settings, bodiesSum: sumOf(c.Bodies)}
	if err := t.startChild(ctx); err != nil {
		return nil, err
	}
	if err := t.tryBodies(ctx); err != nil {
		return nil, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

// startChild starts a child with the last settings. The lock is held, or no other goroutine has the
// target yet.
func (t *Target) startChild(ctx context.Context) error {
	options, err := t.cfg.Start.With(t.lastSettings.Own)
	if err != nil {
		return err
	}
	argv := append(slices.Clone(t.cfg.Command), flags(t.lastSettings, options)...)
	c, err := startChild(ctx, argv, t.cfg.Env, t.cfg.Log)
	if err != nil {
		return err
	}
	cl := newClient(c.addresses.Management, c.token, cmp.Or(t.cfg.CallLimit, callLimit))
	info, err := cl.info(ctx)
	if err != nil {
		c.stop()
		return err
	}
	if in, asked := info.Models[0].Options, options; in != asked {
		c.stop()
		return fmt.Errorf("options: asked for %s, the engine runs with %s", asked.Describe(), in.Describe())
	}
	t.child, t.client, t.simulated = c, cl, info.Models[0].Simulated
	if t.baseConfig, err = t.loadConfig(info.Models[0]); err != nil {
		c.stop()
		return err
	}
	t.bodies = bodyLengths(info.Models[0], t.baseConfig.Bodies)
	t.info = t.infoOf(info)
	t.ranSettings = map[knob.Settings]bool{}
	t.noteInForce(t.info.Current)
	t.startMonitor()
	return nil
}

// loadConfig returns the common part of all runs with the present child.
func (t *Target) loadConfig(m control.Model) (load.Config, error) {
	all := t.cfg.Bodies
	if all == nil && len(m.Inputs) == 0 {
		return load.Config{}, fmt.Errorf("model %s takes bytes, which cannot be generated: provide request bodies with --input FILE", m.Name)
	}
	if all == nil {
		var err error
		if all, err = bodies(m, t.cfg.Seed); err != nil {
			return load.Config{}, err
		}
	}
	at := url.URL{Scheme: "http", Host: t.child.addresses.Inference, Path: "/predictions/" + m.Name}
	return load.Endpoint{
		URL:    at.String(),
		Header: [][2]string{{"Authorization", "Bearer " + t.child.token}, {"Accept", "application/octet-stream, application/json"}},
		Bodies: all,
	}.Config(load.Spec{})
}

// flags returns settings and options as command-line flags.
func flags(s knob.Settings, o knob.Options) []string {
	out := []string{"--rule=" + o.Rule.String()}
	for _, k := range knob.All() {
		out = append(out, "--"+k.Flag+"="+s.Get(k.Name))
	}
	for _, name := range knob.OptionNames() {
		if v := o.Option(name); v != "" {
			out = append(out, "--option="+name+"="+v)
		}
	}
	return out
}

// Info returns the description of the child and the settings in force. It first restarts a dead
// child.
func (t *Target) Info(ctx context.Context) (sweep.Info, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.restartIfDead(ctx); err != nil && t.child.hasEnded() {
		return sweep.Info{}, err
	}
	info, err := t.client.info(ctx)
	if err != nil {
		return sweep.Info{}, err
	}
	t.info = t.infoOf(info)
	return t.info, nil
}

// restartIfDead starts a dead child again. It returns nil if the child is alive, otherwise the
// error of its death, joined with the error of the restart. The lock is held.
func (t *Target) restartIfDead(ctx context.Context) error {
	if t.closed {
		return errors.New("the engine is closed")
	}
	if !t.child.hasEnded() {
		return nil
	}
	death := fmt.Errorf("%w: %w", sweep.ErrEngineDied, t.child.deathError())
	t.stopMonitor()
	t.client.close()
	if err := t.startChild(ctx); err != nil {
		return errors.Join(death, fmt.Errorf("and it does not start again: %w", err))
	}
	return death
}

// Apply applies s. It first restarts a dead child, and notes that in the result.
func (t *Target) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	t.mu.Lock()
	died := t.restartIfDead(ctx)
	if died != nil && t.child.hasEnded() {
		t.mu.Unlock()
		return sweep.Applied{}, died
	}
	cl, name := t.client, t.info.Model.Name
	t.mu.Unlock()
	done, err := cl.apply(ctx, name, s)
	done.Died = died
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		return done, t.cause(ctx, err)
	}
	device := t.lastSettings.Device
	t.noteInForce(done.Settings)
	if t.cfg.GPU != nil && t.lastSettings.Device != device {
		t.stopMonitor() // it watches the GPUs of the device before
		t.startMonitor()
	}
	if len(t.cfg.Options) > 0 {
		options := t.optionsInForce()
		done.Options = &options
	}
	return done, nil
}

// optionsInForce returns the options with which the child runs now. The lock is held.
func (t *Target) optionsInForce() knob.Options {
	o, err := t.cfg.Start.With(t.lastSettings.Own)
	if err != nil {
		return t.cfg.Start.Options // cannot happen: the child has accepted the values
	}
	return o
}

// cause returns the error of the child's death if the child has died, and otherwise err. A
// connection breaks a moment before the end of the process is known. A child that did not answer is killed, because
// its model or its process hangs, and would do so for ever. The lock is held.
func (t *Target) cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if isSilent(err) {
		t.child.kill(fmt.Sprintf("it did not answer within %v and was killed", cmp.Or(t.cfg.CallLimit, callLimit)))
	}
	select {
	case <-t.child.done:
		return t.restartIfDead(ctx)
	case <-time.After(300 * time.Millisecond):
		return err
	}
}

// Kill kills the child, which a user has found to hang. The next call, or the live load, starts another.
func (t *Target) Kill(why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.child.kill(why)
	}
}

// runConfig returns a run of l. The lock is held.
func (t *Target) runConfig(l load.Spec) load.Config {
	c := t.baseConfig
	c.Spec, c.Timeout = l, t.cfg.Timeout
	return c
}

// trialConfig returns the run of one measurement. The lock is held.
func (t *Target) trialConfig(m sweep.Measurement) load.Config {
	c := t.runConfig(m.Load)
	c.Seed, c.Max, c.Limit = m.Seed, m.Max, m.Time
	if c.Timeout == 0 {
		c.Timeout = m.SLA.RequestTimeout()
	}
	return c
}

// Measure runs the load until m.Stop returns true, and summarizes it.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	m = sweep.WholeLoad(m)
	bare, err := t.bareRate(ctx)
	if err != nil {
		return trial.Result{}, err
	}
	alone, err := t.compareAlone(ctx)
	if err != nil {
		return trial.Result{}, err
	}
	t.mu.Lock()
	if err := t.restartIfDead(ctx); err != nil {
		t.mu.Unlock()
		return trial.Result{}, err
	}
	if m.FreshServer {
		if err := t.ensureOwnMemory(ctx); err != nil {
			t.mu.Unlock()
			return trial.Result{}, err
		}
	}
	c, child := t.trialConfig(m), t.child
	if len(alone.singles) > 0 {
		c.Keep = ofTrials.chosen(len(c.Bodies), t.cfg.Seed)
	}
	window, shapes := t.monitor.Begin(), t.watchLengths(ctx)
	t.mu.Unlock()
	why, disturbances := "", newDisturbanceRecorder(child.addresses.PID)
	c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
		disturbances.block(elapsed)
		stop, reason := m.Stop(sweep.CutDisturbed(elapsed, samples, disturbances.blocks))
		if m.Progress != nil {
			m.Progress(elapsed, samples)
		}
		if stop {
			why = reason
		}
		return stop || child.hasEnded()
	}
	r, err := load.Run(ctx, c)
	used, disturbed := window.End(), disturbances.finish()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || child.hasEnded() {
		return trial.Result{}, t.cause(ctx, errors.Join(err, ctx.Err()))
	}
	out := sweep.Summarize(r, m.Load, m.SLA, why, disturbed...)
	out.Warnings = append(out.Warnings, sweep.LoadWarnings(m.Load)...)
	out.P99Corrected = sweep.CorrectedP99(out, r, m.Load, knob.Config{Settings: t.lastSettings, Options: t.optionsInForce()}, disturbed...)
	out.Warnings = append(out.Warnings, gpuWarnings(used)...)
	out.Use, out.Use.RSSIsBound = useOf(used, r), t.ranLarger()
	addEnergy(&out, window, r)
	shapes.end(ctx, t, &out)
	out.BareRPS = t.plausibleRate(bare, out.Throughput)
	alone.addTo(&out, r.Kept, t.info.Model.Outputs)
	return out, nil
}

// Close stops the child and its monitor.
func (t *Target) Close(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	t.child.stop()
	t.stopMonitor()
	t.client.close()
	return nil
}
