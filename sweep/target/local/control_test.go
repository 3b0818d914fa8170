package local

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

var (
	_ sweep.BareMeasurer = (*Target)(nil)
	_ sweep.Profiler     = (*Target)(nil)

	_ sweep.BatchReporter = (*Target)(nil)
)

// targetOf returns a target whose child is the handler.
func targetOf(t *testing.T, h http.HandlerFunc) *Target {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	out := &Target{
		child:        &child{done: make(chan struct{})},
		client:       newClient(strings.TrimPrefix(s.URL, "http://"), "word", time.Minute),
		lastSettings: knob.Default(knob.TorchServe),
	}
	out.info.Model.Name, out.info.Options.Rule = "m/1", knob.Eager
	t.Cleanup(out.client.close)
	return out
}

var compareNums = cmp.AllowUnexported(trial.Num{})

func TestOperators(t *testing.T) {
	target := targetOf(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.EscapedPath() != "/engine/v1/models/m%2F1/operators" || string(body) != `{"runs":7}` || r.Header.Get("Authorization") != "Bearer word" {
			t.Errorf("%s %s %s", r.Method, r.URL, body)
		}
		_, _ = io.WriteString(w, `{"runs":6,"batch_size":8,"run_ms":4.5,"operators":[{"name":"Conv","share":0.75,"ms":3,"calls":20}]}`)
	})
	got, err := target.Operators(t.Context(), 7)
	if err != nil || got.At.IsZero() {
		t.Fatalf("%+v, %v", got, err)
	}
	got.At = time.Time{}
	want := trial.Operators{
		Settings: target.lastSettings, Options: knob.Options{Rule: knob.Eager}, Runs: 6, BatchSize: 8, RunMS: trial.NumOf(4.5),
		Operators: []trial.Operator{{Name: "Conv", Share: .75, MS: trial.NumOf(3), Calls: 20}},
	}
	if diff := cmp.Diff(want, got, compareNums); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestBareRate: the rate is measured once for all settings with the same rate, and is not measured
// if the engine refuses.
func TestBareRate(t *testing.T) {
	asked := 0
	target := targetOf(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"message":"requests are being served"}`)
			return
		}
		_, _ = io.WriteString(w, `{"rps":512.5,"workers":2,"batch_size":1,"runs":9,"run_ms":3.9}`)
	})
	check := func(want trial.Num, calls int) {
		t.Helper()
		got, err := target.bareRate(t.Context())
		if err != nil || got != want || asked != calls {
			t.Errorf("rate %v, %v, asked %d times; want %v after %d", got, err, asked, want, calls)
		}
	}
	check(trial.NumOf(512.5), 1)
	target.lastSettings.BatchDelay, target.lastSettings.QueueSize = 3*time.Millisecond, 7
	check(trial.NumOf(512.5), 1)
	target.lastSettings.Workers = 2
	check(trial.Num{}, 2)
	check(trial.NumOf(512.5), 3)
	b, err := target.Bare(t.Context()) // always measures
	want := trial.Bare{Settings: target.lastSettings, RPS: trial.NumOf(512.5), Workers: 2, BatchSize: 1, Runs: 9, RunMS: trial.NumOf(3.9)}
	if diff := cmp.Diff(want, b, compareNums); diff != "" || err != nil || asked != 4 {
		t.Errorf("%v, asked %d times: -want +got\n%s", err, asked, diff)
	}
}

// A bare rate below the served rate is not used and is measured again.
func TestImplausibleBareRate(t *testing.T) {
	target := &Target{lastSettings: knob.Default(knob.TorchServe)}
	for _, tt := range []struct {
		name   string
		bare   trial.Num
		served trial.Estimate
		want   trial.Num
		kept   int
	}{
		{"most of it", trial.NumOf(100), trial.Estimate{Value: trial.NumOf(93), Low: trial.NumOf(90)}, trial.NumOf(100), 1},
		{"all of it, within the interval", trial.NumOf(100), trial.Estimate{Value: trial.NumOf(101), Low: trial.NumOf(99)}, trial.NumOf(100), 1},
		{"more", trial.NumOf(100), trial.Estimate{Value: trial.NumOf(120), Low: trial.NumOf(110)}, trial.Num{}, 0},
		{"unknown", trial.Num{}, trial.Estimate{Value: trial.NumOf(120), Low: trial.NumOf(110)}, trial.Num{}, 0},
		{"nothing measured", trial.Num{}, trial.Estimate{}, trial.Num{}, 1},
	} {
		target.bareRates = []trial.Bare{{Settings: target.lastSettings, RPS: tt.bare}}
		if got := target.plausibleRate(tt.bare, tt.served); got != tt.want || len(target.bareRates) != tt.kept {
			t.Errorf("%s: %v, %d kept; want %v, %d", tt.name, got, len(target.bareRates), tt.want, tt.kept)
		}
	}
}

// If the engine has died, the result is an error.
func TestBareRateOfDeadEngine(t *testing.T) {
	target := targetOf(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	target.child.tail = &stderrTail{}
	close(target.child.done)
	target.cfg.Command = []string{"/does/not/exist"}
	if _, err := target.bareRate(t.Context()); !errors.Is(err, sweep.ErrEngineDied) {
		t.Errorf("err = %v", err)
	}
}

func TestBatches(t *testing.T) {
	answer := `{"batch_size":8,"workers":2,"batches":[{"worker":1,"size":8,"left":"full"},{"worker":0,"size":3,"left":"delay"},{"worker":1,"size":1,"left":"no_delay"},{"worker":2,"size":4,"left":"full"}]}`
	target := targetOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.EscapedPath() != "/engine/v1/models/m%2F1/batches" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		_, _ = io.WriteString(w, answer)
	})
	got, err := target.Batches(t.Context())
	want := sweep.RecentBatches{BatchSize: 8, Workers: [][]sweep.FormedBatch{{{Size: 3, Left: sweep.LeftDelay}}, {{Size: 8, Left: sweep.LeftFull}, {Size: 1, Left: sweep.LeftIdle}}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	for _, bad := range []string{"", `{"workers":1,"batches":[{"left":"tired"}]}`, `{"workers":-1}`, `{"workers":1e9}`} {
		answer = bad
		if got, err := target.Batches(t.Context()); err == nil {
			t.Errorf("%s: %+v", bad, got)
		}
	}
	none := &Target{}
	if got, err := none.Batches(t.Context()); err != nil || got.Workers != nil {
		t.Errorf("without a child: %+v, %v", got, err)
	}
}
