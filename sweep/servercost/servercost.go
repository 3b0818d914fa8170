// Package servercost predicts a model server from the service times of another one on the same machine.
//
// A server adds its own work to the execution of a batch: TorchServe sends each batch to a Python
// process and logs it. [Cost] is that work. A [Probe] is a measured closed load on the server, [Plan]
// says which are needed, and [Fit] finds the cost with which [Simulate] gives their rates. Simulate then
// predicts the server at any settings.
//
// The simulated server has the torchserve batching rule, workers that execute one batch at a time, a
// frontend that reads requests and sends answers one after the other, and a machine whose cores they
// share: with more running tasks than cores each gets an equal part. The load generator is on the same
// machine, and its processor time is part of the frontend's.
//
// All functions are pure. The same arguments give the same results on every machine.
package servercost

import (
	"errors"
	"fmt"
	"math"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
)

// Cost is what a server adds to the service times of the model. Times are in ms of a core, unless said
// otherwise, and at least 0 except Batch and Request, which are differences.
type Cost struct {
	Batch      float64 // a worker needs more for a batch of any size
	Request    float64 // and more for each request in it
	Background float64 // for each batch, beside the workers
	Frontend   float64 // for each request, beside the workers
	Switch     float64 // a worker needs more if another one has executed the batch before and none executes now
	Slowdown   float64 // by which each other busy worker slows a worker: 0.1 is 10%, 0 to 5
}

// Server is a simulated server.
type Server struct {
	Cost    Cost
	Service servicetime.Curve // of one worker alone, without the cost
	Cores   int               // of the machine
	Spread  float64           // standard deviation / mean of a worker's time for a batch
}

// Typical is the cost that was seen beside a TorchServe 0.12 on a machine of two cores, for small
// models whose requests are few kilobytes: about .7 ms a batch and .3 ms a request. It is not a
// measurement of any other machine or model.
func Typical() Cost { return Cost{Batch: .7, Request: .3} }

// cycle returns the mean time in ns that a worker needs for a batch, alone.
func (s Server) cycle(batch int) float64 {
	t := float64(s.Service.At(batch)) + (s.Cost.Batch+s.Cost.Request*float64(batch))*1e6
	return max(t, float64(time.Microsecond)) // a cost below 0 may be fitted, but no time
}

// check returns the first value that cannot be simulated.
func (s Server) check(set knob.Settings, clients int) error {
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	c := s.Cost
	switch {
	case s.Cores < 1:
		return fmt.Errorf("servercost: %d cores, want 1 or more", s.Cores)
	case clients < 1:
		return fmt.Errorf("servercost: %d clients, want 1 or more", clients)
	case set.Workers < 1 || set.BatchSize < 1 || set.BatchDelay < 0:
		return fmt.Errorf("servercost: cannot simulate %v", set)
	case !(finite(c.Batch) && finite(c.Request)):
		return errors.New("servercost: a cost is not finite")
	}
	for _, v := range []float64{c.Background, c.Frontend, c.Switch, c.Slowdown, s.Spread} {
		if !(v >= 0) || math.IsInf(v, 0) {
			return errors.New("servercost: a cost is below 0 or not finite")
		}
	}
	return nil
}
