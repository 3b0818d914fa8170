package server

import "sweetspot/engine/api/wire"

// Answers returns the counts of all answers so far, of all listeners. Programs see them as metrics.
func (s *Server) Answers() []wire.Count { return s.counts.Snapshot() }
