package trial

// CPUPerRequest returns the processor time of the server for one answered request, in ms. It is
// missing if the use of the processor or the throughput was not measured.
func (r Result) CPUPerRequest() Num {
	percent, ok := r.Use.CPUPercent.Get()
	rate, measured := r.Throughput.Value.Get()
	if !ok || !measured || rate <= 0 {
		return Num{}
	}
	return NumOf(1000 * percent / 100 / rate)
}
