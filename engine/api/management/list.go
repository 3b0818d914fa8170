package management

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// maxPage is the largest and the default number of models in one answer.
const maxPage = 100

// page is the answer to GET /models.
type page struct {
	NextPageToken string      `json:"nextPageToken,omitempty"`
	Models        []modelItem `json:"models"`
}

type modelItem struct {
	ModelName string `json:"modelName"`
	ModelURL  string `json:"modelUrl"`
}

// List answers GET /models: the default versions by name. Its parameters are limit and
// next_page_token.
func (a *API) List(given Parameters) (Answer, error) {
	p := &params{values: given}
	const most = 1 << 31
	limit, first := p.number("limit", maxPage, -most, most), p.number("next_page_token", 0, -most, most)
	if p.err != nil {
		return Answer{}, p.err
	}
	if limit < 1 || limit > maxPage {
		limit = maxPage // as in TorchServe
	}
	all := []modelItem{}
	for _, s := range a.engine.Services() {
		if m := s.Model(); m.Version == a.engine.Default(m.Name) {
			all = append(all, modelItem{m.Name, m.Source})
		}
	}
	first = min(max(first, 0), len(all))
	last := min(first+limit, len(all))
	out := page{Models: all[first:last]}
	if last < len(all) {
		out.NextPageToken = strconv.Itoa(last)
	}
	return Answer{http.StatusOK, out}, nil
}

// description describes a version. The fields and their order are TorchServe's; Status is
// set only if the version is not ready.
type description struct {
	ModelName               string         `json:"modelName"`
	ModelVersion            string         `json:"modelVersion"`
	ModelURL                string         `json:"modelUrl"`
	Runtime                 string         `json:"runtime"`
	MinWorkers              int            `json:"minWorkers"`
	MaxWorkers              int            `json:"maxWorkers"`
	BatchSize               int            `json:"batchSize"`
	MaxBatchDelay           float64        `json:"maxBatchDelay"` // ms
	ResponseTimeout         int            `json:"responseTimeout"`
	StartupTimeout          int            `json:"startupTimeout"`
	MaxRetryTimeoutInSec    int            `json:"maxRetryTimeoutInSec"`
	ClientTimeoutInMills    int            `json:"clientTimeoutInMills"`
	ParallelType            string         `json:"parallelType"`
	ParallelLevel           int            `json:"parallelLevel"`
	DeviceType              string         `json:"deviceType"`
	DeviceIDs               []int          `json:"deviceIds,omitempty"`
	ContinuousBatching      bool           `json:"continuousBatching"`
	UseJobTicket            bool           `json:"useJobTicket"`
	UseVenv                 bool           `json:"useVenv"`
	Stateful                bool           `json:"stateful"`
	SequenceMaxIdleMSec     int            `json:"sequenceMaxIdleMSec"`
	SequenceTimeoutMSec     int            `json:"sequenceTimeoutMSec"`
	MaxNumSequence          int            `json:"maxNumSequence"`
	MaxSequenceJobQueueSize int            `json:"maxSequenceJobQueueSize"`
	Status                  string         `json:"status,omitempty"`
	LoadedAtStartup         bool           `json:"loadedAtStartup"`
	Workers                 []workerItem   `json:"workers"`
	JobQueueStatus          jobQueueStatus `json:"jobQueueStatus"`
	CustomizedMetadata      *metadata      `json:"customizedMetadata,omitempty"`
}

type workerItem struct {
	ID          string `json:"id"`
	StartTime   string `json:"startTime"`
	Status      string `json:"status"`
	MemoryUsage int64  `json:"memoryUsage"` // of the worker's process, or of the one that all workers share
	PID         int    `json:"pid"`
	GPU         bool   `json:"gpu"`
	GPUUsage    string `json:"gpuUsage"`
}

type jobQueueStatus struct {
	RemainingCapacity int `json:"remainingCapacity"`
	PendingRequests   int `json:"pendingRequests"`
}

