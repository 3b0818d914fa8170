package torchserve_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sweetspot/engine/torchservetest"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
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

// TestRealTorchServeFleet changes, measures and restores two real TorchServes behind one inference address.
func TestRealTorchServeFleet(t *testing.T) {
	torchservetest.Find(t)
	store := t.TempDir()
	torchservetest.Archive(t, store, "m", "1.0", "")
	c := torchserve.Config{Bodies: []load.Body{{Type: "application/octet-stream", Data: []byte("abc")}}}
	var servers []*torchservetest.Server
	var inference, before []string
	inForce := func(s *torchservetest.Server) string {
		all, err := s.Describe(t.Context(), "m")
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return fmt.Sprint(all[0]["minWorkers"], all[0]["maxWorkers"], all[0]["batchSize"], all[0]["maxBatchDelay"], len(all[0]["workers"].([]any)))
	}
	for range 2 {
		s, err := torchservetest.Start(t, torchservetest.Options{
			Store: store, Config: "load_models=m\nmodels={\"m\":{\"1.0\":{\"minWorkers\":1,\"maxWorkers\":1,\"batchSize\":2,\"maxBatchDelay\":20}}}\n",
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WaitReady(t.Context(), "m"); err != nil {
			t.Fatal(err)
		}
		servers, inference, before = append(servers, s), append(inference, s.Inference), append(before, inForce(s))
		c.Management, c.Metrics = append(c.Management, s.Management), append(c.Metrics, filepath.Join(s.Dir, "logs"))
	}
	c.Inference = balancer(t, inference...)
	d, err := torchserve.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Apply(t.Context(), settings(t, d, 2, 4, 5*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		if got := inForce(s); got != "2 2 4 5 2" {
			t.Errorf("in force %s", got)
		}
	}
	r, err := d.Measure(t.Context(), sweep.Measurement{
		Load: load.Spec{Concurrency: 8}, SLA: trial.SLA{Percentile: 50, Limit: time.Minute}, Max: 1000,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	})
	t.Logf("%+v, mean latency %s ms, breakdown %+v, batches %+v, %v", r.Counts, r.Latency.Mean.Text(2), r.Breakdown, r.Batches, r.Warnings)
	if err != nil || r.Counts.OK != r.Counts.Sent || !r.Breakdown.Queue.OK() || !r.Batches.Mean.OK() {
		t.Errorf("%+v, %v, %v", r.Counts, err, r.Warnings)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for i, s := range servers {
		if got := inForce(s); got != before[i] {
			t.Errorf("after Close %s, before %s", got, before[i])
		}
	}
}
