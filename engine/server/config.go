package server

import (
	"crypto/tls"
	"log/slog"
	"math"
	"time"

	"sweetspot/engine/api/control"
	"sweetspot/engine/api/management"
	"sweetspot/engine/api/metrics"
	"sweetspot/engine/api/token"
	"sweetspot/engine/monitor"
)

// The defaults of Config.
const (
	DefaultInference      = "127.0.0.1:8080"
	DefaultManagement     = "127.0.0.1:8081"
	DefaultMetrics        = "127.0.0.1:8082"
	DefaultGRPC           = "127.0.0.1:7070"
	DefaultGRPCManagement = "127.0.0.1:7071"
	DefaultMetricsLog     = "logs"
	DefaultMaxRequestSize = 6553500 // TorchServe's max_request_size
	DefaultBodyTime       = 30 * time.Second
	DefaultWriteTime      = 30 * time.Second
	DefaultIdleTime       = 2 * time.Minute
	DefaultDrainTime      = 10 * time.Second
)

// The default of RequestMemory: a part of the container's memory, because models need the
// rest, and at least a number of bodies of the largest size.
const (
	memoryDivisor = 4
	minBodies     = 16
)

// Config has the addresses and the limits of a server. The zero value has TorchServe's
// addresses for inference and management, no tokens and no metrics listener.
type Config struct {
	// Inference is host:port, where port 0 is any free port, http://host:port, https://host:port
	// or unix:/path; "" is DefaultInference.
	Inference  string
	Management string // likewise; also serves the control API
	Metrics    string // likewise, but "" is no metrics listener
	GRPC       GRPC
	// MetricsOptional: if the metrics address is in use, the server warns and has no metrics
	// listener. It is for a default address, which another server of the machine may have.
	MetricsOptional bool
	Tokens          *token.Tokens // nil: no key is needed; Open writes their file
	TLS             *tls.Config   // of https addresses; see TLS
	CORS            CORS          // which web pages may use the server
	Host            control.Host  // for the control API; a nil Usage measures this process

	Models      management.Config // how requests may manage models
	MetricsMode metrics.Mode
	MetricsWith MetricsWith
	MetricsLog  string // folder of the log files of the modes log and legacy; "" is DefaultMetricsLog

	Version string // of the program, for descriptions of the server; "" is unknown

	AccessLog string // folder of TorchServe's access_log.log; "" is none

	// MaxRequestSize is the largest body of a prediction in bytes; larger ones get 413. 0 is
	// DefaultMaxRequestSize, and more for models whose inputs have more bytes.
	MaxRequestSize  int64
	MaxResponseSize int64         // largest answer of a prediction in bytes; larger ones get 500. 0 is no limit
	RequestMemory   int64         // bytes of all requests that are being read and decoded; more gets 503
	BodyTime        time.Duration // longest time for a body to arrive; then 408. Also for the rest of a refused body
	WriteTime       time.Duration // longest time in which a client reads nothing of its answer
	IdleTime        time.Duration // longest time between two requests of a connection
	DrainTime       time.Duration // longest wait for running requests at the end

	Log *slog.Logger // nil discards

	raised bool // MaxRequestSize is the default, which models raise
}

// GRPC has the addresses of gRPC. The zero value has none.
type GRPC struct {
	Inference  string // host:port or unix:/path; "" is no listener
	Management string // likewise
	// InferenceOptional and ManagementOptional: as MetricsOptional.
	InferenceOptional, ManagementOptional bool
	Secure                                bool // TLS; also https:// addresses have it
	InferenceAge, ManagementAge           Age
}

// Age is the time after which a connection is closed when its calls are answered, and the
// longest wait for them; 0 is no limit.
type Age struct{ Max, Grace time.Duration }

// MetricsWith says which of TorchServe's metrics there are.
type MetricsWith struct {
	metrics.Selection
	NoSystem bool          // none of the machine
	Interval time.Duration // of those of the machine in log files; 0 is a minute
}

// withDefaults sets the defaults of zero fields.
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
	orString(&c.MetricsLog, DefaultMetricsLog)
	orTime(&c.BodyTime, DefaultBodyTime)
	orTime(&c.WriteTime, DefaultWriteTime)
	orTime(&c.IdleTime, DefaultIdleTime)
	orTime(&c.DrainTime, DefaultDrainTime)
	if c.MaxRequestSize == 0 {
		c.MaxRequestSize, c.raised = DefaultMaxRequestSize, true
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
	if c.Models.Log == nil {
		c.Models.Log = c.Log
	}
	if c.Models.RSS == nil {
		c.Models.RSS = residentMemory
	}
	return c
}

// requestMemory is the default of RequestMemory for the memory of the container.
func requestMemory(container, maxRequest int64) int64 {
	if maxRequest > math.MaxInt64/minBodies {
		return math.MaxInt64
	}
	return max(container/memoryDivisor, minBodies*maxRequest)
}

// residentMemory is the resident memory of a process in bytes, of this one if the ID is 0; 0 is
// unknown.
func residentMemory(pid int) int64 {
	u, err := monitor.UsageOf(pid)
	if err != nil {
		return 0
	}
	rss, _ := u.RSSBytes.Get()
	return int64(rss)
}

// usage measures this process and the workers that it has started; nil if the system does not support
// it.
func usage() *control.Usage {
	u, err := monitor.TreeUsage()
	if err != nil {
		return nil
	}
	return &control.Usage{CPUSeconds: u.CPU.Seconds(), RSSBytes: u.RSSBytes, PeakRSSBytes: u.PeakRSSBytes}
}
