package session

import "sweetspot/sweep"

// host returns the use of the target's machine. The lock is held.
func (s *Session) host() sweep.Host {
	if r, ok := s.target.(sweep.HostReporter); ok {
		return r.Host()
	}
	return sweep.Host{}
}
