// Package local is the target that sweeps drive most: an engine of our own as a
// child process on this machine, loaded over loopback.
//
// [Start] spawns it. A child that dies is started again with the last good
// settings, and the call that noticed returns an error that wraps
// sweep.ErrEngineDied and tells the child's last words. Live may run beside
// Apply, Info, Operators and Use; otherwise one goroutine uses a Target at a time.
package local

import (
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

// Config is how the child is started and loaded.
type Config struct {
	// Command is the program and its arguments without the settings, which
	// follow as the flags of package knob.
	Command []string
	Env     []string
	Log     io.Writer // the child's stderr; nil drops all but its last lines
	Start   knob.Config
	Bodies  []load.Body        // nil: made from the model's inputs
	Seed    uint64             // of the bodies
	GPU     func() monitor.GPU // opens the GPU to watch; nil is none
	Timeout time.Duration      // a request's limit; 0 is the promise's, and 30 s for live load
	// MaxRequestSize is what the command tells the child to take, in bytes; 0 if nothing. It
	// is only reported.
	MaxRequestSize int64
}

// Target is a running child.
type Target struct {
	cfg Config

	mu     sync.Mutex // guards everything below
	child  *child
	client *client
	info   sweep.Info
	base   load.Config            // of a run against this child
	bodies *sweep.BodyLengths     // of base
	good   knob.Settings          // the last settings that were in force
	held   map[knob.Settings]bool // by memoryKey: what was in force in this child
	closed bool
	watch  *watch
	bare   []trial.Bare // what was measured, one for settings alike
}

// watch is the monitor of the current child.
type watch struct {
	*monitor.Monitor
	cancel context.CancelFunc
	done   chan struct{}
}

// Start spawns the child, waits until it serves, and asks what it is.
func Start(ctx context.Context, c Config) (*Target, error) {
	t := &Target{cfg: c, good: c.Start.Settings}
	if err := t.spawn(ctx); err != nil {
		return nil, err
	}
	if err := t.try(ctx); err != nil {
		return nil, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

// spawn starts a child with the last good settings. The lock is held, or the
// target is not shared yet.
func (t *Target) spawn(ctx context.Context) error {
	argv := append(slices.Clone(t.cfg.Command), flags(t.good, t.cfg.Start.Options)...)
	c, err := spawn(ctx, argv, t.cfg.Env, t.cfg.Log)
	if err != nil {
		return err
	}
	cl := newClient(c.hello.Management, c.token)
	info, err := cl.info(ctx)
	if err != nil {
		c.stop()
		return err
	}
	if in, asked := info.Models[0].Options, t.cfg.Start.Options; in != asked {
		c.stop()
		return fmt.Errorf("options: asked for %s, the engine runs with %s", asked.Words(), in.Words())
	}
	t.child, t.client = c, cl
	if t.base, err = t.endpoint(info.Models[0]); err != nil {
		c.stop()
		return err
	}
	t.bodies = bodyLengths(info.Models[0], t.base.Bodies)
	t.info = t.describe(info)
	t.held = map[knob.Settings]bool{}
	t.noteInForce(t.info.Current)
	t.startWatch()
	return nil
}

// endpoint is a run against the current child.
func (t *Target) endpoint(m control.Model) (load.Config, error) {
	all := t.cfg.Bodies
	if all == nil && len(m.Inputs) == 0 {
		return load.Config{}, fmt.Errorf("model %s takes bytes, which cannot be made up: give request bodies, --input FILE", m.Name)
	}
	if all == nil {
		var err error
		if all, err = bodies(m, t.cfg.Seed); err != nil {
			return load.Config{}, err
		}
	}
	at := url.URL{Scheme: "http", Host: t.child.hello.Inference, Path: "/predictions/" + m.Name}
	return load.Endpoint{
		URL:    at.String(),
		Header: [][2]string{{"Authorization", "Bearer " + t.child.token}, {"Accept", "application/octet-stream, application/json"}},
		Bodies: all,
	}.Config(load.Spec{})
}

// flags are settings and options as command-line flags.
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

// describe is the engine's answer in the sweep's words.
func (t *Target) describe(in control.Info) sweep.Info {
	m := in.Models[0]
	info := sweep.Info{
		Model: sweep.ModelInfo{
			Name: m.Name, Version: m.Version, Source: m.Source, SHA256: m.SHA256,
			BatchAxis: m.BatchAxis, BatchWhy: m.BatchWhy, Inputs: m.Inputs, Outputs: m.Outputs, Images: m.Images,
			Warnings: m.Warnings, Padding: m.Padding, Lengths: lengthsText(m), Bodies: t.bodies,
		},
		Limits: m.Limits.Knob(), Options: m.Options, Current: m.Settings,
		Tells: trial.TellsAll(), Cores: in.Cores, Memory: in.MemoryMB, Runtime: in.Runtime, Fixed: in.Fixed,
	}
	info.Model.MaxRequestSize = t.cfg.MaxRequestSize
	for _, b := range t.base.Bodies {
		info.Model.LargestBody = max(info.Model.LargestBody, int64(len(b.Data)))
	}
	return info
}

func (t *Target) startWatch() {
	ctx, cancel := context.WithCancel(context.Background())
	o := monitor.Options{PID: t.child.hello.PID}
	if t.cfg.GPU != nil {
		o.GPU = t.cfg.GPU()
	}
	w := &watch{
		Monitor: monitor.New(o),
		cancel:  cancel, done: make(chan struct{}),
	}
	t.watch = w
	go func() {
		defer close(w.done)
		_ = w.Run(ctx) // a driver that hangs has been waited for long enough
	}()
}

func (t *Target) stopWatch() {
	if t.watch != nil {
		t.watch.cancel()
		<-t.watch.done
		t.watch = nil
	}
}

// Info asks the child what it is and what is in force. A dead child is started
// again first.
func (t *Target) Info(ctx context.Context) (sweep.Info, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.alive(ctx); err != nil && t.child.dead() {
		return sweep.Info{}, err
	}
	info, err := t.client.info(ctx)
	if err != nil {
		return sweep.Info{}, err
	}
	t.info = t.describe(info)
	return t.info, nil
}

// alive starts a dead child again. Its error is the old one's death, or why
// there is no new one. The lock is held.
func (t *Target) alive(ctx context.Context) error {
	if t.closed {
		return errors.New("the engine is closed")
	}
	if !t.child.dead() {
		return nil
	}
	death := fmt.Errorf("%w: %w", sweep.ErrEngineDied, t.child.death())
	t.stopWatch()
	t.client.close()
	if err := t.spawn(ctx); err != nil {
		return errors.Join(death, fmt.Errorf("and it does not start again: %w", err))
	}
	return death
}

// Apply puts s in force. A child that died since the last call is started again
// first, and the result says so.
func (t *Target) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	t.mu.Lock()
	died := t.alive(ctx)
	if died != nil && t.child.dead() {
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
		return done, t.blame(ctx, err)
	}
	t.noteInForce(done.Settings)
	return done, nil
}

// blame returns the child's death instead of err if that is the cause. The
// connection breaks a moment before the process is reaped. The lock is held.
func (t *Target) blame(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	select {
	case <-t.child.done:
		return t.alive(ctx)
	case <-time.After(300 * time.Millisecond):
		return err
	}
}

// config is a run against the current child. The lock is held.
func (t *Target) config(l load.Spec) load.Config {
	c := t.base
	c.Spec, c.Timeout = l, t.cfg.Timeout
	return c
}

// trialConfig is the run of one measurement. The lock is held.
func (t *Target) trialConfig(m sweep.Measurement) load.Config {
	c := t.config(m.Load)
	c.Seed, c.Max, c.Limit = m.Seed, m.Max, m.Time
	if c.Timeout == 0 {
		c.Timeout = m.SLA.RequestTimeout()
	}
	return c
}

// Measure runs the load until m.Stop says so, and summarizes it.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	m = sweep.Whole(m)
	bare, err := t.bareRate(ctx)
	if err != nil {
		return trial.Result{}, err
	}
	t.mu.Lock()
	if err := t.alive(ctx); err != nil {
		t.mu.Unlock()
		return trial.Result{}, err
	}
	if m.OwnMemory {
		if err := t.ownMemory(ctx); err != nil {
			t.mu.Unlock()
			return trial.Result{}, err
		}
	}
	c, child := t.trialConfig(m), t.child
	window, shapes := t.watch.Begin(), t.watchLengths(ctx)
	t.mu.Unlock()
	why, others := "", watchNoise(child.hello.PID)
	c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
		others.note(elapsed)
		stop, reason := m.Stop(sweep.Clean(elapsed, samples, others.blocks))
		if m.Progress != nil {
			m.Progress(elapsed, samples)
		}
		if stop {
			why = reason
		}
		return stop || child.dead()
	}
	r, err := load.Run(ctx, c)
	use, disturbed := useOf(window.End(), r), others.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || child.dead() {
		return trial.Result{}, t.blame(ctx, errors.Join(err, ctx.Err()))
	}
	out := sweep.Summarize(r, m.Load, m.SLA, why, disturbed...)
	out.Warnings = append(out.Warnings, sweep.Remarks(m.Load)...)
	out.P99Corrected = sweep.Corrected(out, r, m.Load, knob.Config{Settings: t.good, Options: t.info.Options}, disturbed...)
	out.Use, out.Use.RSSUpTo = use, t.heldMore()
	addEnergy(&out, window, r)
	shapes.end(ctx, t, &out)
	out.BareRPS = t.believed(bare, out.Throughput)
	return out, nil
}

