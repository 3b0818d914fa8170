// Package metrics is the metrics listener: GET /metrics in the text format of Prometheus, with
// the names of TorchServe's metrics and, with the prefix sweetspot_, what TorchServe does not
// tell: the sizes of batches and why they were sent, the queue, rejections by reason, and
// latency histograms.
//
// Nothing is counted here. A scrape reads what the engine and the server count anyway, so that
// metrics cost a request nothing. A [Handler] is safe for concurrent use.
package metrics

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/openapi"
	"sweetspot/engine/api/wire"
)

// Mode is TorchServe's metrics_mode.
type Mode uint8

// The modes.
const (
	Prometheus Mode = iota // all metrics are at /metrics
	Log                    // none are; they are in LogFiles
	Legacy                 // only the three metrics of predictions are
)

var modeNames = [...]string{Prometheus: "prometheus", Log: "log", Legacy: "legacy"}

func (m Mode) String() string { return modeNames[m] }

// MarshalText writes the name of the mode.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the name of a mode, in any case.
func (m *Mode) UnmarshalText(b []byte) error {
	i := slices.Index(modeNames[:], strings.ToLower(string(b)))
	if i < 0 {
		return fmt.Errorf("metrics mode %q: want %s", b, strings.Join(modeNames[:], ", "))
	}
	*m = Mode(i)
	return nil
}

// Config says what is measured.
type Config struct {
	Mode     Mode
	Engine   *engine.Engine
	Answers  func() []wire.Count // of all listeners; nil is none
	Budget   *wire.Budget        // memory of requests; may be nil
	Host     func() Host         // of the machine; nil is none
	Hostname string              // "": that of the machine

	Selection Selection     // which of TorchServe's metrics there are
	Interval  time.Duration // between two lines of a metric of the machine in a log file; 0 is TorchServe's minute
}

// Handler answers the routes of the metrics listener.
type Handler struct{ cfg Config }

// New returns the handler for c.
func New(c Config) *Handler {
	if c.Hostname == "" {
		c.Hostname, _ = os.Hostname() // "" if it is unknown
	}
	return &Handler{c}
}

// ServeHTTP answers one request. As in TorchServe, every method reads the metrics.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := wire.Segments(r.URL.Path)
	switch {
	case len(s) == 0 && r.Method != http.MethodOptions:
		wire.Fail(w, wire.NotAllowed(w, r, http.MethodOptions))
	case len(s) == 0, len(s) == 1 && s[0] == "api-description":
		wire.JSON(w, http.StatusOK, openapi.Metrics())
	case len(s) == 1 && s[0] == "metrics":
		h.scrape(w, r)
	default:
		wire.Fail(w, wire.NoRoute(r))
	}
}
