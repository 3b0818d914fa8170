// Package control is the control API: a workbench controls an engine in another process with
// it. The management listener serves it:
//
//	GET /engine/v1/info                   models, limits, machine
//	GET /engine/v1/models/{m}/settings    the settings in force
//	PUT /engine/v1/models/{m}/settings    change them while requests flow
//	GET /engine/v1/stats                  monotone counters, process usage
//	POST /engine/v1/models/{m}/operators  times of the operators
//	POST /engine/v1/models/{m}/bare       bare rate of the model
//	POST /engine/v1/models/{m}/precision  agreement of FP16 with FP32
//
// The body of PUT is a JSON object with the knobs to change. A change that is refused gets
// an error body; else the answer is JSON lines, one [Line] when each step ends. The last
// line has the settings in force. The exported types are the JSON of the answers, for
// servers and clients.
package control

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/engine/tensor"
)

// Host describes the process and the machine of the engine.
type Host struct {
	Cores    int // of the container
	MemoryMB int // likewise; 0 is unknown
	// Runtime returns the name of the runtime, "onnxruntime 1.27.0 cpu"; may be nil. Each
	// GET info calls it, because a child knows the name only after it has loaded a model.
	Runtime func() string
	// Fixed returns the knobs that this process cannot change, each with the reason; may be nil. Each
	// GET info calls it, because some are known only once the runtime is loaded.
	Fixed func() map[knob.Name]string
	// Usage measures the process; nil, or a result of nil, if it cannot be measured.
	// Several goroutines call it.
	Usage func() *Usage
}

// Usage is the CPU time and the memory of a process and of the processes of its workers since its start.
// Memory is null if the system does not report it.
type Usage struct {
	CPUSeconds   float64         `json:"cpu_seconds"` // user and system, of all threads
	RSSBytes     monitor.Reading `json:"rss_bytes"`
	PeakRSSBytes monitor.Reading `json:"peak_rss_bytes"`
}

// Info answers GET info.
type Info struct {
	Cores    int     `json:"cores"`
	MemoryMB int     `json:"memory_mb"`
	Runtime  string  `json:"runtime"`
	Models   []Model `json:"models"` // by name
	// Fixed has the knobs that cannot be changed, each with the reason.
	Fixed map[knob.Name]string `json:"fixed,omitempty"`
}

// Model is one served model.
type Model struct {
	Name      string        `json:"name"`
	Version   string        `json:"version"`
	Source    string        `json:"source"`
	SHA256    string        `json:"sha256"`
	BatchAxis bool          `json:"batch_axis"`
	BatchWhy  string        `json:"batch_why"`
	Inputs    []tensor.Spec `json:"inputs"`
	Outputs   []tensor.Spec `json:"outputs"`
	Images    string        `json:"images,omitempty"` // how images become the inputs; "" if none is an image
	// Backend runs the model: onnx, python or simulated.
	Backend string `json:"backend,omitempty"`
	// Handler is that of the model's archive, which only the backend python runs itself; "" if it is no archive.
	Handler string `json:"handler,omitempty"`
	// Warnings are what people should know about the model.
	Warnings []string `json:"warnings,omitempty"`
	// Padding says how rows of different lengths are padded, or why not; "" if nobody asked.
	Padding string  `json:"padding,omitempty"`
	Padded  bool    `json:"padded,omitempty"`
	Buckets []int64 `json:"buckets,omitempty"`
	// LoadLengths has the sizes of made requests in open dimensions, by input.
	LoadLengths map[string]string `json:"load_lengths,omitempty"`

	// Simulated means that the answers say nothing about the model.
	Simulated bool `json:"simulated,omitempty"`

	Settings knob.Settings `json:"settings"`
	Options  knob.Options  `json:"options"`
	Limits   Limits        `json:"limits"`
}

// Limits is knob.Limits in JSON. Our engine has the seven knobs and no others, and
// tells them all.
type Limits struct {
	Rule      knob.Rule `json:"rule"`
	Cores     int       `json:"cores"`
	BatchAxis bool      `json:"batch_axis"`
	BatchWhy  string    `json:"batch_why"`

	Places   []knob.Place   `json:"places,omitempty"`
	NoPlaces []knob.NoPlace `json:"no_places,omitempty"`
}

// limitsOf is what the engine allows as the answer has it.
func limitsOf(l knob.Limits) Limits {
	return Limits{Rule: l.Rule, Cores: l.Cores, BatchAxis: l.BatchAxis, BatchWhy: l.BatchWhy, Places: l.Places, NoPlaces: l.NoPlaces}
}

// Knob returns the limits for package knob.
func (l Limits) Knob() knob.Limits {
	return knob.Limits{Rule: l.Rule, Cores: l.Cores, BatchAxis: l.BatchAxis, BatchWhy: l.BatchWhy, Places: l.Places, NoPlaces: l.NoPlaces}
}

// Stats answers GET stats. The default version of a model has the name of the model, and any
// other one NAME/VERSION. Process is null if it cannot be measured.
type Stats struct {
	Models  map[string]engine.Stats `json:"models"`
	Process *Usage                  `json:"process"`
}

