package main

import (
	"bytes"
	"context"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"sweetspot/sweep/load"
)

// soakPayloadDistance is the smallest distance of the answers of a model to two
// payloads.
const soakPayloadDistance = .02

// soakCounts counts the outcomes of requests.
type soakCounts struct {
	requestCounts
	ok        int
	abandoned int // the client closed the connection before the answer
}

func (c *soakCounts) add(o soakCounts) {
	c.requestCounts.add(o.requestCounts)
	c.ok += o.ok
	c.abandoned += o.abandoned
}

// soakClients send to one model at random times. They abandon a third of the
// requests: half of these before the answer, half in the middle of the body.
type soakClients struct {
	address  string
	payloads *payloadSet
	http     *http.Client
	stopped  chan struct{} // closed by stop; nothing is sent after it
	wg       sync.WaitGroup

	mu    sync.Mutex // guards count
	count soakCounts
}

// startSoakClients sends until stop is called or ctx ends.
func startSoakClients(ctx context.Context, address string, m *soakedModel, seed uint64) *soakClients {
	c := &soakClients{
		address: address, payloads: m.payloads, stopped: make(chan struct{}),
		http: &http.Client{Timeout: answerTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
	}
	plan := load.Plan(load.Spec{Mode: load.Open, Rate: m.rate}, seed, full.limit, 0)
	c.wg.Go(func() { c.send(ctx, plan, rand.New(rand.NewPCG(seed, 8))) })
	return c
}

func (c *soakClients) send(ctx context.Context, plan []time.Duration, rng *rand.Rand) {
	callAtTimes(ctx, plan, c.stopped, func() {
		id, timeout := rng.IntN(len(c.payloads.bodies)), time.Duration(rng.IntN(100))*time.Millisecond
		switch rng.IntN(6) {
		case 0:
			c.wg.Go(func() { c.abandon(ctx, id, timeout) })
		case 1:
			c.wg.Go(func() { c.abandonUpload(ctx, id) })
		default:
			c.wg.Go(func() { c.sendOne(ctx, id) })
		}
	})
}

// sendOne sends a request and waits for its answer. The answer is correct if it is
// nearest to that of its payload, with any error, because precisions change answers
// by more than half of soakPayloadDistance.
func (c *soakClients) sendOne(ctx context.Context, id int) {
	status, answer, err := post(ctx, c.http, c.address, c.payloads.bodies[id])
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count.count(c.payloads, id, math.Inf(1), status, answer, err) {
		c.count.ok++
	}
}

// abandon sends a request and closes the connection after timeout.
func (c *soakClients) abandon(ctx context.Context, id int, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, _, _ = post(ctx, c.http, c.address, c.payloads.bodies[id]) // an answer in time is possible too
	c.countAbandoned()
}

// abandonUpload sends half of a body and closes the connection.
func (c *soakClients) abandonUpload(ctx context.Context, id int) {
	defer c.countAbandoned()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, nil)
	if err != nil {
		return
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", req.URL.Host)
	if err != nil {
		return
	}
	defer conn.Close()
	data := c.payloads.bodies[id].Data
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(data[:len(data)/2])), int64(len(data))
	req.Header.Set("Content-Type", c.payloads.bodies[id].Type)
	_ = req.Write(conn) // fails, because the body is shorter than its length
}

func (c *soakClients) countAbandoned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.sent++
	c.count.abandoned++
}

// stop ends sending, waits for the answers, and returns the counts.
func (c *soakClients) stop() soakCounts {
	close(c.stopped)
	c.wg.Wait()
	c.http.CloseIdleConnections()
	return c.count
}
