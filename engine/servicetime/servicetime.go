// Package servicetime has service times: the time s(b) that a worker needs for a batch of
// size b. The simulated backend sleeps for these times, and the simulator predicts with
// them.
//
// A [Table] has rows of measurements: the number of parallel workers, the device, the
// precision, the batch size, and the median execution time of a batch. [Parse] reads a
// table, [Named] returns one that is built in, and [Table.Curve] returns the [Curve] of one
// setting, which has a time for every batch size. Tables and curves do not change and are
// safe for concurrent use.
//
// Three rules give the times that were not measured.
//
// Batch sizes: between two measured sizes, times are interpolated linearly. Above the
// largest they are extrapolated along the last two and never decrease; a curve that has
// only batch 1 grows by s(1) per item, as if batching saved nothing.
//
// Workers: parallel workers slow each other, because they compete for memory bandwidth or
// use one device in turn. These times are measured and never computed. A number of workers
// without rows gets the times of the next larger number with rows, which are never too
// fast. Above the largest number there is no curve.
//
// Devices: gpu:N gets the rows of gpu if it has no rows.
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
	maxWorkers = 256
	maxBatch   = 1024
	longest    = time.Hour
	maxSpread  = 10
	maxRows    = 100_000
)

// Key identifies a curve.
type Key struct {
	Workers   int    // in parallel and all busy, 1-256
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
	Spread float64       // standard deviation / mean, 0-10; 0 is none or unknown
	Source string        // origin of the row, one word; "" is unknown
}

// Table is a sorted list of rows. Make it with New or Parse.
type Table struct{ rows []Row }

// New makes a table of rows in any order, which it copies. It reports all errors: values
// out of range, duplicate rows, keys without a row for batch 1.
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

// compare defines the order of rows in a table.
func (r Row) compare(o Row) int {
	return cmp.Or(
		strings.Compare(r.Device, o.Device), -strings.Compare(r.Precision, o.Precision),
		cmp.Compare(r.Workers, o.Workers), cmp.Compare(r.Batch, o.Batch),
	)
}

// check reports the first value that is out of range.
func (r Row) check() error {
	switch {
	case r.Workers < 1 || r.Workers > maxWorkers:
		return fmt.Errorf("workers %d: want 1-%d", r.Workers, maxWorkers)
	case !isDevice(r.Device):
		return fmt.Errorf("device %q: want cpu, gpu or gpu:N", r.Device)
	case r.Precision != "fp32" && r.Precision != "fp16":
		return fmt.Errorf("precision %q: want fp32 or fp16", r.Precision)
	case r.Batch < 1 || r.Batch > maxBatch:
		return fmt.Errorf("batch %d: want 1-%d", r.Batch, maxBatch)
	case r.Median <= 0 || r.Median > longest:
		return fmt.Errorf("median %v: want above 0 and at most %v", r.Median, longest)
	case !(r.Spread >= 0 && r.Spread <= maxSpread):
		return fmt.Errorf("spread %g: want 0-%d, the standard deviation as a share of the mean", r.Spread, maxSpread)
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

// isWord reports whether s has only letters, digits, - and _.
func isWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// Rows returns a copy of the sorted rows.
func (t *Table) Rows() []Row { return slices.Clone(t.rows) }

// MostWorkers returns the largest number of workers in the table.
func (t *Table) MostWorkers() int {
	return slices.MaxFunc(t.rows, func(a, b Row) int { return cmp.Compare(a.Workers, b.Workers) }).Workers
}

// Curve returns the curve of k, or that of the next larger number of workers.
func (t *Table) Curve(k Key) (Curve, error) {
	rows := t.rowsOf(k.Device, k.Precision)
	if class, _, numbered := strings.Cut(k.Device, ":"); rows == nil && numbered {
		rows = t.rowsOf(class, k.Precision)
	}
	if rows == nil {
		return Curve{}, fmt.Errorf("no times for %s, %s; the table has %s", k.Device, k.Precision, t.kindsText())
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

// rowsOf returns the rows of a device and precision, or nil.
func (t *Table) rowsOf(device, precision string) []Row {
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

// Kinds returns the devices and precisions of the table, sorted, each with its largest
// number of workers.
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

// kindsText lists the devices and precisions: "cpu fp32, gpu fp32".
func (t *Table) kindsText() string {
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
