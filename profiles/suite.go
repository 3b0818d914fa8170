package profiles

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Imported says what was read from files of TorchServe's benchmark suite.
type Imported struct {
	Model  string // name of the model
	Source string // its file or address
	Trials []trial.Trial
	Notes  []string // what is not reliable in all of them
}

// maxSuiteBytes is the largest ab_report.csv that is read.
const maxSuiteBytes = 8 << 20

// ReadSuite reads ab_report.csv of TorchServe's benchmark suite, of any version, by the names of its
// columns: missing ones are not measured. It returns one entry for each model, with trials that have
// no verdict, because the suite has no promise. name is the name of the file in errors.
//
// Columns that are wrong in the suite are not read into figures; each trial says so, with the value.
func ReadSuite(name string, r io.Reader) ([]Imported, error) {
	in := csv.NewReader(io.LimitReader(r, maxSuiteBytes))
	in.FieldsPerRecord = -1
	titles, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: no line with the names of the columns: %w", name, err)
	}
	var missing []string
	for _, must := range []string{"TS throughput", "Batch size", "Workers", "Model"} {
		if !slices.Contains(trimAll(titles), must) {
			missing = append(missing, must)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: line 1: no column %s: not an ab_report.csv of TorchServe's benchmark suite", name, strings.Join(missing, ", "))
	}
	var out []Imported
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := in.FieldPos(0)
		row := newSuiteRow(trimAll(titles), cells)
		t := row.trial()
		if err := errors.Join(row.errs...); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", name, line, err)
		}
		out = addImported(out, row, t)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: there is no line after the names of the columns", name)
	}
	return out, nil
}

func trimAll(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = strings.TrimSpace(strings.TrimPrefix(s, "\ufeff"))
	}
	return out
}

// addImported adds a trial to the entry of its model.
func addImported(all []Imported, row *suiteRow, t trial.Trial) []Imported {
	source := row.source()
	i := slices.IndexFunc(all, func(m Imported) bool { return m.Source == source })
	if i < 0 {
		i = len(all)
		all = append(all, Imported{Model: modelName(source), Source: source})
	}
	m := &all[i]
	t.N = len(m.Trials) + 1
	m.Trials = append(m.Trials, t)
	for _, n := range row.notes {
		if !slices.Contains(m.Notes, n) {
			m.Notes = append(m.Notes, n)
		}
	}
	return all
}

// modelName returns the name of the model in a file or an address.
func modelName(source string) string {
	name := source[strings.LastIndexAny(source, "/:")+1:]
	for _, ext := range []string{".mar", ".war", ".onnx", ".tar.gz"} {
		name = strings.TrimSuffix(name, ext)
	}
	if name == "" {
		return "unnamed"
	}
	return name
}

// suiteRow is one line of ab_report.csv.
type suiteRow struct {
	cells map[string]string
	notes []string
	errs  []error
}

func newSuiteRow(titles, cells []string) *suiteRow {
	r := &suiteRow{cells: map[string]string{}}
	for i, title := range titles {
		if i < len(cells) {
			r.cells[title] = strings.TrimSpace(cells[i])
		}
	}
	if r.cells["Benchmark"] == "sweetspot" {
		r.errs = append(r.errs, fmt.Errorf("sweetspot wrote this file; the profile %s has all of it and more", r.cells["profile"]))
	}
	return r
}

