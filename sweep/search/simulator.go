package search

import (
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// Numbers of simulated requests.
const (
	minSimulated       = 5000  // of a closed load or planned arrivals, at least
	simulatedPerClient = 40    // of a closed load, at least
	simulatedPerRate   = 5000  // of each rate in the search for the highest
	simulatedToCompare = 1000  // of each rate, to compare groups
	simulatedIfTested  = 30000 // of each rate, for a tested point: many, so that the result depends little on the random arrivals

	// Limit for a trace. Others are simulated to the end, because the end may matter most. 1e6
	// requests need about 100 MB.
	simulatedTrace = 1_000_000
)

// forecast is the prediction for a point.
type forecast struct {
	rate        float64 // requests/s; for question capacity the highest rate that keeps the promise
	value       float64 // percentile in ms
	refused     float64 // share of refused requests
	overloaded  bool    // the setting does not keep up with the arrivals, so that it keeps no promise
	uncertainty float64 // standard deviation of log(rate), because of service times that were not measured for these settings
}

// simulator predicts points from the service times of probes.
type simulator struct {
	plan         plan.Plan
	serviceTimes map[group][]servicetime.Row // by batch size, for the groups with probes
	groups       []group                     // the keys of serviceTimes, sorted
	// lengths says how the times depend on the lengths of requests, for the groups whose probes
	// had requests of different lengths.
	lengths map[group]lengthTimes
	run     *predict.Sim
	traces  map[string][]time.Duration // by file
}

// newSimulator returns a simulator with the times of the probes that succeeded; nil if there are
// none.
func newSimulator(p plan.Plan, traces map[string][]time.Duration, probes []trial.Probe) *simulator {
	sim := &simulator{plan: p, serviceTimes: map[group][]servicetime.Row{}, lengths: map[group]lengthTimes{}, traces: traces}
	defaultSpread := medianSpread(probes)
	for _, p := range probes {
		ms, ok := p.ServiceTime.Median.Get()
		if !ok || p.Error != "" || ms <= 0 {
			continue
		}
		g := groupOf(p.Settings)
		r := servicetime.Row{
			Key:   servicetime.Key{Workers: g.workers, Device: "cpu", Precision: "fp32"}, // each group has its own table, so that the other values do not matter
			Batch: p.BatchSize, Median: time.Duration(ms * 1e6), Spread: spreadOf(p).Or(defaultSpread),
		}
		rows := slices.DeleteFunc(sim.serviceTimes[g], func(o servicetime.Row) bool { return o.Batch == r.Batch }) // the last probe is used
		sim.serviceTimes[g] = append(rows, r)
		sim.addLengths(g, p)
	}
	for g, rows := range sim.serviceTimes {
		slices.SortFunc(rows, func(a, b servicetime.Row) int { return a.Batch - b.Batch })
		sim.serviceTimes[g] = addBatchOfOne(rows)
		sim.groups = append(sim.groups, g)
	}
	if len(sim.groups) == 0 {
		return nil
	}
	slices.SortFunc(sim.groups, group.compare)
	return sim
}

// spreadOf returns the spread of a probe's times; it is not measured if the probe has few runs.
// Older profiles have no spread: there it is computed from the interval of the median.
func spreadOf(p trial.Probe) trial.Num {
	if spread, ok := p.ServiceTime.Spread.Get(); ok {
		return trial.NumOf(min(spread, maxSpread))
	}
	median, ok0 := p.ServiceTime.Median.Get()
	low, ok1 := p.ServiceTime.Low.Get()
	high, ok2 := p.ServiceTime.High.Get()
	if !ok0 || !ok1 || !ok2 || median <= 0 {
		return trial.Num{}
	}
	half := (high - low) / 2 / median
	return trial.NumOf(min(half/(1.96*1.2533)*math.Sqrt(float64(p.Runs)), maxSpread))
}

// medianSpread returns the median spread of the probes, for those without a spread.
func medianSpread(probes []trial.Probe) float64 {
	const unknown = .05
	var all []float64
	for _, p := range probes {
		if v, ok := spreadOf(p).Get(); ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return unknown
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// addBatchOfOne adds s(1) if it was not measured: extrapolated from the two smallest sizes, but at
// least half of the smallest size's time per request.
func addBatchOfOne(rows []servicetime.Row) []servicetime.Row {
	first := rows[0]
	if first.Batch == 1 {
		return rows
	}
	one := first
	one.Batch = 1
	if len(rows) > 1 {
		slope := float64(rows[1].Median-first.Median) / float64(rows[1].Batch-first.Batch)
		least := float64(first.Median) / float64(first.Batch) / 2
		one.Median = time.Duration(max(float64(first.Median)-slope*float64(first.Batch-1), least))
	}
	return slices.Insert(rows, 0, one)
}

// Standard deviations of log(rate) if service times of other settings are used.
const (
	sdBatch        = .03 // per doubling of the batch size, from the nearest measured one
	sdMoreWorkers  = .08 // times of more workers
	sdOtherSession = .3  // times of fewer workers, or of another precision, device or number of threads
)

// curve returns s(b) of a group and its uncertainty. A group without probes gets the unchanged
// times of a substitute.
func (sim *simulator) curve(g group) (servicetime.Curve, float64) {
	from, uncertainty := g, 0.0
	if _, ok := sim.serviceTimes[g]; !ok {
		from, uncertainty = sim.substitute(g)
	}
	t, err := servicetime.New(sim.serviceTimes[from])
	if err != nil {
		panic("search: " + err.Error()) // cannot happen: newSimulator has checked the probes
	}
	c, err := t.Curve(t.Rows()[0].Key)
	if err != nil {
		panic("search: " + err.Error()) // cannot happen: the key is in the table
	}
	return c, uncertainty
}

// substitute returns the group whose times are used for g: the same kind of session with the next
// larger number of workers, otherwise the most similar group.
func (sim *simulator) substitute(g group) (group, float64) {
	var fewer *group
	for i, o := range sim.groups {
		if o.sessionKind() != g.sessionKind() {
			continue
		}
		if o.workers >= g.workers {
			return o, sdMoreWorkers
		}
		fewer = &sim.groups[i]
	}
	if fewer != nil {
		return *fewer, sdOtherSession
	}
	distance := func(o group) int {
		n := 0
		if o.device != g.device {
			n += 1000
		}
		if o.precision != g.precision {
			n += 500
		}
		return n + abs(o.threads-g.threads) + abs(o.workers-g.workers)
	}
	return slices.MinFunc(sim.groups, func(a, b group) int { return distance(a) - distance(b) }), sdOtherSession
}

// batchDistance returns the number of doublings between a batch size and the nearest measured one.
func (sim *simulator) batchDistance(g group, batch int) float64 {
	if _, ok := sim.serviceTimes[g]; !ok {
		g, _ = sim.substitute(g)
	}
	nearest := math.Inf(1)
	for _, r := range sim.serviceTimes[g] {
		nearest = min(nearest, math.Abs(math.Log2(float64(r.Batch)/float64(batch))))
	}
	return nearest
}

// forecast simulates one point. requests is the number of simulated requests of each rate in the
// search for the highest.
func (sim *simulator) forecast(p plan.Point, requests int) forecast {
	g := groupOf(p.Settings)
	c, uncertainty := sim.curve(g)
	f := sim.simulate(p, c, requests)
	f.uncertainty = math.Hypot(uncertainty, sdBatch*sim.batchDistance(g, p.Settings.BatchSize))
	return f
}

// simConfig returns the simulated server of a point.
func (sim *simulator) simConfig(p plan.Point, c servicetime.Curve) predict.Config {
	return predict.Config{
		Settings: p.Settings, Rule: sim.plan.Options.Rule, Service: c, Lengths: sim.lengthsOf(groupOf(p.Settings)), Seed: sim.plan.Seed,
		Detail: sim.plan.SLA.Latency == trial.ModelLatency,
	}
}

// promise returns the percentile and the limits of the plan's SLA.
func (sim *simulator) promise() predict.Promise {
	return predict.Promise{
		Q: sim.plan.SLA.Percentile / 100, Limit: sim.plan.SLA.Limit,
		Model: sim.plan.SLA.Latency == trial.ModelLatency, Errors: sim.plan.SLA.MaxErrorRate,
	}
}

// simulate predicts a point with the service times of curve.
func (sim *simulator) simulate(p plan.Point, curve servicetime.Curve, requests int) forecast {
	c := sim.simConfig(p, curve)
	sim.prepare(c)
	if sim.plan.Question.SeeksRate() {
		rate := predict.MaxRate(sim.run, c, p.Load.Arrivals, max(requests, int(2/(1-sim.promise().Q))), sim.promise())
		return forecast{rate: rate, value: float64(sim.plan.SLA.Limit) / 1e6}
	}
	switch p.Load.Mode {
	case load.Closed:
		c.Clients = p.Load.Concurrency
		c.Requests = max(sim.requestsNeeded(), simulatedPerClient*c.Clients)
		c.Warm = 3 * curve.At(p.Settings.BatchSize)
	case load.Trace:
		c.Plan = sim.traces[p.Load.File]
	default:
		c.Plan = load.Plan(p.Load, sim.plan.Seed, time.Hour, sim.requestsNeeded())
	}
	sim.run.Reset(c)
	sim.run.Run()
	f := sim.results(c)
	f.overloaded = p.Load.Mode == load.Open && !predict.KeepsUp(c, p.Load.Rate)
	return f
}

// requestsNeeded returns the number of requests that the promise's percentile needs.
func (sim *simulator) requestsNeeded() int {
	return max(minSimulated, int(math.Ceil(2/(1-sim.promise().Q))))
}

// prepare makes the predict.Sim before the first simulation.
func (sim *simulator) prepare(c predict.Config) {
	if sim.run == nil {
		sim.run = predict.New(c)
	}
}

// results returns the figures of the last simulation.
func (sim *simulator) results(c predict.Config) forecast {
	answered := float64(len(sim.run.Latencies()))
	if c.Detail {
		answered = 0
		for _, s := range sim.run.Samples() {
			if s.Outcome == load.OK {
				answered++
			}
		}
	}
	f := forecast{value: sim.promise().Value(sim.run)}
	if sent := sim.run.Sent(); sent > 0 {
		f.refused = float64(sim.run.Refused()) / float64(sent)
	}
	if t := sim.run.Now() - c.Warm; t > 0 {
		f.rate = answered / t.Seconds()
	}
	return f
}

// readTraces reads the send times of the trace files of the points, at most this number of each.
// truncations lists in words the traces with more.
func readTraces(points []plan.Point, maxRequests int) (times map[string][]time.Duration, truncations []string, err error) {
	times = map[string][]time.Duration{}
	for _, p := range points {
		if _, done := times[p.Load.File]; done || p.Load.Mode != load.Trace {
			continue
		}
		all, err := load.ReadTrace(p.Load)
		if err != nil {
			return nil, nil, err
		}
		if len(all) > maxRequests {
			truncations = append(truncations, fmt.Sprintf("predictions use the first %d of the %d requests of trace %s; trials replay all", maxRequests, len(all), p.Load.File))
			all = all[:maxRequests]
		}
		times[p.Load.File] = all
	}
	return times, truncations, nil
}

func abs(n int) int { return max(n, -n) }
