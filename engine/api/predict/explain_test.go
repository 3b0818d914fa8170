package predict_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// slow is echo with batches that take 10 ms.
type slow struct{ echo }

func (s slow) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return s, nil
}

func (s slow) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	time.Sleep(10 * time.Millisecond)
	return s.echo.Run(ctx, in, out)
}

// loadSlow serves a model of n numbers that returns them.
func loadSlow(t testing.TB, n int64, queue, batch int) (*engine.Engine, *engine.ModelService, *predict.Predictor) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"slow": slow{}}, Cores: 2})
	x := []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{n}}}
	c := config(queue)
	c.BatchSize = batch
	if err := e.Load(t.Context(), &engine.Model{Name: "m", Version: "1.0", Backend: "slow", BatchAxis: true, Inputs: x, Outputs: x}, c); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	return e, s, predict.New(e)
}

// ones is a body of n ones.
func ones(n int) payload.Body {
	return payload.Body{Type: "application/json", Data: []byte("[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]")}
}

func explainOnce(ctx context.Context, s *predict.Predictor, query string, b payload.Body) (predict.Reply, error) {
	var p predict.Prediction
	if err := s.Begin(&p, "m", "", ""); err != nil {
		return predict.Reply{}, err
	}
	if err := p.PrepareExplanation(query); err != nil {
		return predict.Reply{}, err
	}
	r, _, err := p.Explain(ctx, b, predict.Options{})
	return r, err
}

// While explanations run, predictions find room in the queue: all of as many callers as the queue has beside
// the explanations are answered. A third explanation is refused, and says so.
func TestExplainBesidePredictions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, queue = 64, 16
		e, s, p := loadSlow(t, n, queue, 4)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				r, err := explainOnce(t.Context(), p, "target=5", ones(n))
				var got []float64
				if err == nil {
					err = json.Unmarshal(r.Body, &got)
				}
				for i, v := range got {
					if want := map[bool]float64{true: 1}[i == 5]; v != want {
						t.Errorf("element %d: %v, want %v", i, v, want)
					}
				}
				if err != nil || len(got) != n {
					t.Errorf("explanation: %d numbers, %v", len(got), err)
				}
			})
		}
		time.Sleep(15 * time.Millisecond) // both run
		if _, err := explainOnce(t.Context(), p, "", ones(n)); !isKind(err, predict.Busy) || !strings.Contains(err.Error(), "2 explanations are running") {
			t.Errorf("a third explanation: %v", err)
		}
		for range queue / 2 {
			wg.Go(func() {
				for range 10 {
					var q predict.Prediction
					if err := p.Begin(&q, "m", "", ""); err != nil {
						t.Error(err)
					}
					if _, _, err := q.Run(t.Context(), ones(n), predict.Options{}); err != nil {
						t.Errorf("a prediction beside explanations: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if st := s.Stats(); st.Refused != 0 || st.Queue != 0 || st.OK != 2*(n+1)+queue/2*10 {
			t.Errorf("stats: %+v", st)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func isKind(err error, k predict.Kind) bool {
	e, ok := errors.AsType[*predict.Error](err)
	return ok && e.Kind == k
}

// When its caller leaves or its time is over, the rows of an explanation leave the queue, and another one may begin.
func TestExplainCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s, p := loadSlow(t, 64, 16, 1)
		for _, tt := range []struct {
			kind predict.Kind
			with func(context.Context) (context.Context, context.CancelFunc)
		}{
			{predict.Expired, func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 105*time.Millisecond)
			}},
			{predict.Cancelled, func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(105*time.Millisecond, cancel)
				return ctx, cancel
			}},
		} {
			ctx, cancel := tt.with(t.Context())
			before := s.Stats().OK
			if _, err := explainOnce(ctx, p, "", ones(64)); !isKind(err, tt.kind) {
				t.Errorf("%v: %v", tt.kind, err)
			}
			cancel()
			time.Sleep(time.Second) // for a batch that was running
			if st := s.Stats(); st.Queue != 0 || st.InFlight != 0 || st.OK-before > 12 {
				t.Errorf("%v: %d waiting, %d in flight, %d ran", tt.kind, st.Queue, st.InFlight, st.OK-before)
			}
		}
		if _, err := explainOnce(t.Context(), p, "", ones(64)); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An explanation that finds no room in the queue for long is refused with what to do.
func TestExplainWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s, p := loadSlow(t, 8, 5, 1)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 { // one runs, and three wait: more than half of the queue
			wg.Go(func() {
				for ctx.Err() == nil {
					if _, _, err := s.Submit(ctx, tensor.Item{{Type: tensor.Float32, Shape: []int64{8}, Data: make([]byte, 32)}}); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(25 * time.Millisecond)
		_, err := explainOnce(ctx, p, "", ones(8))
		if !isKind(err, predict.Busy) || !strings.Contains(err.Error(), "no room for the explanation for 10s, after 1 forward passes") {
			t.Errorf("without room: %v", err)
		}
		stop()
		wg.Wait()
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The words of a text have the change of the score without them, whose pairs are replaced too.
func TestExplainWords(t *testing.T) {
	v, err := torchserve.ParseVocabulary([]byte(`["<unk>", "good", "film", "good film"]`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		envelope                torchserve.Envelope
		query, media, body, out string
	}{
		{torchserve.None, "target=1", "text/plain", "Good, film!", `{"importances":[0,2],"words":["good","film"]}`},
		{torchserve.None, "target=2", "text/plain", "good film", `{"importances":[3,3],"words":["good","film"]}`},
		{torchserve.KServe, "", "application/json", `{"instances":[{"data":"good film","target":0}]}`, `{"explanations":[{"importances":[1,0],"words":["good","film"]}]}`},
		{torchserve.JSON, "target=0&baseline=2", "application/json", `{"instances":["good film"]}`, `{"predictions":[{"importances":[-1,0],"words":["good","film"]}]}`},
		{torchserve.None, "target=2&answer=details", "text/plain", "good film", `{"method":"ablation","input":"ids","output":"y","target":[2],"score":3,"baseline":0,"passes":3,"importances":[3,3],"words":["good","film"]}`},
	} {
		e := engine.New(engine.Options{Backends: map[string]engine.Backend{"echo": echo{}}, Cores: 2})
		m := &engine.Model{
			Name: "m", Version: "1.0", Backend: "echo", BatchAxis: true,
			Inputs:  []tensor.Spec{{Name: "ids", Type: tensor.Int64, Shape: []int64{-1}}},
			Outputs: []tensor.Spec{{Name: "y", Type: tensor.Float32, Shape: []int64{3}}},
			Handler: torchserve.New(&torchserve.TextClassifier{Vocabulary: v}, torchserve.Config{Envelope: tt.envelope}),
		}
		if err := m.Handler.Initialize(t.Context(), m.Inputs, m.Outputs); err != nil {
			t.Fatal(err)
		}
		if err := e.Load(t.Context(), m, config(8)); err != nil {
			t.Fatal(err)
		}
		r, err := explainOnce(t.Context(), predict.New(e), tt.query, payload.Body{Type: tt.media, Data: []byte(tt.body)})
		if err != nil || string(r.Body) != tt.out+"\n" {
			t.Errorf("%v %s: %s %v", tt.envelope, tt.query, r.Body, err)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
