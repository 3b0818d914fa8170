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

// payloadSet is a set of bodies with distinguishable answers.
type payloadSet struct {
	bodies      []handler.Body
	answers     [][]float64
	minDistance float64 // the smallest distance of two answers
}

// The size of a payloadSet, the number of bodies from which it is chosen, and the
// smallest distance of its answers. Precisions and batches change an answer by
// much less.
const (
	payloadCount      = 32
	payloadCandidates = 400
	payloadDistance   = .2
)

// choosePayloads posts bodies one by one, and keeps those whose answers have at
// least minDistance from all others.
func (srv *modelServer) choosePayloads(ctx context.Context, o openedModel, seed uint64, minDistance float64) (*payloadSet, error) {
	payloads := &payloadSet{minDistance: math.Inf(1)}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for _, b := range handler.Bodies(o.Inputs, payloadCandidates, seed) {
		status, answer, err := post(ctx, client, "http://"+srv.Predict+"/predictions/"+o.Name, b)
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK {
			return nil, fmt.Errorf("a single request is answered with status %d", status)
		}
		least := math.Inf(1)
		for _, other := range payloads.answers {
			least = min(least, distance(answer, other, math.Inf(1)))
		}
		if least < minDistance {
			continue
		}
		payloads.minDistance = min(payloads.minDistance, least)
		payloads.bodies, payloads.answers = append(payloads.bodies, b), append(payloads.answers, answer)
		if len(payloads.bodies) == payloadCount {
			return payloads, nil
		}
	}
	return nil, fmt.Errorf("only %d of %d bodies have answers with a distance of %g, want %d", len(payloads.bodies), payloadCandidates, minDistance, payloadCount)
}

// nearest returns the payload with the nearest answer, and its distance. It compares with the answer of payload id first, and then
// hardly looks at the others: each comparison ends at the first number that is further away.
func (payloads *payloadSet) nearest(answer []float64, id int) (int, float64) {
	at, best := id, distance(payloads.answers[id], answer, math.Inf(1))
	for i, a := range payloads.answers {
		if d := distance(a, answer, best); d < best {
			at, best = i, d
		}
	}
	if math.IsInf(best, 1) {
		return -1, best
	}
	return at, best
}

// String describes the set and maxError, the largest error of an answer.
func (payloads *payloadSet) String(maxError float64) string {
	return fmt.Sprintf("%d payloads, distance of answers at least %s, error at most %s", len(payloads.bodies), judge.Number(payloads.minDistance), judge.Number(maxError))
}

// distance is the largest difference of two numbers of the answers; infinite if it is not below limit, or if the
// answers have different sizes.
func distance(a, b []float64, limit float64) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	d := 0.0
	for i := range a {
		if d = max(d, math.Abs(a[i]-b[i])); !(d < limit) {
			return math.Inf(1)
		}
	}
	return d
}

// post sends one request and decodes its answer as FP32.
func post(ctx context.Context, c *http.Client, address string, b handler.Body) (status int, answer []float64, err error) {
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

// requestCounts counts the outcomes of requests.
type requestCounts struct {
	sent, failed, lost, wrongAnswers, refused int
	duplicated                                int     // how many more executions than requests
	maxError                                  float64 // largest error of a correct answer
}

// answerOutcome is what has become of one request.
type answerOutcome struct {
	status  int
	err     error
	correct bool    // the answer is nearest to that of its payload, with an error of at most a tolerance
	off     float64 // the error
}

// outcomeOf compares the answer to payload id with those to all payloads. That takes long, so that it is done without a lock.
func outcomeOf(payloads *payloadSet, id int, tolerance float64, status int, answer []float64, err error) answerOutcome {
	at, off := payloads.nearest(answer, id)
	return answerOutcome{status, err, at == id && off <= tolerance, off}
}

// count counts the outcome of one request. It reports whether it has a correct answer.
func (t *requestCounts) count(o answerOutcome) bool {
	t.sent++
	switch {
	case o.err != nil:
		t.lost++
	case o.status == http.StatusServiceUnavailable:
		t.refused++
	case o.status != http.StatusOK:
		t.failed++
	case !o.correct:
		t.wrongAnswers++
	default:
		t.maxError = max(t.maxError, o.off)
		return true
	}
	return false
}

func (t *requestCounts) add(u requestCounts) {
	t.sent += u.sent
	t.failed += u.failed
	t.lost += u.lost
	t.wrongAnswers += u.wrongAnswers
	t.refused += u.refused
	t.duplicated += u.duplicated
	t.maxError = max(t.maxError, u.maxError)
}

// applyClients are two clients that send at random times, each with half of the
// rate, without waiting for answers.
type applyClients struct {
	address  string
	payloads *payloadSet
	http     *http.Client
	stopped  chan struct{} // closed by stop; nothing is sent after it
	wg       sync.WaitGroup

	mu    sync.Mutex // guards count
	count requestCounts
}

// answerTimeout is the time after which an answer is lost.
const answerTimeout = time.Minute

// startApplyClients sends until stop is called or ctx ends.
func startApplyClients(ctx context.Context, address string, payloads *payloadSet, rate float64, seed uint64) *applyClients {
	c := &applyClients{
		address: address, payloads: payloads, stopped: make(chan struct{}),
		http: &http.Client{Timeout: answerTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
	}
	for i := range 2 {
		spec := load.Spec{Mode: load.Open, Rate: rate / 2}
		plan := load.Plan(spec, seed+uint64(i)<<32, full.limit, 0)
		c.wg.Go(func() { c.client(ctx, plan, i) })
	}
	return c
}

// client sends by a plan, with payloads in turn from the i-th.
func (c *applyClients) client(ctx context.Context, plan []time.Duration, i int) {
	callAtTimes(ctx, plan, c.stopped, func() {
		id := i % len(c.payloads.bodies)
		i += 7 // all payloads are used, in another order than they were chosen
		c.wg.Go(func() { c.sendOne(ctx, id) })
	})
}

// callAtTimes calls f at the times of a plan, until ended is closed or ctx ends.
func callAtTimes(ctx context.Context, plan []time.Duration, stopped <-chan struct{}, f func()) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	begin := time.Now()
	for _, t := range plan {
		timer.Reset(t - time.Since(begin))
		select {
		case <-timer.C:
			f()
		case <-stopped:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (c *applyClients) sendOne(ctx context.Context, id int) {
	status, answer, err := post(ctx, c.http, c.address, c.payloads.bodies[id])
	o := outcomeOf(c.payloads, id, c.payloads.minDistance/2, status, answer, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.count(o)
}

// stop ends sending, waits for the answers, and returns the counts.
func (c *applyClients) stop() requestCounts {
	close(c.stopped)
	c.wg.Wait()
	c.http.CloseIdleConnections()
	return c.count
}
