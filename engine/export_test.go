package engine

// QueueLength is how many rows are in the queue, abandoned ones included.
func QueueLength(s *ModelService) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.n
}

// FireEarly does what a timer does that fires before its time, once.
func FireEarly(s *ModelService) {
	s.mu.Lock()
	s.batchTimer.timer.Stop()
	s.mu.Unlock()
	s.onTimer()
}
