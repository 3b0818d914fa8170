// Package knob owns the settings of a served model: their names, units, ranges,
// defaults and costs, and every text form they have (JSON, YAML, flags, screens).
//
// Start with [Settings], one value for every knob, and [All], the table that
// describes each. Seven knobs are everyone's; a target may bring more, whose values
// are the settings' [Own] and whose descriptions follow the seven in a [Table].
// [Config] adds the [Options] that are recorded beside the settings but swept only
// when a plan names them. [Expand] turns a range such as "1-16*2" into values. The
// package holds values and pure functions only; it knows no model, no engine and no
// file.
package knob

import "fmt"

// Name is a knob's name in JSON and YAML, such as "batch_size".
type Name string

// The seven knobs, in the order in which people read them.
const (
	Workers    Name = "workers"
	BatchSize  Name = "batch_size"
	BatchDelay Name = "batch_delay_ms"
	FP16       Name = "precision"
	Device     Name = "device"
	Threads    Name = "threads"
	QueueSize  Name = "queue_size"
)

// Cost is what a change of a knob costs a running engine.
type Cost uint8

// The costs, cheapest first.
const (
	Hot    Cost = iota // takes effect at the next batch
	Warm               // workers are warmed before they join, drained before they leave
	Reload             // a second pool is built and warmed beside the first; marked R
)

var costNames = []string{Hot: "hot", Warm: "warm", Reload: "reload"}

func (c Cost) String() string { return costNames[c] }

// MarshalText renders the cost by name.
func (c Cost) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads a cost's name.
func (c *Cost) UnmarshalText(b []byte) error {
	for i, n := range costNames {
		if n == string(b) {
			*c = Cost(i)
			return nil
		}
	}
	return fmt.Errorf("cost %q: want hot, warm or reload", b)
}

// Knob describes one tunable.
type Knob struct {
	Name  Name
	Flag  string  // command-line flag without dashes; "" of a target's own
	Label string  // the word shown to people
	Unit  string  // "", "ms"
	Help  string  // one line: what it is and what rises when you turn it
	Cost  Cost    // what a change costs
	Min   float64 // smallest value, for numeric knobs
	Max   float64 // largest value, before Limits narrow it

	// Of a target's own knobs: the values it takes, where they are no range of
	// numbers, and whether a range has fractions in it.
	Values    []string
	Fractions bool
}

var table = []Knob{
	{Name: Workers, Flag: "workers", Label: "workers", Help: "batches executed side by side; more use more cores and memory", Cost: Warm, Min: 1, Max: 256},
	{Name: BatchSize, Flag: "batch-size", Label: "batch size", Help: "most requests executed together; larger raises throughput and latency", Cost: Hot, Min: 1, Max: 1024},
	{Name: BatchDelay, Flag: "batch-delay", Label: "batch_delay", Unit: "ms", Help: "longest wait for a batch to fill; longer fills batches, and is paid when they do not fill", Cost: Hot, Min: 0, Max: 60000},
	{Name: FP16, Flag: "precision", Label: "FP16", Help: "number format of the model's weights: fp32 or fp16", Cost: Reload},
	{Name: Device, Flag: "device", Label: "device", Help: "where the model runs: cpu, gpu, gpu:N or gpu:UUID", Cost: Reload},
	{Name: Threads, Flag: "threads", Label: "threads", Help: "cores one worker uses for one batch; workers x threads above the cores slows both", Cost: Reload, Min: 1, Max: 1024},
	{Name: QueueSize, Flag: "queue-size", Label: "queue size", Help: "requests that may wait; a full queue refuses at once with 503", Cost: Hot, Min: 1, Max: 1000000},
}

// All returns the seven knobs in reading order. The slice is the caller's.
func All() []Knob { return append([]Knob(nil), table...) }

// Get returns the knob called n, of the seven.
func Get(n Name) (Knob, bool) { return Table(table).Get(n) }

// Lookup is Table.Lookup among the seven.
func Lookup(s string) (Knob, error) { return Table(table).Lookup(s) }
