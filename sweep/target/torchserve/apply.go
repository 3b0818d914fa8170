package torchserve

import (
	"context"
	"fmt"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
)

// Apply applies s to all servers. After an error the settings before it are restored.
func (t *Target) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	begin := time.Now()
	err := t.gate.Change(func() error {
		if err := t.revive(ctx); err != nil {
			return err
		}
		return t.apply(ctx, s)
	})
	if err != nil {
		return sweep.Applied{}, err
	}
	return sweep.Applied{Settings: s, Took: time.Since(begin)}, nil
}

// apply is Apply while no load runs.
func (t *Target) apply(ctx context.Context, s knob.Settings) error {
	if err := s.Validate(t.limits()); err != nil {
		return err
	}
	before := t.servers.now()
	if s == before.settings() && before.MinWorkers == before.MaxWorkers {
		return nil
	}
	if why := t.servers.fixed(); why != "" && !before.with(s).sameBatches(before) {
		return fmt.Errorf("batch_size, batch_delay_ms: %s", why)
	}
	return t.servers.change(ctx, func(d description) description { return d.with(s) })
}