// number returns the figure of a column; missing if there is none.
func (r *suiteRow) number(column string) trial.Num {
	text := r.cells[column]
	if text == "" || strings.EqualFold(text, "nan") || text == "n/a" {
		return trial.Num{}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 {
		r.errs = append(r.errs, fmt.Errorf("%s: %q is not a number of at least 0", column, text))
		return trial.Num{}
	}
	return trial.NumOf(v)
}

// nonzero is number, of a column in which the suite writes 0 for what was not measured.
func (r *suiteRow) nonzero(column string) trial.Num {
	if n := r.number(column); n.Or(0) > 0 {
		return n
	}
	return trial.Num{}
}

// whole returns the whole number of a column, in a range.
func (r *suiteRow) whole(column string, low, high int) int {
	n := r.number(column)
	v, ok := n.Get()
	if !ok {
		return 0
	}
	if v < float64(low) || v > float64(high) || v != float64(int(v)) {
		r.errs = append(r.errs, fmt.Errorf("%s: %g is not a whole number of %d-%d", column, v, low, high))
		return 0
	}
	return int(v)
}

// link matches a Markdown link.
var link = regexp.MustCompile(`^\[[^\]]*\]\((.*)\)$`)

// source returns the file or address of the model.
func (r *suiteRow) source() string {
	if m := link.FindStringSubmatch(r.cells["Model"]); m != nil {
		return m[1]
	}
	return r.cells["Model"]
}

// flag adds a note about a column that is not used.
func (r *suiteRow) flag(t *trial.Trial, column, why string) {
	text := r.cells[column]
	if text == "" {
		return
	}
	t.Warnings = append(t.Warnings, trial.Warning{Text: fmt.Sprintf("%s %s is not used: %s", column, text, why)})
	if note := fmt.Sprintf("%s: not used: %s", column, why); !slices.Contains(r.notes, note) {
		r.notes = append(r.notes, note)
	}
}

// trial returns the line as a trial without a verdict.
func (r *suiteRow) trial() trial.Trial {
	t := trial.Trial{Role: trial.RoleLoad, Reason: "imported from ab_report.csv", Options: knob.Options{Rule: knob.TorchServe}}
	t.Warnings = []trial.Warning{}
	t.Settings = knob.Settings{
		Workers: r.whole("Workers", 1, 256), BatchSize: r.whole("Batch size", 1, 1024), BatchDelay: knob.DelayUnreported,
	}
	if t.Settings.BatchSize == 0 {
		t.Settings.BatchDelay = 0
	}
	t.Load = load.Spec{Mode: load.Closed, Concurrency: r.whole("Concurrency", 1, 10_000)}
	t.Throughput.Value = r.number("TS throughput")
	if rate, ok := t.Throughput.Value.Get(); ok && rate > 0 {
		t.Seconds = r.number("Requests").Or(0) / rate
	}
	t.Verdict = trial.Verdict{Percentile: 99, Why: "imported: TorchServe's benchmark suite has no promise"}
	t.Breakdown.Execution = r.nonzero("predict_mean")
	t.Breakdown.Queue = r.number("waiting_time_mean")
	r.suiteFigures(&t)
	t.QueueTimes = trial.QueueTimes{P50: r.number("Queue time p50"), P90: r.number("Queue time p90"), P99: r.number("Queue time p99")}
	t.Use.GPU.PercentMean, t.Use.GPU.MemoryMB = r.nonzero("gpu_percentage_mean"), r.nonzero("gpu_memory_used_mean")
	return t
}

// latencies sets the request latencies.
func (r *suiteRow) latencies(t *trial.Trial) {
	t.Latency.P50.Value, t.Latency.P90.Value = r.number("TS latency P50"), r.number("TS latency P90")
	t.Latency.P99.Value, t.Latency.Mean = r.number("TS latency P99"), r.number("TS latency mean")
	t.Verdict.ValueMS = t.Latency.P99.Value
}

// suiteFigures reads the figures of a line of the suite that may be wrong.
func (r *suiteRow) suiteFigures(t *trial.Trial) {
	if strings.EqualFold(r.cells["Benchmark"], "locust") {
		for _, c := range []string{"TS latency P50", "TS latency P90", "TS latency P99"} {
			r.flag(t, c, "with locust the suite does not compute percentiles of the latencies")
		}
		t.Latency.Mean = r.number("TS latency mean")
	} else {
		r.latencies(t)
	}
	if r.cells["Batch delay"] == "100" { // the delay of TorchServe if nobody sets one
		t.Settings.BatchDelay = 100 * time.Millisecond
	} else {
		r.flag(t, "Batch delay", "the suite never applies it; in force was that of the archive, or 100 ms")
	}
	for _, c := range []string{"Model_p50", "Model_p90", "Model_p99"} {
		r.flag(t, c, "the suite reads it at the wrong place of the sorted times, since each time is in the log twice and batches may not be full")
	}
	for _, c := range []string{"TS failed requests", "TS error rate"} {
		r.flag(t, c, "ab counts answers of another length as failed, and does not count refused requests")
	}
	for _, c := range []string{"cpu_percentage_mean", "memory_percentage_mean", "gpu_memory_percentage_mean"} {
		r.flag(t, c, "it is sampled once a minute, and that of the whole machine")
	}
}
