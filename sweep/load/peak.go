package load

import "time"

// PeakRate returns the highest planned rate of a load in requests per second: of a trace the most requests in a second of
// it, whose file it reads; 0 for a closed load, which has no plan.
func PeakRate(s Spec) (float64, error) {
	switch s.Mode {
	case Open:
		return s.Rate, nil
	case Ramp:
		return max(s.From, s.To), nil
	case Trace:
		plan, err := ReadTrace(s)
		return float64(mostWithin(plan, time.Second)), err
	}
	return 0, nil
}

// mostWithin returns the largest number of send times within a time of this length. The plan is ascending.
func mostWithin(plan []time.Duration, length time.Duration) int {
	most, first := 0, 0
	for i, at := range plan {
		for plan[first] <= at-length {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
