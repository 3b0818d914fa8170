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

// How many requests a prediction simulates.
const (
	simulated     = 5000  // of a closed load, or of a plan of arrivals
	perClient     = 40    // at least, of a closed load
	simulatedRate = 5000  // of each rate tried for the highest
	roughly       = 1000  // of each rate, to compare groups
	estimated     = 30000 // of each rate, for a point that was tested: the luck of the arrivals is to fall out

	// Of a trace all, since what matters may come last; so many take some 100 MB.
	simulatedTrace = 1_000_000
)

// forecast is what the simulator says of a point.
type forecast struct {
	rate  float64 // requests/s; of question capacity the highest that keeps the promise
	value float64 // ms, the promise's percentile
	errs  float64 // share of requests refused
	late  bool    // answers do not keep up with the load: no promise is kept, however loose
	doubt float64 // of log(rate), for times that were not measured but taken from others
}

// model predicts points from probes.
type model struct {
	plan  plan.Plan
	times map[group][]servicetime.Row // by batch, of the groups that were probed
	// lengths says how times depend on the lengths of requests, of the groups that were probed
	// with requests of different lengths: of each that of its largest batch.
	lengths map[group]lengthTimes
	groups  []group // of times, in order
	sim     *predict.Sim
	traces  map[string][]time.Duration // by file
}

// newModel keeps the times of the probes that succeeded; nil without any.
func newModel(p plan.Plan, traces map[string][]time.Duration, probes []trial.Probe) *model {
	m := &model{plan: p, times: map[group][]servicetime.Row{}, lengths: map[group]lengthTimes{}, traces: traces}
	usual := usualScatter(probes)
	for _, p := range probes {
		ms, ok := p.Service.Median.Get()
		if !ok || p.Error != "" || ms <= 0 {
			continue
		}
		g := groupOf(p.Settings)
		r := servicetime.Row{
			Key:   servicetime.Key{Workers: g.workers, Device: "cpu", Precision: "fp32"}, // a table of its own
			Batch: p.BatchSize, Median: time.Duration(ms * 1e6), Spread: scatter(p).Or(usual),
		}
		rows := slices.DeleteFunc(m.times[g], func(o servicetime.Row) bool { return o.Batch == r.Batch }) // the last one counts
		m.times[g] = append(rows, r)
		m.keepLengths(g, p)
	}
	for g, rows := range m.times {
		slices.SortFunc(rows, func(a, b servicetime.Row) int { return a.Batch - b.Batch })
		m.times[g] = fromOne(rows)
		m.groups = append(m.groups, g)
	}
	if len(m.groups) == 0 {
		return nil
	}
	slices.SortFunc(m.groups, group.compare)
	return m
}

// scatter is the spread of a probe's times; not measured for a few runs. Profiles
// from before it was recorded have the interval of the median, which it follows from.
func scatter(p trial.Probe) trial.Num {
	const most = .3
	if spread, ok := p.Service.Spread.Get(); ok {
		return trial.Of(min(spread, most))
	}
	median, ok0 := p.Service.Median.Get()
	low, ok1 := p.Service.Low.Get()
	high, ok2 := p.Service.High.Get()
	if !ok0 || !ok1 || !ok2 || median <= 0 {
		return trial.Num{}
	}
	half := (high - low) / 2 / median
	return trial.Of(min(half/(1.96*1.2533)*math.Sqrt(float64(p.Runs)), most))
}

