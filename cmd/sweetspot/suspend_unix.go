//go:build unix

package main

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// suspender makes SIGTSTP from another process do what the key does: the load is held and the terminal
// restored before the process stops.
type suspender struct {
	requested chan struct{} // the screen shall suspend
	stopping  atomic.Bool   // the screen has restored the terminal, and the next signal stops the process
	signals   chan os.Signal
	done      chan struct{}
}

func startSuspender() *suspender {
	s := &suspender{requested: make(chan struct{}, 1), signals: make(chan os.Signal, 1), done: make(chan struct{})}
	signal.Notify(s.signals, syscall.SIGTSTP)
	go s.watch()
	return s
}

func (s *suspender) watch() {
	for {
		select {
		case <-s.signals:
			if s.stopping.Swap(false) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // cannot fail for the process itself
				continue
			}
			select {
			case s.requested <- struct{}{}:
			default: // requested already
			}
		case <-s.done:
			return
		}
	}
}

// willStop is called before the screen sends itself SIGTSTP.
func (s *suspender) willStop() { s.stopping.Store(true) }

func (s *suspender) stop() {
	signal.Stop(s.signals)
	close(s.done)
}
