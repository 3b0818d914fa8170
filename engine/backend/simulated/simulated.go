// Package simulated is a backend without a model: it takes as long for a batch
// as a service-time table says, in real time, behind the real engine. It shows
// the engine, a sweep and the screen with devices that are not there, such as
// the GPU of a published study.
//
// [Model] makes an engine.Model of a table, and a [Backend] opens it. Each
// worker is a session of its own, and what workers cost each other is in the
// table: a batch takes the time for as many workers as have sessions. Outputs echo inputs. A batch sleeps, and keeps no core busy: the
// thread is the worker's until the batch is done, and on Linux ends its sleep to
// some 10-50 us.
//
// Sessions are safe for one Run at a time, as the engine uses them.
package simulated

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/servicetime"
	"sweetspot/engine/tensor"
)

// Name is what Model.Backend calls this backend.
const Name = "simulated"

// Width is how many numbers an item holds.
const Width = 4

// Model is a model that runs by the table: one input x and one output y of 4
// numbers. source is what the user named, such as sim:animated-drawings.
func Model(name, source string, t *servicetime.Table) *engine.Model {
	text := t.Encode()
	sum := sha256.Sum256(text)
	spec := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Float32, Shape: []int64{Width}}}
	}
	return &engine.Model{
		Name: name, Version: "1.0", Source: source, SHA256: hex.EncodeToString(sum[:]), Backend: Name,
		Inputs: spec("x"), Outputs: spec("y"),
		BatchAxis: true, BatchWhy: "a service-time table has batches", Bytes: text, Places: places(t),
	}
}

// places are the devices and precisions that a table has times for.
func places(t *servicetime.Table) []knob.Place {
	var out []knob.Place
	for _, k := range t.Kinds() {
		p := knob.Place{Device: k.Device, Workers: k.Workers}
		if err := p.Precision.UnmarshalText([]byte(k.Precision)); err != nil {
			panic("simulated: " + err.Error()) // a table has no other
		}
		out = append(out, p)
	}
	return out
}

// Backend opens models made by Model. The zero value is ready; do not copy it
// once it is used.
type Backend struct {
	mu      sync.Mutex // guards devices
	devices map[place]*device
}

// place is what the workers of a device share.
type place struct{ sha256, device, precision string }

// Runtime says what executes, for machine lines.
func (*Backend) Runtime() string { return "simulated" }

// Fixed names the knobs that have no meaning here, each with the reason.
func Fixed() map[knob.Name]string {
	return map[knob.Name]string{knob.Threads: "a service-time table has no threads"}
}

// Open gives a session that takes the times of the settings in c. It is an
// error that says what there is if the table has none for them.
func (b *Backend) Open(_ context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	t, err := servicetime.Parse(bytes.NewReader(m.Bytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	if err := c.Only(); err != nil {
		return nil, fmt.Errorf("%w: a service-time table has no options", err)
	}
	p := place{m.SHA256, c.Device, c.Precision.String()}
	if _, err := t.Curve(p.key(c.Workers)); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.devices[p]
	if d == nil {
		d = &device{place: p, table: t}
		if b.devices == nil {
			b.devices = map[place]*device{}
		}
		b.devices[p] = d
	}
	d.join(1)
	return &session{device: d, rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}, nil
}

func (p place) key(workers int) servicetime.Key {
	return servicetime.Key{Workers: workers, Device: p.device, Precision: p.precision}
}

// device knows how many workers there are on it: the engine adds and removes
// some while others go on, and all of them are slower then, or faster.
type device struct {
	place
	table *servicetime.Table

	mu    sync.Mutex // guards all below
	open  int        // sessions
	curve servicetime.Curve
}

// join adds n sessions, or takes some away. While one pool of workers replaces
// another there may be more than the table has times for.
func (d *device) join(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open += n
	for workers := d.open; workers > 0; workers-- {
		if c, err := d.table.Curve(d.key(workers)); err == nil {
			d.curve = c
			return
		}
	}
}

// now is the curve of the workers there are.
func (d *device) now() servicetime.Curve {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.curve
}

// session is one worker's.
type session struct {
	device *device
	rng    *rand.Rand // of the spread; every worker draws its own
}

// Run sleeps as long as the batch takes and echoes the items. It ends early with
// the context's cause.
func (s *session) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	start := time.Now()
	if len(in) == 0 || len(in) != len(out) {
		return errors.New("simulated: want as many results as items, and at least one")
	}
	if err := sleep(ctx, start.Add(s.took(len(in)))); err != nil {
		return err
	}
	for i := range in {
		item := in[i].Item
		out[i] = payload.Result{Outputs: echo(item)}
	}
	return nil
}

// took draws how long a batch of n takes.
func (s *session) took(n int) time.Duration {
	curve := s.device.now()
	t := curve.At(n)
	if sigma := curve.Sigma(n); sigma > 0 {
		t = time.Duration(float64(t) * math.Exp(sigma*s.rng.NormFloat64()))
	}
	return t
}

// echo copies an item: outputs are the receiver's, inputs are not.
func echo(item tensor.Item) tensor.Item {
	out := make(tensor.Item, len(item))
	for i, t := range item {
		out[i] = tensor.Tensor{Type: t.Type, Shape: slices.Clone(t.Shape), Data: bytes.Clone(t.Data)}
	}
	return out
}

// Shared is false: a worker sleeps for itself.
func (*session) Shared() bool { return false }

// Close takes the worker off its device.
func (s *session) Close() error {
	s.device.join(-1)
	return nil
}
