package session

import "sweetspot/sweep/plan"

// divide returns the points that are measured, all or those of the shard, and sets the control of
// the shard.
func (w *Sweeper) divide(all []plan.Point) ([]plan.Point, error) {
	if w.Shard.IsWhole() || len(all) == 0 {
		return all, nil
	}
	if err := w.Plan.CheckShards(); err != nil {
		return nil, err
	}
	part, err := w.Plan.Divide(all, w.Shard)
	if err != nil {
		return nil, err
	}
	w.control = &part.Control
	w.set(func(s *Sweep) { s.Part = &part })
	return part.Points, nil
}
