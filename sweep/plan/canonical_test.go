package plan_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// randomPlan returns a valid plan whose ranges are normalized.
func randomPlan(r *rand.Rand) plan.Plan {
	texts := []string{
		"", "a.onnx", "modèles/α β.onnx", "null", "~", "true", "- x", "# no comment", "a: b", `"quoted\"`, "[x]",
		"{", "*star", "&and", "!bang", "%", "@", "`", "1e3", ".inf", "---", "...", " edge ", "é\u00a0\u2028\ufeff\U000e0001😀", "'", "a,b", "?", "|", ">",
	}
	p := plan.Plan{
		Model:    pick(r, texts...),
		Input:    pick(r, texts...),
		Target:   pick(r, "local", "virtual", "torchserve", "http://h:8081", "oip+https://[::1]:8000/x", "oip+grpc://h:8001"),
		Question: plan.Question(r.IntN(2)),
		SLA: trial.SLA{
			Percentile: 50 + r.Float64()*49.9, Limit: time.Duration(1000 + r.Int64N(1e11)),
			Latency: trial.LatencyKind(r.IntN(2)), MaxErrorRate: r.Float64(),
		},
		Strategy:    pick(r, "", "auto", "climb", "grid"),
		AcceptFP16:  r.IntN(2) == 0,
		Order:       plan.Order(r.IntN(2)),
		Objective:   plan.Objective(r.IntN(3)),
		Constraints: plan.Constraints{MemoryMB: r.IntN(9000), GPUMemoryMB: r.IntN(2)},
		Budget:      plan.Budget{Time: time.Duration(r.Int64N(1e13)), LoadTests: r.IntN(9) - 1, Trials: r.IntN(3)},
		Trial:       plan.Trial{Requests: r.IntN(2000), Duration: time.Duration(r.Int64N(1e10)), MaxRequests: 2000},
		Seed:        r.Uint64(),
		Options: knob.Options{
			Rule: knob.TorchServe + knob.Rule(r.IntN(2)), Session: pick(r, "", "shared", "own"), Spin: pick(r, "", "on", "off"),
			Pin: r.IntN(2) == 0, Graph: pick(r, "", "off", "all"),
			InterOp: pick(r, 0, 1, 4), Arena: pick(r, "", "on", "off"), TF32: pick(r, "", "on", "off"), CUDAGraphs: r.IntN(2) == 0,
			Provider: pick(r, "", "cuda", "webgpu"), GPUMemoryMB: pick(r, 0, 8000),
		},
		Shapes: map[string][]int64{},
		Knobs:  map[knob.Name]string{},
	}
	p.Timeout = pick(r, 0, p.SLA.Limit+time.Duration(1+r.Int64N(1e12)))
	for range r.IntN(3) {
		p.Shapes[pick(r, texts...)] = []int64{1 + r.Int64N(1<<40), 1}
	}
	if r.IntN(2) == 0 {
		p.Target = "local"
		p.Lengths = map[string]string{"length " + pick(r, texts...): pick(r, "8..128", "@a.txt", "3x8..9")}
	}
	if r.IntN(2) == 0 {
		p.Target = "local"
		p.Pad = map[string]float64{pick(r, texts...): pick(r, 0, -1.5, 1e9)}
		p.Buckets = pick(r, nil, []int64{8}, []int64{16, 32, 1 << 20})
	}
	if r.IntN(2) == 0 {
		p.Values = map[string]string{pick(r, texts...): pick(r, "0", "true", "-1.50e3", "NaN", "1,3,0x1p4", "00")}
		p.NoBatch = r.IntN(2) == 0
	}
	if p.Question == plan.Capacity {
		p.Loads = []load.Spec{{Mode: load.Open, Arrivals: load.Arrivals(r.IntN(2))}}
	}
	for range (1 + r.IntN(3)) * int(1-p.Question) {
		p.Loads = append(p.Loads, pick(r,
			load.Spec{Concurrency: 1 + r.IntN(100)}, load.Spec{Matched: true},
			load.Spec{Mode: load.Open, Rate: 1 + r.Float64()*1e5, Arrivals: load.Arrivals(r.IntN(2))},
			load.Spec{Mode: load.Trace, File: "x" + pick(r, texts...), SHA256: pick(r, "", strings.Repeat("0a", 32))},
		))
	}
	if slices.ContainsFunc(p.Loads, func(l load.Spec) bool { return l.Mode == load.Trace }) {
		p.Trial.Requests, p.Trial.Duration = 0, 0
	}
	if len(p.Shapes)+len(p.Values) > 0 || p.NoBatch || p.Target == "virtual" && p.Input != "" {
		p.Target = "local" // no other target takes all of it
	}
	ranges := map[knob.Name][]string{
		knob.Workers: {"auto", "1", "1,2,4"}, knob.BatchSize: {"auto", "8", "16,2"}, knob.BatchDelay: {"auto", "5", "1,10"},
		knob.FP16: {"auto", "fp16", "fp32,fp16"}, knob.Device: {"auto", "cpu", "gpu:1,cpu"}, knob.Threads: {"auto", "2,1"}, knob.QueueSize: {"auto", "1000"},
	}
	for _, k := range knob.All() {
		if r.IntN(2) == 0 {
			p.Knobs[k.Name] = pick(r, ranges[k.Name]...)
		}
	}
	return p
}

func TestCanonicalRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		want := randomPlan(r)
		text, err := want.Canonical()
		if err != nil {
			t.Fatalf("%+v: %v", want, err)
		}
		got, err := plan.Parse("plan.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got, samePlan); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, text)
		}
		if want.Hash() != got.Hash() {
			t.Fatalf("the hash changed by a round trip of\n%s", text)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		want := randomPlan(r)
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got plan.Plan
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got, samePlan); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, text)
		}
	}
}

// Plans that earlier versions recorded have keys and loads that had no effect; they can be used again all the same.
func TestJSONWithoutEffect(t *testing.T) {
	for _, in := range []string{
		`{"version":1,"target":"virtual","input":"a.json","shapes":{"x":[64]},"values":{"y":"0"},"handler":"image_classifier","no_batch":true,"load":{"mode":"closed","concurrency":10},"rule":"torchserve","sla":{"percentile":99,"limit":"100ms"}}`,
		`{"version":1,"target":"local","question":"capacity","load":{"mode":"trace","file":"a.csv"},"rule":"torchserve","sla":{"percentile":99,"limit":"100ms"}}`,
	} {
		var p plan.Plan
		if err := json.Unmarshal([]byte(in), &p); err != nil {
			t.Fatal(err)
		}
		text, err := p.Canonical()
		if err != nil || p.LoadGiven {
			t.Errorf("%s: %v, load given %v", in, err, p.LoadGiven)
		}
		for _, part := range []string{"a.json", "shapes", "handler", "a.csv"} {
			if strings.Contains(string(text), part) {
				t.Errorf("%s: %s was not in force:\n%s", in, part, text)
			}
		}
	}
}

func TestJSONOfOtherVersions(t *testing.T) {
	var p plan.Plan
	for _, in := range []string{
		`null`, `{}`, `{"unknown":["value"],"sla":{"limit":"20ms","other":3},"knobs":{"colour":"red"}}`,
	} {
		if err := json.Unmarshal([]byte(in), &p); err != nil {
			t.Errorf("Unmarshal(%s): %v", in, err)
		}
	}
	if p.SLA.Limit != 20*time.Millisecond {
		t.Errorf("a known key next to unknown ones was not read: %+v", p.SLA)
	}
	var zero plan.Plan
	text, err := json.Marshal(plan.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &zero); err != nil {
		t.Errorf("the zero plan %s: %v", text, err)
	}
	before := p
	if err := json.Unmarshal([]byte(`{"sla":{"limit":5}}`), &p); err == nil || !strings.Contains(err.Error(), "plan: sla: limit") {
		t.Errorf("a limit without unit: %v", err)
	}
	if diff := cmp.Diff(before, p, samePlan); diff != "" {
		t.Errorf("an error changed the plan:\n%s", diff)
	}
}

