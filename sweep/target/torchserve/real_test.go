package torchserve_test

import (
	"fmt"
	"testing"
	"time"

	"sweetspot/engine/torchservetest"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/torchserve"
)

// TestRealTorchServe changes a real TorchServe under live load, and restores it.
func TestRealTorchServe(t *testing.T) {
	torchservetest.Find(t)
	store := t.TempDir()
	torchservetest.Archive(t, store, "m", "1.0", "")
	o := torchservetest.Options{
		Store:  store,
		Config: "load_models=m\nmodels={\"m\":{\"1.0\":{\"minWorkers\":1,\"maxWorkers\":2,\"batchSize\":2,\"maxBatchDelay\":20}}}\n",
	}
	s, err := torchservetest.Start(t, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	inForce := func() string {
		all, err := s.Describe(t.Context(), "m")
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		v := all[0]
		return fmt.Sprint(v["minWorkers"], v["maxWorkers"], v["batchSize"], v["maxBatchDelay"], len(v["workers"].([]any)))
	}
	before := inForce()
	d, err := torchserve.Open(t.Context(), torchserve.Config{
		Management: []string{s.Management}, Inference: s.Inference, Bodies: []load.Body{{Type: "application/octet-stream", Data: []byte("abc")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	live := make(chan error, 1)
	go func() {
		live <- d.Live(t.Context(), load.Spec{Concurrency: 4}, func(all []load.Sample) {
			for _, r := range all {
				if r.Status != 200 {
					failed++
				}
			}
		})
	}()
	for _, c := range []struct {
		workers, batch int
		delay          time.Duration
		want           string
	}{{2, 2, 20 * time.Millisecond, "2 2 2 20 2"}, {2, 8, 5 * time.Millisecond, "2 2 8 5 2"}, {1, 4, time.Millisecond, "1 1 4 1 1"}} {
		time.Sleep(time.Second) // of live load
		want := settings(t, d, c.workers, c.batch, c.delay)
		done, err := d.Apply(t.Context(), want)
		t.Logf("%v took %v", done.Settings, done.Took)
		if err != nil || done.Settings != want || inForce() != c.want {
			t.Errorf("%+v, %v; in force %s, want %s", done, err, inForce(), c.want)
		}
	}
	select {
	case err := <-live:
		t.Fatalf("the live load ended: %v", err)
	default:
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := inForce(); got[:len(got)-2] != before[:len(before)-2] { // min 1, max 2 allow one or two workers
		t.Errorf("after Close %s, before %s", got, before)
	}
	if failed > 0 {
		t.Errorf("%d requests failed", failed)
	}
}
