// Package servicetime holds how long a worker takes for a batch: the table s(b)
// that the simulated backend sleeps by and the simulator predicts with.
//
// A [Table] is rows of measurements: so many workers side by side, on a device,
// with a precision, a batch of so many, and the median time of its execution.
// [Parse] reads one from text, [Named] returns one that ships with the program,
// and [Table.Curve] gives the [Curve] of one setting, which answers for every
// batch size. Tables and curves never change once made and are safe for
// concurrent use.
//
// What was not measured follows three rules.
//
// Batch sizes: between two measured sizes the time is on the straight line
// between them. Above the largest it goes on along the line through the last
// two, and never falls; a curve with batch 1 alone grows by s(1) an item, as if
// batching gained nothing.
//
// Workers: workers disturb each other, by memory traffic or by taking turns on
// one device, and how much is measured, never scaled. A number of workers that
// was not measured takes the times of the next larger one that was: slower than
// the truth, never faster. Above the largest there is no answer.
//
// Devices: gpu:N takes the rows of gpu where it has none of its own.
package servicetime

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of a row.
const (
	mostWorkers = 256
	mostBatch   = 1024
	longest     = time.Hour
	mostSpread  = 10
	mostRows    = 100_000
)

// Key is what a curve belongs to.
type Key struct {
	Workers   int    // side by side, all busy, 1-256
	Device    string // cpu, gpu, gpu:N
	Precision string // fp32, fp16
}

func (k Key) String() string {
	return count(k.Workers, "worker") + ", " + k.Device + ", " + k.Precision
}

// Row is one measurement.
type Row struct {
	Key
	Batch  int           // items in the batch, 1-1024
	Median time.Duration // of the execution, above 0 and at most 1 h
	Spread float64       // standard deviation over mean, 0-10; 0 is none, or not known
	Source string        // where it comes from, one word; "" is not told
}

// Table is rows in order. Make one with New or Parse.
type Table struct{ rows []Row }

// New makes a table of rows in any order and reports all that is wrong with
// them: values out of range, rows that are there twice, keys without a batch of
// 1. The rows stay the caller's.
func New(rows []Row) (*Table, error) {
	t := &Table{slices.Clone(rows)}
	slices.SortStableFunc(t.rows, Row.compare)
	var errs []error
	if len(rows) == 0 {
		errs = append(errs, errors.New("no rows: want at least a batch of 1"))
	}
	for i, r := range t.rows {
		if err := r.check(); err != nil {
			errs = append(errs, fmt.Errorf("%v, batch %d: %w", r.Key, r.Batch, err))
		}
		first := i == 0 || t.rows[i-1].Key != r.Key
		switch {
		case first && r.Batch > 1:
			errs = append(errs, fmt.Errorf("%v: no row for batch 1, where every curve begins", r.Key))
		case !first && t.rows[i-1].Batch == r.Batch:
			errs = append(errs, fmt.Errorf("%v: two rows for batch %d", r.Key, r.Batch))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// compare orders rows as tables are written.
func (r Row) compare(o Row) int {
	return cmp.Or(
		strings.Compare(r.Device, o.Device), -strings.Compare(r.Precision, o.Precision),
		cmp.Compare(r.Workers, o.Workers), cmp.Compare(r.Batch, o.Batch),
	)
}

// check reports the first value of a row that is out of range.
func (r Row) check() error {
	switch {
	case r.Workers < 1 || r.Workers > mostWorkers:
		return fmt.Errorf("workers %d: want 1-%d", r.Workers, mostWorkers)
	case !isDevice(r.Device):
		return fmt.Errorf("device %q: want cpu, gpu or gpu:N", r.Device)
	case r.Precision != "fp32" && r.Precision != "fp16":
		return fmt.Errorf("precision %q: want fp32 or fp16", r.Precision)
	case r.Batch < 1 || r.Batch > mostBatch:
		return fmt.Errorf("batch %d: want 1-%d", r.Batch, mostBatch)
	case r.Median <= 0 || r.Median > longest:
		return fmt.Errorf("median %v: want above 0 and at most %v", r.Median, longest)
	case !(r.Spread >= 0 && r.Spread <= mostSpread):
		return fmt.Errorf("spread %g: want 0-%d, the standard deviation as a share of the mean", r.Spread, mostSpread)
	case !isWord(r.Source):
		return fmt.Errorf("source %q: want one word of letters, digits, - and _", r.Source)
	}
	return nil
}

func isDevice(d string) bool {
	id, numbered := strings.CutPrefix(d, "gpu:")
	if !numbered {
		return d == "cpu" || d == "gpu"
	}
	return id != "" && isWord(id)
}

// isWord tells whether s needs no quotes in a table.
func isWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// Rows returns a copy of the rows, in the order in which tables are written.
func (t *Table) Rows() []Row { return slices.Clone(t.rows) }

// MostWorkers is the largest number of workers that some key has rows for.
func (t *Table) MostWorkers() int {
	return slices.MaxFunc(t.rows, func(a, b Row) int { return cmp.Compare(a.Workers, b.Workers) }).Workers
}

// Curve returns the curve that k runs by: its own, or that of the next larger
// number of workers.
func (t *Table) Curve(k Key) (Curve, error) {
	rows := t.of(k.Device, k.Precision)
	if class, _, numbered := strings.Cut(k.Device, ":"); rows == nil && numbered {
		rows = t.of(class, k.Precision)
	}
	if rows == nil {
		return Curve{}, fmt.Errorf("no times for %s, %s; the table has %s", k.Device, k.Precision, t.kinds())
	}
	most := rows[len(rows)-1].Workers
	if k.Workers < 1 || k.Workers > most {
		return Curve{}, fmt.Errorf("no times for %s on %s, %s: want 1-%d", count(k.Workers, "worker"), k.Device, k.Precision, most)
	}
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Workers >= k.Workers })
	own := rows[i].Key
	n := slices.IndexFunc(rows[i:], func(r Row) bool { return r.Key != own })
	if n < 0 {
		n = len(rows) - i
	}
	return newCurve(rows[i : i+n]), nil
}

// of returns the rows of a device and precision, nil without any.
func (t *Table) of(device, precision string) []Row {
	is := func(r Row) bool { return r.Device == device && r.Precision == precision }
	i := slices.IndexFunc(t.rows, is)
	if i < 0 {
		return nil
	}
	n := slices.IndexFunc(t.rows[i:], func(r Row) bool { return !is(r) })
	if n < 0 {
		return t.rows[i:]
	}
	return t.rows[i : i+n]
}

// Kinds are the devices and precisions there are times for, in order, each with
// the most workers that have rows.
func (t *Table) Kinds() []Key {
	var out []Key
	for _, r := range t.rows {
		if n := len(out); n > 0 && out[n-1].Device == r.Device && out[n-1].Precision == r.Precision {
			out[n-1].Workers = r.Workers // rows ascend in workers
			continue
		}
		out = append(out, r.Key)
	}
	return out
}

// kinds lists the devices and precisions there are: "cpu fp32, gpu fp32".
func (t *Table) kinds() string {
	var out []string
	for _, k := range t.Kinds() {
		out = append(out, k.Device+" "+k.Precision)
	}
	return strings.Join(out, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