// TestHashOfEqualPlans checks that the hash depends on the plan and not on how it is written.
func TestHashOfEqualPlans(t *testing.T) {
	hash := func(text string) string {
		t.Helper()
		p, err := plan.Parse("plan.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash()
	}
	base := hash("version: 1\nknobs: {workers: 1-4}\nbudget: {time: 180s}\n")
	if !strings.HasPrefix(base, "sha256:") || len(base) != len("sha256:")+64 {
		t.Errorf("Hash() = %q", base)
	}
	for _, same := range []string{
		"# comment\nversion: 1\nbudget:\n  time: 3m\nknobs:\n  workers: [1, 2, 3-4]\n",
		"{version: 1, knobs: {workers: '1,2,3,4'}, seed: 1}",
		"version: 1\nknobs: {workers: 1-4}\ntimeout: 0s\n",
	} {
		if got := hash(same); got != base {
			t.Errorf("a different hash for\n%s", same)
		}
	}
	for _, other := range []string{
		"version: 1\nknobs: {workers: 4-5}\n", "version: 1\nknobs: {workers: 1-4}\nseed: 2\n",
		"version: 1\nknobs: {workers: 1-4}\ntimeout: 5s\n",
	} {
		if got := hash(other); got == base {
			t.Errorf("the same hash for\n%s", other)
		}
	}
	invalid := plan.Default()
	invalid.Seed, invalid.Target = 3, ""
	if invalid.Hash() != "" {
		t.Error("an invalid plan has a hash")
	}
}

func TestCanonicalExpandsRanges(t *testing.T) {
	p := plan.Default()
	p.Knobs = map[knob.Name]string{knob.Workers: "1-8*2"}
	text, err := p.Canonical()
	if err != nil || !strings.Contains(string(text), "\n  workers: [1, 2, 4, 8]\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestValidateReportsAll(t *testing.T) {
	p := plan.Default()
	p.SLA.Percentile, p.Loads, p.Target = 10, nil, "moon"
	p.Knobs = map[knob.Name]string{"batchsize": "1", knob.Workers: "none"}
	want := []string{
		`target: "moon": want local, virtual, command, torchserve, http://HOST:PORT, oip+http://HOST:PORT or oip+grpc://HOST:PORT`,
		"sla: percentile: 10 is outside 50-99.99",
		"load: 0 loads: want 1-64",
		`knobs: "batchsize": unknown knob; did you mean batch_size?`,
		`knobs: workers: "none" is not a whole number`,
	}
	got := strings.Split(fmt.Sprint(p.Validate()), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Validate (-want +got):\n%s", diff)
	}
	if err := plan.Default().Validate(); err != nil {
		t.Errorf("the default plan: %v", err)
	}
}

// TestTimeout checks that the timeout of requests follows from the SLA unless the plan has one, and
// that one in the plan must be above the limit.
func TestTimeout(t *testing.T) {
	p := plan.Default()
	for _, c := range []struct {
		timeout, limit, want time.Duration
		err                  string
	}{
		{0, 100 * time.Millisecond, 10 * time.Second, ""},
		{0, time.Minute, 2 * time.Minute, ""},
		{time.Second, 100 * time.Millisecond, time.Second, ""},
		{time.Second, time.Second, time.Second, "timeout: 1s is not above the limit of 1s: no latency above the limit could be measured; 0s follows from the SLA"},
		{-time.Second, time.Second, 10 * time.Second, "timeout: -1s is below 0; 0s follows from the SLA"},
	} {
		p.Timeout, p.SLA.Limit = c.timeout, c.limit
		if got := p.RequestTimeout(); got != c.want {
			t.Errorf("timeout %v, limit %v: %v, want %v", c.timeout, c.limit, got, c.want)
		}
		text := ""
		if err := p.Validate(); err != nil {
			text = err.Error()
		}
		if text != c.err {
			t.Errorf("timeout %v, limit %v: error %q, want %q", c.timeout, c.limit, text, c.err)
		}
	}
}

// TestLoadsLongerThanTheBudget checks that a ramp or trace, which is measured to its end, must not
// be longer than the budget.
func TestLoadsLongerThanTheBudget(t *testing.T) {
	p := plan.Default()
	for _, c := range []struct {
		load   load.Spec
		change func(*plan.Plan)
		want   string
	}{
		{
			load.Spec{Mode: load.Trace, File: "a.csv", Over: 3*time.Minute + 1},
			nil,
			"budget: time: 3m0s is less than the 3m0.000000001s of the load, which is measured to its end; give 7m6s or more",
		},
		{load.Spec{Mode: load.Ramp, From: 1, To: 2, Over: time.Hour}, nil, "budget: time: 3m0s is less than the 1h0m0s of the load, which is measured to its end; give 2h12m30s or more"},
		{load.Spec{Mode: load.Trace, File: "a.csv", Over: 3 * time.Minute}, nil, ""},
		{load.Spec{Mode: load.Trace, File: "a.csv", Over: time.Hour}, func(p *plan.Plan) { p.Budget.Time = 0 }, ""},
		{load.Spec{Mode: load.Trace, File: "a.csv", Over: time.Hour}, func(p *plan.Plan) { p.Target = "virtual" }, ""},
		{load.Spec{Mode: load.Trace, File: "a.csv", Over: time.Hour}, func(p *plan.Plan) { p.Question = plan.Capacity }, ""},
		{load.Spec{Mode: load.Trace, File: "a.csv", SHA256: "abc"}, nil, `load: sha256: "abc": want the 64 hexadecimal digits of the file's hash, or nothing`},
	} {
		p := p
		p.Loads = []load.Spec{c.load}
		if c.change != nil {
			c.change(&p)
		}
		got := ""
		if err := p.Validate(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.load, got, c.want)
		}
	}
}

func TestEnumTexts(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{plan.Throughput.String(), "throughput"},
		{plan.Capacity.String(), "capacity"},
		{plan.InOrder.String(), "plan"},
		{plan.Shuffled.String(), "shuffled"},
		{plan.MostThroughput.String(), "throughput"},
		{plan.RequestsPerJoule.String(), "requests_per_joule"},
		{plan.FewestWorkers.String(), "fewest_workers"},
	} {
		if c.text != c.want {
			t.Errorf("%q, want %q", c.text, c.want)
		}
	}
	type enums struct {
		Question  plan.Question
		Order     plan.Order
		Objective plan.Objective
	}
	want := enums{plan.Capacity, plan.Shuffled, plan.FewestWorkers}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got enums
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%s = %+v, %v", text, got, err)
	}
}
