package local

import (
	"context"
	"fmt"

	"sweetspot/engine/knob"
)

// The memory of a trial is the child's high-water mark since its start. A child
// keeps what it once needed: ONNX Runtime's arena never shrinks, a second pool of
// workers stood beside the first during a reload, the FP16 twin stays. So the figure
// belongs to a setting only while the child has run nothing that takes more.

// memoryKey is the part of settings that memory depends on.
func memoryKey(s knob.Settings) knob.Settings {
	s.BatchDelay, s.QueueSize = 0, 0
	return s
}

// noteInForce notes settings that came into force in the child. The lock is held.
func (t *Target) noteInForce(s knob.Settings) {
	t.good, t.info.Current = s, s
	t.held[memoryKey(s)] = true
}

// ownMemory makes sure that the child has run no other settings than those in
// force: if it has, a fresh one takes its place. The lock is held.
func (t *Target) ownMemory(ctx context.Context) error {
	if len(t.held) == 1 && t.held[memoryKey(t.good)] {
		return nil
	}
	t.stopWatch()
	t.client.close()
	t.child.stop()
	if err := t.spawn(ctx); err != nil {
		return fmt.Errorf("start an engine whose memory is this setting's own: %w", err)
	}
	return nil
}

// heldMore tells whether the child has run settings that may have taken more
// memory than those in force. The lock is held.
func (t *Target) heldMore() bool {
	now := t.good
	for s := range t.held {
		same := s.Precision == now.Precision && s.Device == now.Device && s.Threads == now.Threads
		if !same || s.Workers > now.Workers || s.BatchSize > now.BatchSize {
			return true
		}
	}
	return false
}
