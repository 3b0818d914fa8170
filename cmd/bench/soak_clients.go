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

// soakApart is by how much the answers of a model to two payloads differ at least.
const soakApart = .02

// soakCounts are what became of requests.
type soakCounts struct {
	tallied
	ok   int
	left int // whose clients left before the answer
}

func (c *soakCounts) add(o soakCounts) {
	c.tallied.add(o.tallied)
	c.ok += o.ok
	c.left += o.left
}

// soakClients send to one model at random times. A third leave: before the answer,
// or in the middle of their own body.
type soakClients struct {
	address string
	ids     *identities
	http    *http.Client
	ended   chan struct{} // closed: nothing more is sent
	wg      sync.WaitGroup

	mu    sync.Mutex // guards count
	count soakCounts
}

// startSoakClients sends until stop is called or ctx ends.
func startSoakClients(ctx context.Context, address string, m *soaked, seed uint64) *soakClients {
	c := &soakClients{
		address: address, ids: m.ids, ended: make(chan struct{}),
		http: &http.Client{Timeout: answerTime, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
	}
	plan := load.Plan(load.Spec{Mode: load.Open, Rate: m.rate}, seed, full.limit, 0)
	c.wg.Go(func() { c.send(ctx, plan, rand.New(rand.NewPCG(seed, 8))) })
	return c
}

func (c *soakClients) send(ctx context.Context, plan []time.Duration, rng *rand.Rand) {
	atTimes(ctx, plan, c.ended, func() {
		id, patience := rng.IntN(len(c.ids.bodies)), time.Duration(rng.IntN(100))*time.Millisecond
		switch rng.IntN(6) {
		case 0:
			c.wg.Go(func() { c.leave(ctx, id, patience) })
		case 1:
			c.wg.Go(func() { c.tear(ctx, id) })
		default:
			c.wg.Go(func() { c.once(ctx, id) })
		}
	})
}

// once waits for its answer. Precisions may change it by more than half of what the
// answers of some models are apart, so the nearest one counts.
func (c *soakClients) once(ctx context.Context, id int) {
	status, answer, err := askFor(ctx, c.http, c.address, c.ids.bodies[id])
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count.answered(c.ids, id, math.Inf(1), status, answer, err) {
		c.count.ok++
	}
}

// leave gives up after a while.
func (c *soakClients) leave(ctx context.Context, id int, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, _, _ = askFor(ctx, c.http, c.address, c.ids.bodies[id]) // an answer that came in time is one too
	c.hasLeft()
}

// tear sends half of a body and hangs up.
func (c *soakClients) tear(ctx context.Context, id int) {
	defer c.hasLeft()
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
	data := c.ids.bodies[id].Data
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(data[:len(data)/2])), int64(len(data))
	req.Header.Set("Content-Type", c.ids.bodies[id].Type)
	_ = req.Write(conn) // says that the body is short, as it is
}

func (c *soakClients) hasLeft() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.sent++
	c.count.left++
}

// stop sends nothing more, waits for the answers, and counts.
func (c *soakClients) stop() soakCounts {
	close(c.ended)
	c.wg.Wait()
	c.http.CloseIdleConnections()
	return c.count
}
