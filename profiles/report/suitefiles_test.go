package report_test

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/profiles"
	"sweetspot/profiles/report"
	"sweetspot/sweep/trial"
)

var update = flag.Bool("update", false, "rewrite the expected files of testdata")

// suiteColumns are the columns of ab_report.csv in TorchServe 0.12, in their order.
var suiteColumns = strings.Split("Benchmark,TS failed requests,TS throughput,TS latency P50,TS latency P90,TS latency P99,TS latency mean,TS error rate,"+
	"Batch size,Batch delay,Workers,Model,Concurrency,Input,Requests,Model_p50,Model_p90,Model_p99,Queue time p50,Queue time p90,Queue time p99,"+
	"predict_mean,handler_time_mean,waiting_time_mean,worker_thread_mean,cpu_percentage_mean,memory_percentage_mean,gpu_percentage_mean,"+
	"gpu_memory_percentage_mean,gpu_memory_used_mean,handler_preprocess_mean,handler_inference_mean,handler_postprocess_mean", ",")

// suiteProfile is a profile of a plan of the suite, with figures in the first trial.
func suiteProfile() *profiles.Profile {
	p := profile()
	p.Header.Suite = "eager_mode_drawings"
	p.Header.Created = time.Date(2026, 11, 22, 9, 15, 0, 0, time.UTC)
	p.Header.Tool = "sweetspot 0.1.0"
	p.Header.Model.Source = "drawings.mar"
	p.Header.Machine = profiles.Machine{CPU: "Some CPU", Cores: 4, MemoryMB: trial.NumOf(16000), GPUs: []profiles.GPU{{Name: "Some GPU", MemoryMB: trial.NumOf(8000)}}}
	t := &p.Trials[0]
	t.Model.P50, t.Model.P90 = trial.NumOf(90.125), trial.NumOf(92)
	t.QueueTimes = trial.QueueTimes{P50: trial.NumOf(10), P90: trial.NumOf(20), P99: trial.NumOf(30)}
	t.Breakdown = trial.Breakdown{Decode: trial.NumOf(1), Queue: trial.NumOf(11), Formation: trial.NumOf(2), Execution: trial.NumOf(89), Encode: trial.NumOf(.5)}
	t.Use = trial.ResourceUse{CPUPercent: trial.NumOf(200), RSSMB: trial.NumOf(4000), GPU: trial.GPUUse{PercentMean: trial.NumOf(77), MemoryMB: trial.NumOf(2000)}}
	t.Counts = trial.Counts{Sent: 1000, OK: 990, Refused: 6, Failed: 3, Timeout: 1}
	p.Choices[0].Why.Lines = []trial.Line{{Label: "limits", Text: "execution | takes 23 ms"}}
	return p
}

// abRows returns the lines of ab_report.csv by the names of the columns.
func abRows(t *testing.T, data string) (titles []string, rows []map[string]string) {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(data)).ReadAll()
	if err != nil || len(all) < 2 {
		t.Fatalf("%d lines, %v", len(all), err)
	}
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, title := range all[0] {
			row[title] = cells[i]
		}
		rows = append(rows, row)
	}
	return all[0], rows
}

// TestAB: the columns of the suite are first and in their order, and have the right values.
func TestAB(t *testing.T) {
	titles, rows := abRows(t, write(t, "ab", suiteProfile()))
	if diff := cmp.Diff(suiteColumns, titles[:len(suiteColumns)]); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if len(rows) != 3 {
		t.Fatalf("%d rows, want one for each setting", len(rows))
	}
	for column, want := range map[string]string{
		"TS failed requests": "10", "TS throughput": "85.29", "TS error rate": "1", "TS latency P99": "117.25",
		"Batch size": "8", "Batch delay": "100", "Workers": "1", "Model": "[.mar](drawings.mar)", "Concurrency": "10", "Requests": "1000",
		"Model_p50": "90.13", "Model_p90": "92", "Model_p99": "93.8", "Queue time p90": "20",
		"predict_mean": "89", "handler_time_mean": "90.5", "waiting_time_mean": "13", "worker_thread_mean": "nan",
		"cpu_percentage_mean": "50", "memory_percentage_mean": "25", "gpu_percentage_mean": "77", "gpu_memory_percentage_mean": "25", "gpu_memory_used_mean": "2000",
		"handler_preprocess_mean": "1", "precision": "fp16", "verdict": "fail", "chosen": "false", "refused": "6",
	} {
		if got := rows[0][column]; got != want {
			t.Errorf("%s is %q, want %q", column, got, want)
		}
	}
	if got := rows[1]["cpu_percentage_mean"]; got != "nan" {
		t.Errorf("a figure that was not measured is %q, want nan", got)
	}
	if rows[2]["chosen"] != "true" || rows[2]["runs"] != "2" {
		t.Errorf("the chosen setting with its control: %v", rows[2])
	}
	for _, row := range rows { // what TorchServe's tools convert to numbers
		for _, column := range suiteColumns[1:11] {
			if _, err := strconv.ParseFloat(row[column], 64); err != nil {
				t.Errorf("%s: %v", column, err)
			}
		}
	}
}