// metadata is what the model says about itself.
type metadata struct {
	Inputs    []tensor.Spec `json:"inputs"`
	Outputs   []tensor.Spec `json:"outputs"`
	BatchAxis bool          `json:"batch_axis"`
	BatchWhy  string        `json:"batch_why"`
	Images    string        `json:"images,omitempty"`
	SHA256    string        `json:"sha256,omitempty"`
	Warnings  []string      `json:"warnings,omitempty"`
}

// Describe answers GET /models/{model}[/{version}|/all]. version is "" for the default one. Its
// parameter is customized.
func (a *API) Describe(name, version string, given Parameters) (Answer, error) {
	p := &params{values: given}
	customized := p.flag("customized", false)
	if p.err != nil {
		return Answer{}, p.err
	}
	var out []description
	if version == "all" {
		for _, s := range a.engine.Services() {
			if s.Model().Name == name {
				out = append(out, a.describeOne(s, customized))
			}
		}
		version = ""
	}
	if out == nil {
		s, err := a.find(name, version)
		if err != nil {
			return Answer{}, err
		}
		out = append(out, a.describeOne(s, customized))
	}
	return Answer{http.StatusOK, out}, nil
}

// firstWorkerID is TorchServe's id of the first worker, its port.
const firstWorkerID = 9000

// describeOne describes a version.
func (a *API) describeOne(s *engine.ModelService, customized bool) description {
	m, c, stats := s.Model(), s.Config(), s.Stats()
	d := description{
		ModelName: m.Name, ModelVersion: m.Version, ModelURL: m.Source, Runtime: m.Backend,
		BatchSize: c.BatchSize, MaxBatchDelay: c.DelayMS(),
		ResponseTimeout: int(m.RunTime / time.Second), StartupTimeout: int(a.cfg.StartupTime / time.Second),
		LoadedAtStartup: true, Workers: []workerItem{},
		JobQueueStatus: jobQueueStatus{max(0, c.QueueSize-stats.Queue), stats.Queue},
	}
	d.MinWorkers, d.MaxWorkers = s.Bounds()
	a.mu.Lock()
	if g, ok := a.registered[s]; ok {
		d.LoadedAtStartup, d.StartupTimeout = false, int(g.startupTime/time.Second)
	}
	a.mu.Unlock()
	switch state := s.State(); {
	case state == engine.Failed:
		d.Status = "failed: " + s.LoadError().Error()
	case state != engine.Ready:
		d.Status = state.String()
	}
	var gpu bool
	d.DeviceType, d.DeviceIDs, gpu = device(c.Device)
	for _, info := range s.Workers() {
		d.Workers = append(d.Workers, a.worker(info, gpu))
	}
	if customized {
		d.CustomizedMetadata = metadataOf(m)
	}
	return d
}

// device splits a device such as gpu:1 into TorchServe's type and ids.
func device(name string) (kind string, ids []int, gpu bool) {
	if name == "" || name == "cpu" {
		return "cpu", nil, false
	}
	_, id, ok := strings.Cut(name, ":")
	if n, err := strconv.Atoi(id); ok && err == nil {
		ids = []int{n}
	}
	return "gpu", ids, true
}

func (a *API) worker(info engine.WorkerInfo, gpu bool) workerItem {
	w := workerItem{
		ID: strconv.Itoa(firstWorkerID - 1 + info.ID), StartTime: info.Started.UTC().Format("2006-01-02T15:04:05.000Z"),
		Status: "LOADING", PID: os.Getpid(), GPU: gpu, GPUUsage: "N/A",
	}
	if info.Ready {
		w.Status = "READY"
	}
	if info.PID != 0 {
		w.PID = info.PID
	}
	if a.cfg.RSS != nil {
		w.MemoryUsage = a.cfg.RSS(info.PID)
	}
	return w
}

func metadataOf(m *engine.Model) *metadata {
	d := &metadata{
		Inputs: slices.Clip(m.Inputs), Outputs: slices.Clip(m.Outputs), BatchAxis: m.BatchAxis, BatchWhy: m.BatchWhy, SHA256: m.SHA256, Warnings: m.Warnings,
	}
	switch h := m.Handler.(type) {
	case *handler.Tensors:
		d.Images = h.Images.Describe(m.Inputs)
	case interface{ Images() string }:
		d.Images = h.Images()
	}
	return d
}