// usualScatter is that of the probe in the middle, for those with few runs.
func usualScatter(probes []trial.Probe) float64 {
	const unknown = .05
	var all []float64
	for _, p := range probes {
		if v, ok := scatter(p).Get(); ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return unknown
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// fromOne gives times a batch of 1 if it has none: on the line through the first
// two, but not below half an even share.
func fromOne(rows []servicetime.Row) []servicetime.Row {
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

// Doubts, as standard deviations of log(rate), of times taken from elsewhere.
const (
	doubtBatch   = .03 // per doubling away from a batch that was timed
	doubtWorkers = .08 // those of more workers
	doubtFamily  = .3  // those of another precision, device or number of threads
)

// curve is s(b) of a group, and the doubt about it. One that was not probed
// takes the next larger number of workers of its family, or the nearest family:
// nothing is scaled.
func (m *model) curve(g group) (servicetime.Curve, float64) {
	from, doubt := g, 0.0
	if _, ok := m.times[g]; !ok {
		from, doubt = m.stand(g)
	}
	t, err := servicetime.New(m.times[from])
	if err != nil {
		panic("search: " + err.Error()) // probes are checked where they are kept
	}
	c, err := t.Curve(t.Rows()[0].Key)
	if err != nil {
		panic("search: " + err.Error())
	}
	return c, doubt
}

// stand is the group whose times g takes.
func (m *model) stand(g group) (group, float64) {
	var fewer *group
	for i, o := range m.groups {
		if o.family() != g.family() {
			continue
		}
		if o.workers >= g.workers {
			return o, doubtWorkers
		}
		fewer = &m.groups[i]
	}
	if fewer != nil {
		return *fewer, doubtFamily
	}
	far := func(o group) int {
		n := 0
		if o.device != g.device {
			n += 1000
		}
		if o.precision != g.precision {
			n += 500
		}
		return n + abs(o.threads-g.threads) + abs(o.workers-g.workers)
	}
	return slices.MinFunc(m.groups, func(a, b group) int { return far(a) - far(b) }), doubtFamily
}

// between is how many doublings a batch is from the nearest that was timed.
func (m *model) between(g group, batch int) float64 {
	if _, ok := m.times[g]; !ok {
		g, _ = m.stand(g)
	}
	nearest := math.Inf(1)
	for _, r := range m.times[g] {
		nearest = min(nearest, math.Abs(math.Log2(float64(r.Batch)/float64(batch))))
	}
	return nearest
}

// forecast simulates one point. requests is how many of each rate are simulated
// where the highest is looked for.
func (m *model) forecast(p plan.Point, requests int) forecast {
	g := groupOf(p.Settings)
	c, doubt := m.curve(g)
	f := m.simulate(p, c, requests)
	f.doubt = math.Hypot(doubt, doubtBatch*m.between(g, p.Settings.BatchSize))
	return f
}

// config is the simulated server of a point.
func (m *model) config(p plan.Point, c servicetime.Curve) predict.Config {
	return predict.Config{
		Settings: p.Settings, Rule: m.plan.Options.Rule, Service: c, Lengths: m.lengthsOf(groupOf(p.Settings)), Seed: m.plan.Seed,
		Detail: m.plan.SLA.Latency == trial.Model,
	}
}

func (m *model) promise() predict.Promise {
	return predict.Promise{
		Q: m.plan.SLA.Percentile / 100, Limit: m.plan.SLA.Limit,
		Model: m.plan.SLA.Latency == trial.Model, Errors: m.plan.SLA.MaxErrorRate,
	}
}

func (m *model) simulate(p plan.Point, curve servicetime.Curve, requests int) forecast {
	c := m.config(p, curve)
	m.ready(c)
	if m.plan.Question == plan.Capacity {
		rate := predict.MaxRate(m.sim, c, p.Load.Arrivals, max(requests, int(2/(1-m.promise().Q))), m.promise())
		return forecast{rate: rate, value: float64(m.plan.SLA.Limit) / 1e6}
	}
	switch p.Load.Mode {
	case load.Closed:
		c.Clients = p.Load.Concurrency
		c.Requests = max(m.requests(), perClient*c.Clients)
		c.Warm = 3 * curve.At(p.Settings.BatchSize)
	case load.Trace:
		c.Plan = m.traces[p.Load.File]
	default:
		c.Plan = load.Plan(p.Load, m.plan.Seed, time.Hour, m.requests())
	}
	m.sim.Reset(c)
	m.sim.Run()
	f := m.figures(c)
	f.late = p.Load.Mode == load.Open && !predict.KeepsUp(c, p.Load.Rate)
	return f
}

// requests is how many show the promise's percentile.
func (m *model) requests() int {
	return max(simulated, int(math.Ceil(2/(1-m.promise().Q))))
}

func (m *model) ready(c predict.Config) {
	if m.sim == nil {
		m.sim = predict.New(c)
	}
}

// figures are those of the run that m.sim has ended.
func (m *model) figures(c predict.Config) forecast {
	answered := float64(len(m.sim.Latencies()))
	if c.Detail {
		answered = 0
		for _, s := range m.sim.Samples() {
			if s.Outcome == load.OK {
				answered++
			}
		}
	}
	f := forecast{value: m.promise().Value(m.sim)}
	if sent := m.sim.Sent(); sent > 0 {
		f.errs = float64(m.sim.Refused()) / float64(sent)
	}
	if t := m.sim.Now() - c.Warm; t > 0 {
		f.rate = answered / t.Seconds()
	}
	return f
}

// readTraces reads the send times of the files that points replay, each to the
// end or to the most that is simulated. cut says so of those.
func readTraces(points []plan.Point, most int) (times map[string][]time.Duration, cut []string, err error) {
	times = map[string][]time.Duration{}
	for _, p := range points {
		if _, known := times[p.Load.File]; known || p.Load.Mode != load.Trace {
			continue
		}
		all, err := load.ReadTrace(p.Load)
		if err != nil {
			return nil, nil, err
		}
		if len(all) > most {
			cut = append(cut, fmt.Sprintf("predictions see the first %d of the %d requests of trace %s; trials replay all", most, len(all), p.Load.File))
			all = all[:most]
		}
		times[p.Load.File] = all
	}
	return times, cut, nil
}

func abs(n int) int { return max(n, -n) }
