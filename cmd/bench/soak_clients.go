package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
)

// soakPayloadDistance is the smallest distance of the answers of a model to two
// payloads.
const soakPayloadDistance = .02

// soakCounts counts the outcomes of requests.
type soakCounts struct {
	requestCounts        // of requests that were sent whole and waited for
	ok, slow      int    // answered; of these, those whose clients were slow
	abandoned     int    // the client closed the connection before the body or the answer was complete
	bad           int    // must be refused
	unclear       int    // bad requests that were not refused, and refusals that do not say why
	example       string // the first of these
}

func (c *soakCounts) add(o soakCounts) {
	c.requestCounts.add(o.requestCounts)
	c.ok += o.ok
	c.slow += o.slow
	c.abandoned += o.abandoned
	c.bad += o.bad
	c.unclear += o.unclear
	if c.example == "" {
		c.example = o.example
	}
}

// soakClients send to one model at random times. Of 30 requests 20 are sent whole and waited for, four of these by slow
// clients; 7 are abandoned, and 3 must be refused.
type soakClients struct {
	host, model string
	payloads    *payloadSet
	http        *http.Client
	stopped     chan struct{} // closed by stop; nothing is sent after it
	wg          sync.WaitGroup

	mu    sync.Mutex // guards count
	count soakCounts
}

// soakTimeout is how long a client waits for its answer: longer than a full queue takes on a machine that others use too.
const soakTimeout = 3 * time.Minute

// The numbers of requests of each kind among all.
const (
	soakKinds = 30
	soakWhole = 20
)

// startSoakClients sends until stop is called or ctx ends. The rate of the model is that of the requests that are sent whole.
func startSoakClients(ctx context.Context, host string, m *soakedModel, seed uint64) *soakClients {
	c := &soakClients{
		host: host, model: m.Name, payloads: m.payloads, stopped: make(chan struct{}),
		http: &http.Client{Timeout: soakTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
	}
	plan := load.Plan(load.Spec{Mode: load.Open, Rate: m.rate * soakKinds / soakWhole}, seed, soakPlan, 0)
	c.wg.Go(func() { c.send(ctx, plan, rand.New(rand.NewPCG(seed, 8))) })
	return c
}

// soakPlan is longer than the longest part.
const soakPlan = time.Hour

func (c *soakClients) send(ctx context.Context, plan []time.Duration, rng *rand.Rand) {
	callAtTimes(ctx, plan, c.stopped, func() {
		id, n := rng.IntN(len(c.payloads.bodies)), rng.IntN(1000)
		call := func(f func(context.Context, int, int)) { c.wg.Go(func() { f(ctx, id, n) }) }
		switch kind := rng.IntN(soakKinds); {
		case kind < soakWhole-4:
			call(c.sendOne)
		case kind < soakWhole-2:
			call(c.trickle)
		case kind < soakWhole:
			call(c.readSlowly)
		case kind < soakWhole+3:
			call(c.abandon)
		case kind < soakWhole+6:
			call(c.vanish)
		case kind < soakWhole+7:
			call(c.stall)
		default:
			call(c.sendBad)
		}
	})
}

// address is that of the predictions.
func (c *soakClients) address() string { return "http://" + c.host + "/predictions/" + c.model }

// soakAnswer is what a client has got.
type soakAnswer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// exchange sends a request and reads its answer.
func (c *soakClients) exchange(ctx context.Context, method, address string, b handler.Body) (a soakAnswer) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(b.Data))
	if err != nil {
		return soakAnswer{err: err}
	}
	req.Header.Set("Content-Type", b.Type)
	req.Header.Set("Accept", handler.TypeRaw)
	res, err := c.http.Do(req)
	if err != nil {
		return soakAnswer{err: err}
	}
	return readSoakAnswer(res)
}

// readSoakAnswer reads the body of an answer and closes it.
func readSoakAnswer(res *http.Response) soakAnswer {
	defer res.Body.Close()
	a := soakAnswer{status: res.StatusCode, header: res.Header}
	a.body, a.err = io.ReadAll(res.Body)
	return a
}

// reason checks that an error says what is wrong. It returns "", or what is missing.
func (a soakAnswer) reason() string {
	var e struct {
		Code          int
		Type, Message string
	}
	switch err := json.Unmarshal(a.body, &e); {
	case err != nil:
		return fmt.Sprintf("status %d with the body %.100q", a.status, a.body)
	case e.Code != a.status || e.Message == "" || e.Type == "":
		return fmt.Sprintf("status %d with the error %+v", a.status, e)
	case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "":
		return fmt.Sprintf("status 503 without Retry-After: %s", e.Message)
	}
	return ""
}

// finish counts the outcome of a request that was sent whole. The answer is correct if it is
// nearest to that of its payload, with any error, because precisions change answers
// by more than half of soakPayloadDistance.
func (c *soakClients) finish(id int, slow bool, a soakAnswer) {
	var numbers []float64
	if a.status == http.StatusOK && a.err == nil {
		numbers = tensor.Tensor{Type: tensor.Float32, Data: a.body}.Numbers()
	}
	o := outcomeOf(c.payloads, id, math.Inf(1), a.status, numbers, a.err)
	reason := ""
	if a.err == nil && a.status != http.StatusOK {
		reason = a.reason()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count.count(o) {
		c.count.ok++
		if slow {
			c.count.slow++
		}
	}
	c.unclear(reason)
}

// unclear counts a refusal that is not clear, if what is not empty. The lock is held.
func (c *soakClients) unclear(what string) {
	if what == "" {
		return
	}
	c.count.unclear++
	if c.count.example == "" {
		c.count.example = c.model + ": " + what
	}
}

// sendOne sends a request and waits for its answer.
func (c *soakClients) sendOne(ctx context.Context, id, _ int) {
	c.finish(id, false, c.exchange(ctx, http.MethodPost, c.address(), c.payloads.bodies[id]))
}

// abandon sends a request and closes the connection after up to 100 ms.
func (c *soakClients) abandon(ctx context.Context, id, n int) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(n/10)*time.Millisecond)
	defer cancel()
	c.exchange(ctx, http.MethodPost, c.address(), c.payloads.bodies[id]) // an answer in time is possible too
	c.countAbandoned()
}

func (c *soakClients) countAbandoned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.abandoned++
}

// stop ends sending, waits for the answers, and returns the counts.
func (c *soakClients) stop() soakCounts {
	close(c.stopped)
	c.wg.Wait()
	c.http.CloseIdleConnections()
	return c.count
}
