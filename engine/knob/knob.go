// Package knob owns the settings of a served model: their names, units, ranges,
// defaults and costs, and every text form they have (JSON, YAML, flags, screens).
//
// Start with [Settings], one value for every knob, and [All], the table that
// describes each. [Config] adds the [Options] that are recorded beside the
// settings but swept only when a plan names them. [Expand] turns a range such
// as "1-16*2" into values. The package holds values and pure functions only; it
// knows no model, no engine and no file.
package knob

import "fmt"

// Name is a knob's name in JSON and YAML, such as "batch_size".
type Name string

// The knobs, in the order in which people read them.
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
	Flag  string  // command-line flag without dashes
	Label string  // the word shown to people
	Unit  string  // "", "ms"
	Help  string  // one line: what it is and what rises when you turn it
	Cost  Cost    // what a change costs
	Min   float64 // smallest value, for numeric knobs
	Max   float64 // largest value, before Limits narrow it
}

var table = []Knob{
	{Workers, "workers", "workers", "", "batches executed side by side; more use more cores and memory", Warm, 1, 256},
	{BatchSize, "batch-size", "batch size", "", "most requests executed together; larger raises throughput and latency", Hot, 1, 1024},
	{BatchDelay, "batch-delay", "batch_delay", "ms", "longest wait for a batch to fill; longer fills batches, and is paid when they do not fill", Hot, 0, 60000},
	{FP16, "precision", "FP16", "", "number format of the model's weights: fp32 or fp16", Reload, 0, 0},
	{Device, "device", "device", "", "where the model runs: cpu, gpu, gpu:N or gpu:UUID", Reload, 0, 0},
	{Threads, "threads", "threads", "", "cores one worker uses for one batch; workers x threads above the cores slows both", Reload, 1, 1024},
	{QueueSize, "queue-size", "queue size", "", "requests that may wait; a full queue refuses at once with 503", Hot, 1, 1000000},
}

// All returns the knobs in reading order. The slice is the caller's.
func All() []Knob { return append([]Knob(nil), table...) }

// Get returns the knob called n.
func Get(n Name) (Knob, bool) {
	for _, k := range table {
		if k.Name == n {
			return k, true
		}
	}
	return Knob{}, false
}

// Lookup finds a knob by its name, flag or label. An unknown name is an error
// that suggests the nearest one.
func Lookup(s string) (Knob, error) {
	names := make([]string, 0, len(table))
	for _, k := range table {
		if s == string(k.Name) || s == k.Flag || s == k.Label {
			return k, nil
		}
		names = append(names, string(k.Name))
	}
	return Knob{}, fmt.Errorf("%q: unknown knob%s", s, Suggest(s, names))
}
