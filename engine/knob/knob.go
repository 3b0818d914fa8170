// Package knob defines the settings of a served model: their names, units, ranges,
// defaults and costs, and their text in JSON, YAML, flags and on screens.
//
// [Settings] has one value for every knob. Every target has the same seven knobs,
// which [All] describes. A target may have more, its own knobs: their values are
// [OwnValues] in the settings, and their descriptions follow the seven in a [Table]. [Config] adds the [Options], which are always recorded with the settings
// but varied only when a plan names them. [Expand] returns the values of a range
// such as "1-16*2". The package contains values and pure functions; it depends on
// no model, engine or file.
package knob

import "fmt"

// Name is the name of a knob in JSON and YAML, such as "batch_size".
type Name string

// The seven knobs, in the order in which they are shown. FP16 is the name of the precision, which
// screens show as "FP16".
const (
	Workers    Name = "workers"
	BatchSize  Name = "batch_size"
	BatchDelay Name = "batch_delay_ms"
	FP16       Name = "precision"
	Device     Name = "device"
	Threads    Name = "threads"
	QueueSize  Name = "queue_size"
)

// Cost says what a running engine must do to change a knob.
type Cost uint8

// The costs, lowest first. The zero value is the cost of a knob whose target does not report it, so
// that a description without a cost does not say that the change is cheap.
const (
	CostUnreported Cost = iota
	Hot                 // the change takes effect at the next batch
	Warm                // new workers are warmed up, and workers that end are drained
	Reload              // a second pool is opened and warmed up while the first one serves; screens mark it R
)

var costNames = []string{CostUnreported: "n/a", Hot: "hot", Warm: "warm", Reload: "reload"}

func (c Cost) String() string { return costNames[c] }

// IsCheap reports whether the cost is known and the model is not reloaded.
func (c Cost) IsCheap() bool { return c == Hot || c == Warm }

// MarshalText returns the name of the cost; "" if it is not reported.
func (c Cost) MarshalText() ([]byte, error) {
	if c == CostUnreported {
		return nil, nil
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads the name of a cost.
func (c *Cost) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*c = CostUnreported
		return nil
	}
	for i, n := range costNames[Hot:] {
		if n == string(b) {
			*c = Hot + Cost(i)
			return nil
		}
	}
	return fmt.Errorf("cost %q: want hot, warm or reload", b)
}

// Knob describes one setting that can be changed.
type Knob struct {
	Name  Name
	Flag  string  // command-line flag without dashes; "" if the knob is a target's own
	Label string  // the name on screens
	Unit  string  // "", "ms"
	Help  string  // one line: what it is, and what increases with it
	Cost  Cost    // of a change
	Min   float64 // smallest value of a numeric knob
	Max   float64 // largest value of a numeric knob; Limits may lower it

	// For a target's own knobs only: the values, if they are not a range of numbers,
	// and whether a range includes fractions.
	Values    []string
	Fractions bool
}

var table = []Knob{
	{Name: Workers, Flag: "workers", Label: "workers", Help: "batches executed in parallel; each needs cores and memory", Cost: Warm, Min: 1, Max: 256},
	{Name: BatchSize, Flag: "batch-size", Label: "batch size", Help: "most requests executed together; a larger size raises throughput and latency", Cost: Hot, Min: 1, Max: 1024},
	{Name: BatchDelay, Flag: "batch-delay", Label: "batch_delay", Unit: "ms", Help: "longest wait for a batch to fill; a batch that does not fill waits that long", Cost: Hot, Min: 0, Max: 60000},
	{Name: FP16, Flag: "precision", Label: "FP16", Help: "number format of the model's weights: fp32 or fp16", Cost: Reload},
	{Name: Device, Flag: "device", Label: "device", Help: "where the model runs: cpu, gpu, gpu:N or gpu:UUID", Cost: Reload},
	{Name: Threads, Flag: "threads", Label: "threads", Help: "cores that one worker uses; workers x threads above the cores slows all", Cost: Reload, Min: 1, Max: 1024},
	{Name: QueueSize, Flag: "queue-size", Label: "queue size", Help: "requests that may wait; a full queue refuses new ones at once with 503", Cost: Hot, Min: 1, Max: 1000000},
}

// All returns a copy of the descriptions of the seven knobs, in the order in which they are shown.
func All() []Knob { return append([]Knob(nil), table...) }

// Get returns the description of n if it is one of the seven.
func Get(n Name) (Knob, bool) { return Table(table).Get(n) }

// Lookup is Table.Lookup in the seven.
func Lookup(s string) (Knob, error) { return Table(table).Lookup(s) }