func write(t *testing.T, format string, ps ...*profiles.Profile) string {
	t.Helper()
	var b strings.Builder
	if err := report.Write(&b, ps, format, ""); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestStats: a metric for each figure that was measured, whose dimensions tell the settings apart.
func TestStats(t *testing.T) {
	var all []struct {
		MetricName, Unit string
		Dimensions       []struct{ Name, Value string }
		Value            float64
	}
	if err := json.Unmarshal([]byte(write(t, "stats", suiteProfile())), &all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range all {
		words := []string{m.MetricName}
		for _, d := range m.Dimensions {
			words = append(words, d.Name+"="+d.Value)
		}
		key := strings.Join(words, " ")
		if seen[key] {
			t.Errorf("two metrics are %s", key)
		}
		seen[key] = true
	}
	if first := all[0]; first.MetricName != "drawings_throughput" || first.Value != 85.29 || first.Unit != "Count/Second" {
		t.Errorf("the first metric: %+v", first)
	}
	if !seen["drawings_gpu_percentage_mean batch_size=8 workers=1 precision=fp16 device=gpu"] {
		t.Errorf("no metric of the GPU with all dimensions: %v", seen)
	}
	if len(all) != 12+2+3 { // of 14 for each setting
		t.Errorf("%d metrics; those that were not measured must be left out", len(all))
	}
}

// TestMarkdown compares report.md with testdata/report.md.
func TestMarkdown(t *testing.T) {
	got := write(t, "md", suiteProfile())
	const golden = "testdata/report.md"
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTree: a folder for each setting with a CSV of one line, and names that are unique and valid.
func TestTree(t *testing.T) {
	a, b := suiteProfile(), suiteProfile()
	b.Header.ID = "20261122T101500Z-1111"
	files, err := report.Tree([]*profiles.Profile{a, b}, true)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		if slices.Contains(paths, f.Path) {
			t.Errorf("two files are %s", f.Path)
		}
		paths = append(paths, f.Path)
		if filepath.Base(f.Path) == report.ABFile && f.Path != report.ABFile {
			if _, rows := abRows(t, string(f.Data)); len(rows) != 1 {
				t.Errorf("%s has %d lines, want one", f.Path, len(rows))
			}
		}
	}
	for _, want := range []string{
		"report.html", "report.md", "ab_report.csv", "ts_benchmark/eager_mode_drawings-fp16-gpu_w1_b8/ab_report.csv",
		"ts_benchmark/eager_mode_drawings-fp32-cpu_w2_b1/stats_metrics.json", "ts_benchmark/2_eager_mode_drawings-fp32-cpu_w2_b1/ab_report.csv",
		"charts/20261122T091500Z-7f3a/frontier.png",
	} {
		if !slices.Contains(paths, want) {
			t.Errorf("no file %s in\n%s", want, strings.Join(paths, "\n"))
		}
	}
}

func TestSeveral(t *testing.T) {
	var b strings.Builder
	two := []*profiles.Profile{profile(), profile()}
	if err := report.Write(&b, two, "csv", ""); err == nil || !strings.Contains(err.Error(), "2 profiles") {
		t.Errorf("csv of two profiles: %v", err)
	}
	if err := report.Write(&b, nil, "md", ""); err == nil {
		t.Error("no error without a profile")
	}
	if err := report.Write(&b, two[:1], "svg", "workerz"); err == nil || !strings.Contains(err.Error(), "--plot workerz: this profile has frontier") {
		t.Errorf("an unknown chart: %v", err)
	}
}
