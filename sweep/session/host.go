package session

import "sweetspot/sweep/trial"

// Host is the use of the machine by others than the engine and this program.
type Host struct {
	Cores  int       // of the machine; 0 is unknown
	Others trial.Num // percent of all cores, by other processes
	Steal  trial.Num // percent, by the hypervisor
	Load   trial.Num // load average of the last minute
}

// The limits of a host that is not busy; those of the blocks of a trial.
const (
	busyOthers = 10 // percent
	busySteal  = 2  // percent
)

// Busy reports whether others use so much of the machine that latencies may be due to them.
func (h Host) Busy() bool { return h.Others.Or(0) > busyOthers || h.Steal.Or(0) > busySteal }

// HostReporter is a Target that knows the use of its machine by others.
type HostReporter interface {
	Host() Host
}

// host returns the use of the target's machine. The lock is held.
func (s *Session) host() Host {
	if r, ok := s.target.(HostReporter); ok {
		return r.Host()
	}
	return Host{}
}