// Line is one line of the answer to a PUT of settings: a finished step, or the last line
// with Applied, or with Error and the settings that were Kept.
type Line struct {
	Step    string         `json:"step,omitempty"`
	MS      float64        `json:"ms"` // of the step, or of the whole change in the last line
	Applied *knob.Settings `json:"applied,omitempty"`
	Error   string         `json:"error,omitempty"`
	Kept    *knob.Settings `json:"kept,omitempty"`
}

// TypeLines is the content type of JSON lines.
const TypeLines = "application/x-ndjson"

// API serves the control routes. It is safe for concurrent use.
type API struct {
	engine   *engine.Engine
	host     Host
	mux      *http.ServeMux
	changing chan struct{} // semaphore of capacity 1 for changes, so that no partial change is lost
}

// New returns the control API of e on host.
func New(e *engine.Engine, host Host) *API {
	a := &API{engine: e, host: host, mux: http.NewServeMux(), changing: make(chan struct{}, 1)}
	a.route("/engine/v1/info", methods{http.MethodGet: a.info})
	a.route("/engine/v1/stats", methods{http.MethodGet: a.stats})
	a.route("/engine/v1/models/{m}/settings", methods{http.MethodGet: a.settings, http.MethodPut: a.change})
	a.route("/engine/v1/models/{m}/batches", methods{http.MethodGet: a.batches})
	a.route("/engine/v1/models/{m}/operators", methods{http.MethodPost: a.operators})
	a.route("/engine/v1/models/{m}/bare", methods{http.MethodPost: a.bare})
	a.route("/engine/v1/models/{m}/precision", methods{http.MethodPost: a.precision})
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { wire.Fail(w, wire.NoRoute(r)) })
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// methods are the handlers of a route by HTTP method. A handler that returns an error has
// written nothing.
type methods map[string]func(http.ResponseWriter, *http.Request) error

func (a *API) route(pattern string, by methods) {
	allowed := strings.Join(slices.Sorted(maps.Keys(by)), ", ")
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		serve, ok := by[r.Method]
		if !ok {
			w.Header().Set("Allow", allowed)
			wire.Fail(w, wire.Errorf(http.StatusMethodNotAllowed, wire.MethodNotAllowed, "%s does not take %s; it takes %s", r.URL.Path, r.Method, allowed))
			return
		}
		if err := serve(w, r); err != nil {
			wire.Fail(w, err)
		}
	})
}

func (a *API) info(w http.ResponseWriter, _ *http.Request) error {
	out := Info{Cores: a.host.Cores, MemoryMB: a.host.MemoryMB, Models: []Model{}}
	if a.host.Fixed != nil {
		out.Fixed = a.host.Fixed()
	}
	if a.host.Runtime != nil {
		out.Runtime = a.host.Runtime()
	}
	for _, s := range a.engine.Services() {
		out.Models = append(out.Models, describe(s))
	}
	wire.JSON(w, http.StatusOK, out)
	return nil
}

func describe(s *engine.ModelService) Model {
	m, c := s.Model(), s.Config()
	out := Model{
		Name: m.Name, Version: m.Version, Source: m.Source, SHA256: m.SHA256,
		BatchAxis: m.BatchAxis, BatchWhy: m.BatchWhy, Inputs: m.Inputs, Outputs: m.Outputs, Images: imagesOf(m),
		Backend: m.Backend, Handler: m.ArchiveHandler,
		Warnings: m.Warnings, Padding: m.PadWhy, LoadLengths: m.LoadLengths, Simulated: s.Simulated(),
		Settings: c.Settings, Options: c.Options, Limits: limitsOf(s.Limits()),
	}
	if m.Padding != nil {
		out.Padded, out.Buckets = true, m.Padding.Buckets
	}
	return out
}

// imagesOf describes how images become the inputs of m; "" if none is an image.
func imagesOf(m *engine.Model) string {
	switch h := m.Handler.(type) {
	case nil:
		return handler.ImageOptions{}.Describe(m.Inputs)
	case *handler.Tensors:
		return h.Images.Describe(m.Inputs)
	case interface{ Images() string }:
		return h.Images()
	}
	return ""
}

func (a *API) stats(w http.ResponseWriter, _ *http.Request) error {
	out := Stats{Models: map[string]engine.Stats{}}
	for _, s := range a.engine.Services() {
		m := s.Model()
		key := m.Name
		if m.Version != a.engine.Default(m.Name) {
			key += "/" + m.Version
		}
		out.Models[key] = s.Stats()
	}
	if a.host.Usage != nil {
		out.Process = a.host.Usage()
	}
	wire.JSON(w, http.StatusOK, out)
	return nil
}

func (a *API) find(r *http.Request) (*engine.ModelService, error) {
	s, err := a.engine.Find(r.PathValue("m"), "")
	if err != nil {
		return nil, wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "Model not found: %s", r.PathValue("m"))
	}
	return s, nil
}

func (a *API) settings(w http.ResponseWriter, r *http.Request) error {
	s, err := a.find(r)
	if err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, s.Config().Settings)
	return nil
}

// ms is d in milliseconds, rounded to whole microseconds.
func ms(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}
