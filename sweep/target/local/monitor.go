package local

import (
	"context"

	"sweetspot/engine/monitor"
)

// runningMonitor is the monitor of the present child.
type runningMonitor struct {
	*monitor.Monitor
	cancel context.CancelFunc
	done   chan struct{}
}

func (t *Target) startMonitor() {
	ctx, cancel := context.WithCancel(context.Background())
	o := monitor.Options{PID: t.child.addresses.PID, Tree: true} // workers in Python are its children
	if t.cfg.GPU != nil {
		o.GPU = t.cfg.GPU(t.lastSettings.Device)
	}
	w := &runningMonitor{
		Monitor: monitor.New(o),
		cancel:  cancel, done: make(chan struct{}),
	}
	t.monitor = w
	go func() {
		defer close(w.done)
		_ = w.Run(ctx) // an error only means that a call of the GPU's driver did not return
	}()
}

func (t *Target) stopMonitor() {
	if t.monitor != nil {
		t.monitor.cancel()
		<-t.monitor.done
		t.monitor = nil
	}
}