// Live load is sent in stretches, so that its samples do not pile up: as long as
// stretch, or shorter where that would be more requests than stretchRequests. What
// has an end is sent to it and begun again, unless it is more than wholeRequests.
const (
	stretch         = 5 * time.Minute
	stretchRequests = 200_000
	wholeRequests   = 2_000_000
)

// bounds are how long a stretch of l takes at most, and how many requests.
func bounds(l load.Spec) (time.Duration, int) {
	switch l.Mode {
	case load.Open:
		return min(stretch, time.Duration(stretchRequests/l.Rate*float64(time.Second))), stretchRequests
	case load.Trace, load.Ramp:
		return load.TraceLongest + 1, wholeRequests
	}
	return stretch, stretchRequests
}

// Live sends l until ctx ends and hands fresh samples on.
func (t *Target) Live(ctx context.Context, l load.Spec, fresh func([]load.Sample)) error {
	for n := uint64(0); ; n++ {
		t.mu.Lock()
		if err := t.alive(ctx); err != nil {
			t.mu.Unlock()
			return err
		}
		c, child := t.config(l), t.child
		t.mu.Unlock()
		seen := 0
		limit, most := bounds(l)
		c.Seed, c.Limit, c.Block = t.cfg.Seed+n, limit, 100*time.Millisecond
		c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
			fresh(samples[seen:])
			seen = len(samples)
			return child.dead() || seen > most
		}
		_, err := load.Run(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if err := t.ended(ctx, child, err); err != nil {
			return err
		}
	}
}

// ended is why a stretch of live load that nobody stopped has ended; nil if it
// was only over.
func (t *Target) ended(ctx context.Context, c *child, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.dead() && t.child == c {
		return t.alive(ctx)
	}
	return err
}

// Close ends the child and frees what the target holds.
func (t *Target) Close(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	t.child.stop()
	t.stopWatch()
	t.client.close()
	return nil
}
