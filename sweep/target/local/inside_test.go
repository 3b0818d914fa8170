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
)

// answering is a target whose child is the handler.
func answering(t *testing.T, h http.HandlerFunc) *Target {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	out := &Target{
		child:  &child{done: make(chan struct{})},
		client: newClient(strings.TrimPrefix(s.URL, "http://"), "word"),
		good:   knob.Default(knob.TorchServe),
	}
	out.info.Model.Name, out.info.Options.Rule = "m/1", knob.Eager
	t.Cleanup(out.client.close)
	return out
}

var numbers = cmp.AllowUnexported(trial.Num{})

func TestOperators(t *testing.T) {
	target := answering(t, func(w http.ResponseWriter, r *http.Request) {
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
		Settings: target.good, Options: knob.Options{Rule: knob.Eager}, Runs: 6, BatchSize: 8, RunMS: trial.NumOf(4.5),
		Operators: []trial.Operator{{Name: "Conv", Share: .75, MS: trial.NumOf(3), Calls: 20}},
	}
	if diff := cmp.Diff(want, got, numbers); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestBareRate: the rate is asked for once for each setting that matters to it,
// and is unknown where the engine refuses.
func TestBareRate(t *testing.T) {
	asked := 0
	target := answering(t, func(w http.ResponseWriter, _ *http.Request) {
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
	target.good.BatchDelay, target.good.QueueSize = 3*time.Millisecond, 7
	check(trial.NumOf(512.5), 1)
	target.good.Workers = 2
	check(trial.Num{}, 2)
	check(trial.NumOf(512.5), 3)
	b, err := target.Bare(t.Context()) // whoever asks gets a fresh answer
	want := trial.Bare{Settings: target.good, RPS: trial.NumOf(512.5), Workers: 2, BatchSize: 1, Runs: 9, RunMS: trial.NumOf(3.9)}
	if diff := cmp.Diff(want, b, numbers); diff != "" || err != nil || asked != 4 {
		t.Errorf("%v, asked %d times: -want +got\n%s", err, asked, diff)
	}
}

// A rate that was surpassed is not believed, and measured again.
func TestBareRateSurpassed(t *testing.T) {
	target := &Target{good: knob.Default(knob.TorchServe)}
	for _, tt := range []struct {
		name   string
		bare   trial.Num
		served trial.Estimate
		want   trial.Num
		kept   int
	}{
		{"most of it", trial.NumOf(100), trial.Estimate{Value: trial.NumOf(93), Low: trial.NumOf(90)}, trial.NumOf(100), 1},
		{"all of it, as far as one can tell", trial.NumOf(100), trial.Estimate{Value: trial.NumOf(101), Low: trial.NumOf(99)}, trial.NumOf(100), 1},
		{"more", trial.NumOf(100), trial.Estimate{Value: trial.NumOf(120), Low: trial.NumOf(110)}, trial.Num{}, 0},
		{"unknown", trial.Num{}, trial.Estimate{Value: trial.NumOf(120), Low: trial.NumOf(110)}, trial.Num{}, 0},
		{"nothing known", trial.Num{}, trial.Estimate{}, trial.Num{}, 1},
	} {
		target.bare = []trial.Bare{{Settings: target.good, RPS: tt.bare}}
		if got := target.believed(tt.bare, tt.served); got != tt.want || len(target.bare) != tt.kept {
			t.Errorf("%s: %v, %d kept; want %v, %d", tt.name, got, len(target.bare), tt.want, tt.kept)
		}
	}
}

// An engine that died meanwhile is an error, not an unknown rate.
func TestBareRateOfDeadEngine(t *testing.T) {
	target := answering(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	target.child.tail = &tail{}
	close(target.child.done)
	target.cfg.Command = []string{"/does/not/exist"}
	if _, err := target.bareRate(t.Context()); !errors.Is(err, sweep.ErrEngineDied) {
		t.Errorf("err = %v", err)
	}
}
