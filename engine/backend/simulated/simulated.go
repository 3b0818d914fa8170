// Package simulated is a backend without a model: a batch takes, in real time, the time
// that a service-time table has for it. With it the engine, a sweep and the screens can run
// for devices that this machine does not have, such as the GPU of a published study.
//
// [Model] makes an engine.Model of a table, and a [Backend] opens it. Each worker has its
// own session. Workers slow each other as the table says: a batch takes the time for the
// number of open sessions. Outputs are copies of the inputs. A batch sleeps and uses no
// core; on Linux the sleep ends 10-50 us late.
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

// Name is the name of this backend in Model.Backend.
const Name = "simulated"

// Width is the number of floats of an item.
const Width = 4

// Model returns a model with the service times of the table: one input x and one output y
// of 4 numbers. source is the MODEL of the user, such as sim:animated-drawings.
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

// places returns the devices and precisions of a table.
func places(t *servicetime.Table) []knob.Place {
	var out []knob.Place
	for _, k := range t.Kinds() {
		p := knob.Place{Device: k.Device, Workers: k.Workers}
		if err := p.Precision.UnmarshalText([]byte(k.Precision)); err != nil {
			panic("simulated: " + err.Error()) // tables have only valid precisions
		}
		out = append(out, p)
	}
	return out
}

// Backend opens models made by Model. The zero value is ready for use; do not copy it
// after first use.
type Backend struct {
	mu      sync.Mutex // guards devices
	devices map[deviceKey]*device
}

// deviceKey identifies a device: the workers with the same key slow each other.
type deviceKey struct{ sha256, device, precision string }

// Runtime returns the name of the runtime, for machine lines.
func (*Backend) Runtime() string { return "simulated" }

// Simulates reports that outputs say nothing about a model.
func (*Backend) Simulates() bool { return true }

// Fixed returns the knobs that have no effect here, each with the reason.
func Fixed() map[knob.Name]string {
	return map[knob.Name]string{knob.Threads: "a service-time table has no threads"}
}

// Open opens a session with the times of the settings in c. It fails if the table has no
// times for them.
func (b *Backend) Open(_ context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	t, err := servicetime.Parse(bytes.NewReader(m.Bytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	if err := c.CheckSupported(); err != nil {
		return nil, fmt.Errorf("%w: a service-time table has no options", err)
	}
	k := deviceKey{m.SHA256, c.Device, c.Precision.String()}
	if _, err := t.Curve(k.curveKey(c.Workers)); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.devices[k]
	if d == nil {
		d = &device{deviceKey: k, table: t}
		if b.devices == nil {
			b.devices = map[deviceKey]*device{}
		}
		b.devices[k] = d
	}
	d.addSessions(1)
	return &session{device: d, rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}, nil
}

// curveKey is the key of the device's curve with that number of workers.
func (k deviceKey) curveKey(workers int) servicetime.Key {
	return servicetime.Key{Workers: workers, Device: k.device, Precision: k.precision}
}

// device counts its open sessions. When the engine adds or removes a worker, the batches
// of all workers become slower or faster.
type device struct {
	deviceKey
	table *servicetime.Table

	mu      sync.Mutex // guards all below
	open    int        // sessions
	current servicetime.Curve
}

// addSessions adds n sessions, which may be negative. While one pool of workers replaces
// another, there may be more sessions than the table has times for.
func (d *device) addSessions(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open += n
	for workers := d.open; workers > 0; workers-- {
		if c, err := d.table.Curve(d.curveKey(workers)); err == nil {
			d.current = c
			return
		}
	}
}

// currentCurve returns the curve for the number of open sessions.
func (d *device) currentCurve() servicetime.Curve {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

// session is the session of one worker.
type session struct {
	device *device
	rng    *rand.Rand // for the spread of times
}

// Run sleeps for the time of the batch and copies the items. It returns early with the
// context's cause.
func (s *session) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	start := time.Now()
	if len(in) == 0 || len(in) != len(out) {
		return errors.New("simulated: want as many results as items, and at least one")
	}
	if err := sleep(ctx, start.Add(s.batchTime(len(in)))); err != nil {
		return err
	}
	for i := range in {
		item := in[i].Item
		out[i] = payload.Result{Outputs: cloneItem(item)}
	}
	return nil
}

// batchTime draws a random time for a batch of n.
func (s *session) batchTime(n int) time.Duration {
	curve := s.device.currentCurve()
	t := curve.At(n)
	if sigma := curve.Sigma(n); sigma > 0 {
		t = time.Duration(float64(t) * math.Exp(sigma*s.rng.NormFloat64()))
	}
	return t
}

// cloneItem copies an item, because outputs belong to the receiver and inputs do not.
func cloneItem(item tensor.Item) tensor.Item {
	out := make(tensor.Item, len(item))
	for i, t := range item {
		out[i] = tensor.Tensor{Type: t.Type, Shape: slices.Clone(t.Shape), Data: bytes.Clone(t.Data)}
	}
	return out
}

// Shared returns false: each worker has its own session.
func (*session) Shared() bool { return false }

// Close removes the session from its device.
func (s *session) Close() error {
	s.device.addSessions(-1)
	return nil
}
