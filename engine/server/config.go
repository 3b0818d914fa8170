package server

import (
	"log/slog"
	"math"
	"time"

	"sweetspot/engine/api/control"
	"sweetspot/engine/api/token"
	"sweetspot/engine/monitor"
)

// The defaults of Config.
const (
	DefaultInference      = "127.0.0.1:8080"
	DefaultManagement     = "127.0.0.1:8081"
	DefaultMaxRequestSize = 6553500 // TorchServe's max_request_size
	DefaultBodyTime       = 30 * time.Second
	DefaultWriteTime      = 30 * time.Second
	DefaultIdleTime       = 2 * time.Minute
	DefaultDrainTime      = 10 * time.Second
)

// What requests may hold by default: a share of the container's memory, whose
// rest is the models', and at least so many bodies of the largest size.
const (
	memoryShare = 4
	leastBodies = 16
)

// Config says what a server listens on and what it bounds. The zero value is
// TorchServe's addresses without tokens.
type Config struct {
	Inference  string        // host:port; "" is DefaultInference, port 0 a free one
	Management string        // likewise; also serves the control API
	Tokens     *token.Tokens // nil asks for none; Open writes their file
	Host       control.Host  // what the control API says about the process; a Usage of nil is measured

	MaxRequestSize int64         // bytes of a prediction's body; more is 413
	RequestMemory  int64         // bytes that all requests may hold while they are read and decoded; more is 503
	BodyTime       time.Duration // longest arrival of a body; then 408
	WriteTime      time.Duration // longest stall of a client that reads its answer
	IdleTime       time.Duration // longest silence between two requests of a connection
	DrainTime      time.Duration // longest wait for requests under way at the end

	Log *slog.Logger // nil discards
}

// withDefaults fills what is zero.
func (c Config) withDefaults() Config {
	orString := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	orTime := func(t *time.Duration, d time.Duration) {
		if *t == 0 {
			*t = d
		}
	}
	orString(&c.Inference, DefaultInference)
	orString(&c.Management, DefaultManagement)
	orTime(&c.BodyTime, DefaultBodyTime)
	orTime(&c.WriteTime, DefaultWriteTime)
	orTime(&c.IdleTime, DefaultIdleTime)
	orTime(&c.DrainTime, DefaultDrainTime)
	if c.MaxRequestSize == 0 {
		c.MaxRequestSize = DefaultMaxRequestSize
	}
	if c.RequestMemory == 0 {
		memory, _ := monitor.Limits().MemoryBytes.Get() // 0 is unknown
		c.RequestMemory = requestMemory(int64(memory), c.MaxRequestSize)
	}
	if c.Host.Usage == nil {
		c.Host.Usage = usage
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// requestMemory is the default of RequestMemory in a container of so much memory.
func requestMemory(container, maxRequest int64) int64 {
	if maxRequest > math.MaxInt64/leastBodies {
		return math.MaxInt64
	}
	return max(container/memoryShare, leastBodies*maxRequest)
}

// usage reads what this process has used; nil where the system does not tell it.
func usage() *control.Usage {
	u, err := monitor.UsageOf(0)
	if err != nil {
		return nil
	}
	return &control.Usage{CPUSeconds: u.CPU.Seconds(), RSSBytes: u.RSSBytes, PeakRSSBytes: u.PeakRSSBytes}
}
