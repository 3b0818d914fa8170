package local

import (
	"context"
	"fmt"

	"sweetspot/engine/knob"
)

// The memory of a trial is the child's highest memory since its start. A child never returns
// memory: ONNX Runtime's arena does not shrink, during a reload there are two pools of workers,
// and the FP16 copy of the model stays. The figure is therefore valid for a setting only if the
// child has not run settings that need more.

// memoryKey returns the settings without the knobs that do not influence memory.
func memoryKey(s knob.Settings) knob.Settings {
	s.BatchDelay, s.QueueSize = 0, 0
	return s
}

// noteInForce notes that the child has these settings in force. The lock is held.
func (t *Target) noteInForce(s knob.Settings) {
	t.lastSettings, t.info.Current = s, s
	t.ranSettings[memoryKey(s)] = true
}

// ensureOwnMemory replaces the child by a new one if it had other settings in force than the
// present ones. The lock is held.
func (t *Target) ensureOwnMemory(ctx context.Context) error {
	if len(t.ranSettings) == 1 && t.ranSettings[memoryKey(t.lastSettings)] {
		return nil
	}
	t.stopMonitor()
	t.client.close()
	t.child.stop()
	if err := t.startChild(ctx); err != nil {
		return fmt.Errorf("start another engine, to measure the memory of this setting alone: %w", err)
	}
	return nil
}

// ranLarger reports whether the child had settings in force that may need more memory than the
// present ones. The lock is held.
func (t *Target) ranLarger() bool {
	now := t.lastSettings
	for s := range t.ranSettings {
		same := s.Precision == now.Precision && s.Device == now.Device && s.Threads == now.Threads && s.Own == now.Own
		if !same || s.Workers > now.Workers || s.BatchSize > now.BatchSize {
			return true
		}
	}
	return false
}
