package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/api/management"
	"sweetspot/engine/knob"
	"sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// byteModel doubles one byte in a backend.
func byteModel(name, version, backend string) *engine.Model {
	one := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Uint8, Shape: []int64{1}}}
	}
	return &engine.Model{Name: name, Version: version, Source: name + ".onnx", Backend: backend, BatchAxis: true, Inputs: one("x"), Outputs: one("y")}
}

// byteStore opens NAME.onnx as a byteModel.
type byteStore struct{ cfg knob.Config }

func (s byteStore) Open(_ context.Context, r management.Registration) (management.Opened, error) {
	return management.Opened{Model: byteModel(strings.TrimSuffix(r.URL, ".onnx"), "1.0", "doubler"), Config: s.cfg}, nil
}

// call sends a request and returns the status and the body.
func call(ctx context.Context, method, url, body string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Four models, one of them with two versions, answer all requests of their clients, although a
// fifth one hangs with a full queue, a sixth one is registered and unregistered all the time,
// and one is scaled meanwhile.
func TestMixedLoad(t *testing.T) {
	held := newDoubler()
	held.held = true
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"doubler": newDoubler(), "held": held}, Cores: 4})
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	for _, m := range []*engine.Model{
		byteModel("a", "1.0", "doubler"), byteModel("a", "2.0", "doubler"), byteModel("b", "1.0", "doubler"), byteModel("c", "1.0", "doubler"), byteModel("d", "1.0", "doubler"),
		byteModel("slow", "1.0", "held"),
	} {
		if m.Name == "slow" {
			c.QueueSize = 3
		}
		if err := e.Load(t.Context(), m, c); err != nil {
			t.Fatal(err)
		}
	}
	c.QueueSize = 100
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	a, _ := serve(t, server.Config{Models: management.Config{ModelAPI: true, Opener: byteStore{c}}}, e)
	predict, manage := "http://"+a.Inference+"/predictions/", "http://"+a.Management+"/models"

	slow, service := fillQueue(t, e, held, predict+"slow")

	var clients, changes sync.WaitGroup
	done := make(chan struct{})
	const perClient = 60
	for _, path := range []string{"a", "a/1.0", "a/2.0", "b", "c", "d"} {
		clients.Go(func() {
			for i := range perClient {
				want := fmt.Sprintf("[%d]\n", 2*i)
				if status, body, err := call(t.Context(), "POST", predict+path, fmt.Sprintf("[%d]", i)); err != nil || status != 200 || body != want {
					t.Errorf("%s: %d %s %v, want %s", path, status, body, err, want)
				}
			}
		})
	}
	expect := func(method, url, body string) {
		if status, got, err := call(t.Context(), method, url, body); err != nil || status != 200 {
			t.Errorf("%s %s: %d %s %v", method, url, status, got, err)
		}
	}
	rounds := 0
	changes.Go(func() {
		for ; ; rounds++ {
			select {
			case <-done:
				return
			default:
				changeModels(expect, predict, manage, rounds)
			}
		}
	})
	clients.Wait()
	close(done)
	changes.Wait()
	if rounds == 0 {
		t.Error("nothing was registered during the load")
	}
	if n := service.Stats().Queue; n != 3 {
		t.Errorf("%d requests of the slow model wait, want 3", n)
	}
	close(held.gate)
	slow.Wait()
	checkMetrics(t, "http://"+a.Metrics+"/metrics", perClient)
}

// changeModels registers a model, uses and removes it, and changes the workers, the batch size
// and the default version of others.
func changeModels(expect func(method, url, body string), predict, manage string, round int) {
	expect("POST", manage+"?url=more.onnx&initial_workers=1", "")
	expect("POST", predict+"more", "[1]")
	expect("PUT", manage+fmt.Sprintf("/b?min_worker=%d&batch_size=%d&synchronous=true", 1+round%2, 1+round%4), "")
	expect("PUT", manage+fmt.Sprintf("/a/%d.0/set-default", 1+round%2), "")
	expect("DELETE", manage+"/more", "")
}

// fillQueue makes the model slow, which holds what it runs, take one request, and three wait;
// a further one is refused at once. The result is ended by the answers of the four.
func fillQueue(t *testing.T, e *engine.Engine, held *doubler, url string) (*sync.WaitGroup, *engine.ModelService) {
	t.Helper()
	slow := &sync.WaitGroup{}
	ask := func() {
		if status, body, err := call(t.Context(), "POST", url, "[7]"); err != nil || status != 200 || body != "[14]\n" {
			t.Errorf("slow: %d %s %v", status, body, err)
		}
	}
	slow.Go(ask)
	<-held.entered
	service, err := e.Find("slow", "")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		slow.Go(ask)
		for service.Stats().Queue != n+1 {
			if err := t.Context().Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if status, body, err := call(t.Context(), "POST", url, "[7]"); err != nil || status != 503 || !strings.Contains(body, "queue is full") {
		t.Errorf("slow with a full queue: %d %s %v", status, body, err)
	}
	return slow, service
}

// checkMetrics checks what the metrics say after TestMixedLoad.
func checkMetrics(t *testing.T, url string, perClient int) {
	t.Helper()
	_, text, err := call(t.Context(), "GET", url, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf(`sweetspot_rows_total{model="c",outcome="ok",version="1.0"} %d`, perClient),
		fmt.Sprintf(`sweetspot_rows_total{model="d",outcome="ok",version="1.0"} %d`, perClient),
		`sweetspot_rejections_total{model="slow",reason="queue_full",version="1.0"} 1`,
		`sweetspot_rows_total{model="slow",outcome="ok",version="1.0"} 4`,
		`sweetspot_http_responses_total{code="503",route="predictions"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}
