package servicetime

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// header is the first line of a table.
const header = "workers,device,precision,batch,ms,spread,source"

// columns is the number of values of a row.
const columns = 7

// maxLine is the longest line in bytes.
const maxLine = 1000

// Parse reads a table:
//
//	workers,device,precision,batch,ms,spread,source
//	# published means ...
//	1,gpu,fp16,4,50.88,,published
//	1,gpu,fp16,8,93.8,0.02,published
//
// The header comes first, then one row per line in any order. ms is the median time of a
// batch in milliseconds, with at most 6 decimals. spread is the standard deviation / mean;
// empty is 0. source is a word for the origin of the row, and may be empty. Empty lines
// and lines that begin with # are skipped. Every (workers, device, precision) needs a row
// for batch 1. An error names the line.
func Parse(r io.Reader) (*Table, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	var rows []Row
	seen := map[Row]int{} // key and batch to the line
	hasHeader := false
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		switch {
		case text == "" || text[0] == '#':
			continue
		case !hasHeader && text != header:
			return nil, fmt.Errorf("line %d: want the header %s", n, header)
		case !hasHeader:
			hasHeader = true
			continue
		case len(rows) == maxRows:
			return nil, fmt.Errorf("line %d: more than %d rows", n, maxRows)
		}
		row, err := parseRow(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		key := Row{Key: row.Key, Batch: row.Batch}
		if first, twice := seen[key]; twice {
			return nil, fmt.Errorf("line %d: %v, batch %d is on line %d already", n, row.Key, row.Batch, first)
		}
		seen[key] = n
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if !hasHeader {
		return nil, fmt.Errorf("line %d: the file ends without the header %s", n+1, header)
	}
	t, err := New(rows)
	if err != nil { // errors that belong to no single line
		return nil, fmt.Errorf("line %d: the file ends: %w", n+1, err)
	}
	return t, nil
}

// parseRow reads and checks one line.
func parseRow(text string) (Row, error) {
	cells := strings.Split(text, ",")
	if len(cells) != columns {
		return Row{}, fmt.Errorf("%d values: want %d, %s", len(cells), columns, header)
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	r := Row{Key: Key{Device: cells[1], Precision: cells[2]}, Source: cells[6]}
	var errs [4]error
	r.Workers, errs[0] = whole("workers", cells[0])
	r.Batch, errs[1] = whole("batch", cells[3])
	r.Median, errs[2] = milliseconds(cells[4])
	r.Spread, errs[3] = parseSpread(cells[5])
	return r, cmp.Or(errs[0], errs[1], errs[2], errs[3], r.check())
}

func whole(what, text string) (int, error) {
	v, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s %q: want a whole number", what, text)
	}
	return v, nil
}

// milliseconds reads a decimal exactly, because a float would not round-trip.
func milliseconds(text string) (time.Duration, error) {
	for _, r := range text { // ParseDuration also takes signs and units
		if r != '.' && (r < '0' || r > '9') {
			return 0, fmt.Errorf("ms %q: want a decimal such as 93.8", text)
		}
	}
	_, decimals, _ := strings.Cut(text, ".")
	d, err := time.ParseDuration(text + "ms")
	if err != nil || len(decimals) > 6 {
		return 0, fmt.Errorf("ms %q: want a decimal such as 93.8, to 6 places", text)
	}
	return d, nil
}

func parseSpread(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("spread %q: want a number such as 0.05, or nothing", text)
	}
	return v, nil
}

// Encode writes the table in the format of Parse, without comments.
func (t *Table) Encode() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, header)
	for _, r := range t.rows {
		spread := ""
		if r.Spread > 0 {
			spread = strconv.FormatFloat(r.Spread, 'g', -1, 64)
		}
		fmt.Fprintf(&b, "%d,%s,%s,%d,%s,%s,%s\n",
			r.Workers, r.Device, r.Precision, r.Batch, formatMS(r.Median), spread, r.Source)
	}
	return b.Bytes()
}

// formatMS formats a time as the shortest exact decimal of milliseconds.
func formatMS(d time.Duration) string {
	s := fmt.Sprintf("%d.%06d", d/time.Millisecond, d%time.Millisecond)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
