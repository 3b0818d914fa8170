package torchserve

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"sweetspot/engine/knob"
)

// description is what TorchServe says about a version of a model. Only the fields that are used
// are read.
type description struct {
	Name            string   `json:"modelName"`
	Version         string   `json:"modelVersion"`
	URL             string   `json:"modelUrl"`
	MinWorkers      int      `json:"minWorkers"`
	MaxWorkers      int      `json:"maxWorkers"`
	BatchSize       int      `json:"batchSize"`
	MaxBatchDelay   float64  `json:"maxBatchDelay"` // ms
	ResponseTimeout int      `json:"responseTimeout"`
	StartupTimeout  int      `json:"startupTimeout"`
	DeviceType      string   `json:"deviceType"`
	Workers         []worker `json:"workers"`
	Queue           queue    `json:"jobQueueStatus"`
}

type worker struct {
	Status string `json:"status"`
}

type queue struct {
	Remaining int `json:"remainingCapacity"`
	Pending   int `json:"pendingRequests"`
}

// Limits of the values of a description, so that a wrong one is an error and not a setting.
const (
	maxWorkers = 256
	maxBatch   = 1024
	maxDelay   = 60000
	maxQueue   = 1000000
)

// parseDescription reads the answer to GET /models/{model}, an array with one version.
func parseDescription(data []byte) (description, error) {
	var all []description
	if err := json.Unmarshal(data, &all); err != nil {
		return description{}, fmt.Errorf("describe: %w", err)
	}
	if len(all) != 1 {
		return description{}, fmt.Errorf("describe: %d versions, want 1", len(all))
	}
	d := all[0]
	var errs []error
	check := func(name string, v, low, high float64) {
		if !(v >= low && v <= high) {
			errs = append(errs, fmt.Errorf("describe: %s is %v, want %v-%v", name, v, low, high))
		}
	}
	check("minWorkers", float64(d.MinWorkers), 0, maxWorkers)
	check("maxWorkers", float64(d.MaxWorkers), float64(d.MinWorkers), maxWorkers)
	check("batchSize", float64(d.BatchSize), 1, maxBatch)
	check("maxBatchDelay", d.MaxBatchDelay, 0, maxDelay)
	check("jobQueueStatus", float64(d.Queue.Remaining)+float64(d.Queue.Pending), 0, maxQueue)
	if d.Name == "" || d.Version == "" {
		errs = append(errs, errors.New("describe: there is no model name or version"))
	}
	if len(d.Workers) == 0 || d.MinWorkers == 0 {
		errs = append(errs, fmt.Errorf("describe: %s has no workers; scale it first", d.Name))
	}
	return d, errors.Join(errs...)
}

// running is the number of workers, within the limits.
func (d description) running() int { return min(max(len(d.Workers), d.MinWorkers), d.MaxWorkers) }

// ready reports whether the wanted workers have the model loaded: exactly their number, if the limits are
// equal.
func (d description) ready() bool {
	for _, w := range d.Workers {
		if w.Status != "READY" {
			return false
		}
	}
	return len(d.Workers) >= d.MinWorkers && len(d.Workers) <= d.MaxWorkers
}

// delay returns the batch delay.
func (d description) delay() time.Duration {
	return time.Duration(math.Round(d.MaxBatchDelay*10)) * 100 * time.Microsecond
}

// rule returns TorchServe's batching rule, or none if the delay in force is invalid under it: a server
// with such a delay has another one.
func (d description) rule() knob.Rule {
	if delay := d.delay(); delay < time.Millisecond || delay%time.Millisecond != 0 {
		return knob.RuleUnreported
	}
	return knob.TorchServe
}

// settings returns what is in force.
func (d description) settings() knob.Settings {
	device := "cpu"
	if d.DeviceType == "gpu" {
		device = "gpu"
	}
	return knob.Settings{
		Workers: d.running(), BatchSize: d.BatchSize, BatchDelay: d.delay(), Device: device,
		QueueSize: max(1, d.Queue.Remaining+d.Queue.Pending),
	}
}

// with returns the description with the workers, batch size and batch delay of s.
func (d description) with(s knob.Settings) description {
	d.MinWorkers, d.MaxWorkers = s.Workers, s.Workers
	d.BatchSize, d.MaxBatchDelay = s.BatchSize, float64(s.BatchDelay)/float64(time.Millisecond)
	return d
}

// sameBatches reports whether batch size and delay are equal.
func (d description) sameBatches(o description) bool {
	return d.BatchSize == o.BatchSize && d.delay() == o.delay()
}

// sameSettings reports whether everything that a sweep changes is equal.
func (d description) sameSettings(o description) bool {
	return d.sameBatches(o) && d.MinWorkers == o.MinWorkers && d.MaxWorkers == o.MaxWorkers
}

func (d description) String() string {
	return fmt.Sprintf("url %s, min_worker %d, max_worker %d, batch_size %d, max_batch_delay %v", d.URL, d.MinWorkers, d.MaxWorkers, d.BatchSize, d.MaxBatchDelay)
}

// detail is String with everything in which the servers of a fleet may differ.
func (d description) detail() string {
	return fmt.Sprintf("%s, device %s, queue of %d", d, d.settings().Device, d.settings().QueueSize)
}
