package engine

// QueueLength is how many rows are in the queue, abandoned ones included.
func QueueLength(s *ModelService) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.n
}
