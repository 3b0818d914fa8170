package engine

// QueueLength is how many rows are in the queue, those included whose callers left.
func QueueLength(s *Served) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.n
}
