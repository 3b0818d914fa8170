package report

import (
	"cmp"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// The units of metrics, which are also the ends of their names.
const (
	unitSeconds = "seconds"
	unitBytes   = "bytes"
	unitRatio   = "ratio"
	unitRate    = "requests_per_second"
	unitWatts   = "watts"
	unitJoules  = "joules"
	unitCores   = "cores"
)

// OpenMetrics writes profiles in the text format of OpenMetrics 1.0: gauges of the profile, of its
// choice and of each trial, in base units, without timestamps. A figure that was not measured has no
// sample. The samples of a profile have the label profile, those of a trial also the label trial;
// the settings of the trial are labels of sweetspot_trial_info, so that they are joined by both.
//
// Without timestamps the text can also be pushed to a Pushgateway, or read by the textfile collector
// of the node exporter: both refuse timestamps.
func OpenMetrics(w io.Writer, ps []*profiles.Profile) error {
	m := &metricSet{families: map[string]*dto.MetricFamily{}}
	for _, p := range sortedProfiles(ps) {
		m.profile(p)
	}
	for _, name := range m.order {
		if _, err := expfmt.MetricFamilyToOpenMetrics(w, m.families[name]); err != nil {
			return err
		}
	}
	_, err := expfmt.FinalizeOpenMetrics(w)
	return err
}

// metricSet has metric families in the order of their first samples. The samples of a family must be
// together in the text.
type metricSet struct {
	families map[string]*dto.MetricFamily
	order    []string
}

// labels are the labels of a sample.
type labels map[string]string

// with returns the labels and one more.
func (l labels) with(name, value string) labels {
	out := maps.Clone(l)
	out[name] = value
	return out
}

// add adds a sample of a gauge. unit is the end of its name; "" if it has none. A number that is
// missing adds nothing.
func (m *metricSet) add(name, unit, help string, l labels, value trial.Num) {
	v, ok := value.Get()
	if !ok {
		return
	}
	name = "sweetspot_" + name
	if unit != "" {
		name += "_" + unit
	}
	f := m.families[name]
	if f == nil {
		kind := dto.MetricType_GAUGE
		f = &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
		if unit != "" {
			f.Unit = &unit
		}
		m.families[name], m.order = f, append(m.order, name)
	}
	sample := &dto.Metric{Gauge: &dto.Gauge{Value: &v}}
	for _, n := range slices.Sorted(maps.Keys(l)) {
		value := l[n]
		sample.Label = append(sample.Label, &dto.LabelPair{Name: &n, Value: &value})
	}
	f.Metric = append(f.Metric, sample)
}

// flag adds a sample that is 1 or 0.
func (m *metricSet) flag(name, help string, l labels, is bool) {
	v := 0.
	if is {
		v = 1
	}
	m.add(name, "", help, l, trial.NumOf(v))
}

// estimate adds a figure and, as metrics of their own, the ends of its 95% interval.
func (m *metricSet) estimate(name, unit, help string, l labels, e trial.Estimate, scale float64) {
	m.add(name, unit, help, l, scaled(e.Value, scale))
	m.add(name+"_low", unit, help+": lower end of its 95% interval", l, scaled(e.Low, scale))
	m.add(name+"_high", unit, help+": upper end of its 95% interval", l, scaled(e.High, scale))
}

func scaled(n trial.Num, scale float64) trial.Num {
	v, ok := n.Get()
	if !ok {
		return n
	}
	return trial.NumOf(v * scale)
}

// milli converts ms to s, mega MB to bytes, and percentage percent to shares.
const (
	milli      = 1e-3
	mega       = 1e6
	percentage = 1e-2
)

func (m *metricSet) profile(p *profiles.Profile) {
	h, l := p.Header, labels{"profile": p.Header.ID}
	m.flag("profile_info", "A recorded sweep or live recording", labels{
		"profile": h.ID, "model": h.Model.Name, "kind": string(h.Kind), "state": string(p.State()), "tool": h.Tool, "machine_class": h.Machine.Class,
	}, true)
	m.add("profile_created_timestamp", unitSeconds, "When the profile was created", l, trial.NumOf(float64(h.Created.Unix())))
	m.add("profile_trials", "", "Number of trials", l, trial.NumOf(float64(len(p.Trials))))
	if p.End != nil {
		m.add("profile_exit_code", "", "Exit code of the sweep: 0 a setting keeps the promise, 1 error, 2 none does, 3 cannot tell", l, trial.NumOf(float64(p.End.Exit)))
	}
	if sla, ok := p.SLA(); ok {
		promise := l.with("latency", sla.Latency.String()).with("quantile", quantileOf(sla.Percentile))
		m.add("promise_limit", unitSeconds, "Limit of the promised quantile of latency", promise, trial.NumOf(sla.Limit.Seconds()))
		m.add("promise_errors", unitRatio, "Highest share of requests that may fail or be refused", l, trial.NumOf(sla.MaxErrorRate))
	}
	m.choice(p, l)
	for _, t := range p.Trials {
		m.trial(p, t)
	}
}

// quantileOf returns a percentile as Prometheus writes quantiles: 0.99.
func quantileOf(percentile float64) string {
	return strconv.FormatFloat(percentile/100, 'g', 6, 64)
}

// choice adds the chosen settings with the figures of all their runs.
func (m *metricSet) choice(p *profiles.Profile, l labels) {
	c, chosen := p.Choice()
	m.flag("chosen", "Whether settings were chosen: some that keep the promise", l, chosen)
	if !chosen {
		return
	}
	at := l.with("trial", strconv.Itoa(c.N))
	m.flag("choice_info", "The chosen settings", settingLabels(at, c.Settings), true)
	m.knobs("choice", at, c.Settings)
	if row, ok := p.BestRow(); ok {
		t := row.Joined
		m.estimate("choice_throughput", unitRate, "Answers per second with the chosen settings, all runs together", at, t.Throughput, 1)
		v := t.Verdict
		m.estimate("choice_promised_latency", unitSeconds, "The promised quantile of latency with the chosen settings",
			at.with("latency", v.Latency.String()).with("quantile", quantileOf(v.Percentile)), trial.Estimate{Value: v.ValueMS, Low: v.LowMS, High: v.HighMS}, milli)
		m.add("choice_errors", unitRatio, "Share of requests that failed or were refused with the chosen settings", at, v.ErrorRate)
	}
	m.add("choice_headroom", unitRatio, "1 - latency / limit", at, c.Why.Headroom)
	m.add("choice_highest_load", unitRate, "Highest load within the promise", at, c.Why.HighestRPS)
	m.add("choice_planned_load", unitRate, "Load to plan for, below the highest one", at, c.Why.PlanRPS)
	if r := c.Why.Replicas; r != nil {
		m.add("choice_replicas_needed", "", "Fewest replicas that carry the rate", at, trial.NumOf(float64(r.Needed)))
		m.add("choice_replicas_recommended", "", "Replicas with headroom, and one more that may be lost", at, trial.NumOf(float64(r.Recommended)))
	}
}

// knobs adds the settings that are numbers.
func (m *metricSet) knobs(prefix string, l labels, s knob.Settings) {
	for _, k := range knob.All() {
		v, err := strconv.ParseFloat(s.Get(k.Name), 64)
		switch {
		case !s.Has(k.Name) || err != nil:
		case k.Name == knob.BatchDelay:
			m.add(prefix+"_batch_delay", unitSeconds, upper(k.Help), l, trial.NumOf(v*milli))
		default:
			m.add(prefix+"_"+string(k.Name), "", upper(k.Help), l, trial.NumOf(v))
		}
	}
}

// upper returns a text that begins with a capital.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// notInLabel are the characters that names of labels cannot have.
var notInLabel = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// settingLabels returns the labels and the settings as labels. A value that is not reported has none.
func settingLabels(l labels, s knob.Settings) labels {
	out := maps.Clone(l)
	for _, k := range knob.TableOf(s) {
		name := notInLabel.ReplaceAllString(string(k.Name), "_")
		if _, taken := out[name]; taken || name[0] >= '0' && name[0] <= '9' {
			name = "knob_" + name // an own knob of the server with the name of another label
		}
		if s.Has(k.Name) {
			out[name] = s.Get(k.Name)
		}
	}
	return out
}

// trial adds one trial.
func (m *metricSet) trial(p *profiles.Profile, t trial.Trial) {
	l := labels{"profile": p.Header.ID, "trial": strconv.Itoa(t.N)}
	info := l.with("role", string(t.Role)).with("load", t.Load.String()).with("rule", t.Options.Rule.String())
	m.flag("trial_info", "Settings and load of a trial", settingLabels(info, t.Settings), true)
	for _, a := range []trial.Answer{trial.Pass, trial.Fail, trial.Undecided} {
		m.flag("trial_verdict", "1 for the verdict about the promise, 0 for the others", l.with("verdict", a.String()), t.Verdict.Result == a)
	}
	if t.Error != "" {
		m.flag("trial_failed", "Whether the trial ended with an error", l, true)
		return
	}
	m.add("trial_duration", unitSeconds, "Time that was measured, after the warm-up", l, above0(t.Seconds))
	for _, c := range []struct {
		outcome string
		n       int
	}{{"ok", t.Counts.OK}, {"refused", t.Counts.Refused}, {"failed", t.Counts.Failed}, {"timeout", t.Counts.Timeout}} {
		if t.Counts.Sent > 0 { // results of TorchServe's suite have no counts
			m.add("trial_requests", "", "Requests by outcome", l.with("outcome", c.outcome), trial.NumOf(float64(c.n)))
		}
	}
	m.add("trial_errors", unitRatio, "Share of requests that failed, timed out or were refused", l, t.Verdict.ErrorRate)
	m.estimate("trial_throughput", unitRate, "Answers per second", l, t.Throughput, 1)
	m.add("trial_bare_throughput", unitRate, "Answers per second of the model alone", l, t.BareRPS)
	m.latencies(l, t)
	m.resources(l, t)
}

// latencies adds what requests waited for.
func (m *metricSet) latencies(l labels, t trial.Trial) {
	for _, q := range []struct {
		quantile string
		e        trial.Estimate
	}{{"0.5", t.Latency.P50}, {"0.9", t.Latency.P90}, {"0.95", t.Latency.P95}, {"0.99", t.Latency.P99}, {"0.999", t.Latency.P999}} {
		m.estimate("trial_request_latency", unitSeconds, "Quantile of the time from the planned send time to the last byte of the answer", l.with("quantile", q.quantile), q.e, milli)
	}
	m.add("trial_request_latency_mean", unitSeconds, "Mean time from the planned send time to the last byte of the answer", l, scaled(t.Latency.Mean, milli))
	for _, q := range []struct {
		quantile string
		v        trial.Num
	}{{"0.5", t.Model.P50}, {"0.9", t.Model.P90}, {"0.99", t.Model.P99}} {
		m.add("trial_model_latency", unitSeconds, "Quantile of the time of the batch of a request", l.with("quantile", q.quantile), scaled(q.v, milli))
	}
	b := t.Breakdown
	for _, s := range []struct {
		stage string
		v     trial.Num
	}{{"decode", b.Decode}, {"queue", b.Queue}, {"formation", b.Formation}, {"execution", b.Execution}, {"encode", b.Encode}} {
		m.add("trial_stage_mean", unitSeconds, "Mean time of a request in a stage of the server", l.with("stage", s.stage), scaled(s.v, milli))
	}
	m.add("trial_batch_size_mean", "", "Mean number of requests in a batch", l, t.Batches.Mean)
}

// resources adds what the server used, and what disturbed the measurement.
func (m *metricSet) resources(l labels, t trial.Trial) {
	u := t.Use
	m.add("trial_cpu", unitCores, "Cores that the server used", l, scaled(u.CPUPercent, percentage))
	m.add("trial_generator_cpu", unitCores, "Cores that the load generator used", l, scaled(u.GeneratorCPUPercent, percentage))
	m.add("trial_resident_memory", unitBytes, "Highest resident memory of the server", l, scaled(u.RSSMB, mega))
	m.add("trial_gpu_utilization", unitRatio, "Mean utilization of the GPU", l, scaled(u.GPU.PercentMean, percentage))
	m.add("trial_gpu_memory", unitBytes, "Memory of the GPU in use", l, scaled(u.GPU.MemoryMB, mega))
	m.add("trial_gpu_power", unitWatts, "Mean power of the GPU", l, u.GPU.PowerW)
	m.add("trial_gpu_throttled", unitRatio, "Share of the samples in which heat or the power limit held the clock back", l, u.GPU.ThrottledShare)
	m.add("trial_gpu_energy", unitJoules, "Energy of the GPU during the trial", l, u.GPU.EnergyJ)
	m.add("trial_generator_lag", unitSeconds, "0.99 quantile of the delay with which requests were sent", l, scaled(t.Lag.P99, milli))
	for _, b := range []struct {
		state string
		n     int
	}{{"kept", t.Blocks.Kept - t.Blocks.Disturbed}, {"disturbed", t.Blocks.Disturbed}, {"rejected", t.Blocks.Rejected}} {
		if t.Blocks.Kept+t.Blocks.Rejected > 0 {
			m.add("trial_blocks", "", "Blocks of the measurement: kept, kept although other programs disturbed them, rejected", l.with("state", b.state), trial.NumOf(float64(max(b.n, 0))))
		}
	}
	m.flag("trial_generator_limited", "Whether the load generator was the bottleneck, so that the figures do not describe the server", l, t.GeneratorLimited)
}

// sortedProfiles returns profiles without repeated IDs: samples of one name need different labels.
func sortedProfiles(ps []*profiles.Profile) []*profiles.Profile {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b *profiles.Profile) int { return cmp.Compare(a.Header.ID, b.Header.ID) })
	return slices.CompactFunc(out, func(a, b *profiles.Profile) bool { return a.Header.ID == b.Header.ID })
}
