package sweep

import "sweetspot/sweep/trial"

// Host is the use of the machine by others than the server and this program, now.
type Host struct {
	Cores  int       // of the machine; 0 is unknown
	Others trial.Num // percent of all cores, by other processes
	Steal  trial.Num // percent of all cores, by the hypervisor
	Load   trial.Num // load average of the last minute
}

// Busy reports whether others use so much of the machine that latencies may be due to them. The limits
// are those of the blocks of a trial.
func (h Host) Busy() bool { return h.Others.Or(0) > 100*maxForeign || h.Steal.Or(0) > 100*maxSteal }

// HostReporter is a Target that knows the use of its machine by others.
type HostReporter interface {
	Host() Host
}
