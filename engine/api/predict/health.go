package predict

// Healthy reports whether the default version of every model has as many workers as it must
// have.
func (s *Predictor) Healthy() bool {
	for _, v := range s.engine.Services() {
		if m := v.Model(); m.Version == s.engine.Default(m.Name) && !v.Healthy() {
			return false
		}
	}
	return true
}

// Waiting returns how many of all versions cannot answer requests now. Unlike Healthy it counts
// a version without workers.
func (s *Predictor) Waiting() (waiting, all int) {
	versions := s.engine.Services()
	for _, v := range versions {
		if !v.CanAnswer() {
			waiting++
		}
	}
	return waiting, len(versions)
}
