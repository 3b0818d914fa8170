package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
)

// identities are bodies whose answers tell them apart.
type identities struct {
	bodies  []handler.Body
	answers [][]float64
	apart   float64 // two answers differ by at least so much in one number
}

// How many identities there are, of how many bodies they are chosen, and how far
// their answers are apart: precisions and batches change them by far less.
const (
	identityCount = 32
	identityDraws = 400
	identityApart = .2
)

// identify asks for bodies one by one, and keeps those whose answers are at least
// so far from those of the others.
func (l *laboratory) identify(ctx context.Context, o opened, seed uint64, least float64) (*identities, error) {
	ids := &identities{apart: math.Inf(1)}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for _, b := range handler.Bodies(o.Inputs, identityDraws, seed) {
		status, answer, err := askFor(ctx, client, "http://"+l.Predict+"/predictions/"+o.Name, b)
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK {
			return nil, fmt.Errorf("a request alone is answered with status %d", status)
		}
		if _, d := ids.nearest(answer); d < least {
			continue
		}
		for _, other := range ids.answers {
			ids.apart = min(ids.apart, apart(answer, other))
		}
		ids.bodies, ids.answers = append(ids.bodies, b), append(ids.answers, answer)
		if len(ids.bodies) == identityCount {
			return ids, nil
		}
	}
	return nil, fmt.Errorf("only %d of %d bodies have answers that are %g apart, want %d", len(ids.bodies), identityDraws, least, identityCount)
}

// nearest is the identity whose answer is nearest, and how far it is.
func (ids *identities) nearest(answer []float64) (int, float64) {
	at, best := -1, math.Inf(1)
	for i, a := range ids.answers {
		if d := apart(a, answer); d < best {
			at, best = i, d
		}
	}
	return at, best
}

// String says what the identities are good for.
func (ids *identities) String(worst float64) string {
	return fmt.Sprintf("%d payloads, answers at least %s apart, off by at most %s", len(ids.bodies), judge.Number(ids.apart), judge.Number(worst))
}

// apart is the largest difference of two numbers; infinite for answers of unlike
// sizes.
func apart(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(a[i]-b[i]))
	}
	return d
}

// askFor sends one request; its answer is read as FP32.
func askFor(ctx context.Context, c *http.Client, address string, b handler.Body) (status int, answer []float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(b.Data))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", b.Type)
	req.Header.Set("Accept", handler.TypeRaw)
	res, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, tensor.Tensor{Type: tensor.Float32, Data: raw}.Numbers(), err
}

// tallied is what became of requests.
type tallied struct {
	sent, failed, lost, mixed, refused int
	duplicated                         int     // executions more than requests
	worst                              float64 // largest difference of an answer from what it should be
}

// answered counts what came of one request, whose answer is off by at most far from
// that of its identity. It tells whether it has the answer it should have.
func (t *tallied) answered(ids *identities, id int, far float64, status int, answer []float64, err error) bool {
	got, off := ids.nearest(answer)
	t.sent++
	switch {
	case err != nil:
		t.lost++
	case status == http.StatusServiceUnavailable:
		t.refused++
	case status != http.StatusOK:
		t.failed++
	case got != id || off > far:
		t.mixed++
	default:
		t.worst = max(t.worst, off)
		return true
	}
	return false
}

func (t *tallied) add(u tallied) {
	t.sent += u.sent
	t.failed += u.failed
	t.lost += u.lost
	t.mixed += u.mixed
	t.refused += u.refused
	t.duplicated += u.duplicated
	t.worst = max(t.worst, u.worst)
}

// callers are two clients that send at random times, whatever comes of it, each
// half of the rate.
type callers struct {
	address string
	ids     *identities
	http    *http.Client
	ended   chan struct{} // closed: nothing more is sent
	wg      sync.WaitGroup

	mu    sync.Mutex // guards count
	count tallied
}

// answerTime is when an answer counts as lost.
const answerTime = time.Minute

// startCallers sends until stop is called or ctx ends.
func startCallers(ctx context.Context, address string, ids *identities, rate float64, seed uint64) *callers {
	c := &callers{
		address: address, ids: ids, ended: make(chan struct{}),
		http: &http.Client{Timeout: answerTime, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
	}
	for i := range 2 {
		spec := load.Spec{Mode: load.Open, Rate: rate / 2}
		plan := load.Plan(spec, seed+uint64(i)<<32, full.limit, 0)
		c.wg.Go(func() { c.client(ctx, plan, i) })
	}
	return c
}

// client sends by a plan; its i-th request has an identity of its own turn.
func (c *callers) client(ctx context.Context, plan []time.Duration, i int) {
	atTimes(ctx, plan, c.ended, func() {
		id := i % len(c.ids.bodies)
		i += 7 // neighbours have unlike answers, and all get their turn
		c.wg.Go(func() { c.once(ctx, id) })
	})
}

// atTimes calls f at the times of a plan, until ended is closed or ctx ends.
func atTimes(ctx context.Context, plan []time.Duration, ended <-chan struct{}, f func()) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	begin := time.Now()
	for _, t := range plan {
		timer.Reset(t - time.Since(begin))
		select {
		case <-timer.C:
			f()
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (c *callers) once(ctx context.Context, id int) {
	status, answer, err := askFor(ctx, c.http, c.address, c.ids.bodies[id])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.answered(c.ids, id, c.ids.apart/2, status, answer, err)
}

// stop sends nothing more, waits for the answers, and counts.
func (c *callers) stop() tallied {
	close(c.ended)
	c.wg.Wait()
	c.http.CloseIdleConnections()
	return c.count
}
