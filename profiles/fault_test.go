package profiles

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"sweetspot/sweep/trial"
)

// disk is a file in memory that can fail.
type disk struct {
	data     []byte
	free     int   // bytes that can be written; -1 is no limit
	sync     error // result of Sync
	truncate error // result of Truncate
	short    bool  // Write writes half of its bytes and returns no error
}

func (d *disk) Write(b []byte) (int, error) {
	n, err := len(b), error(nil)
	if d.short {
		n /= 2
	}
	if d.free >= 0 && n > d.free {
		n, err = d.free, syscall.ENOSPC
	}
	d.data = append(d.data, b[:n]...)
	return n, err
}

func (d *disk) Sync() error { return d.sync }

func (d *disk) Truncate(size int64) error {
	if d.truncate == nil {
		d.data = d.data[:size]
	}
	return d.truncate
}

func (d *disk) Close() error { return nil }

// TestFaults: after each kind of disk error the caller gets the error, the file ends with
// a complete line, and the writer continues once the disk works again.
func TestFaults(t *testing.T) {
	errSync := errors.New("broken disk")
	tests := []struct {
		name  string
		fault func(*disk)
		want  error
	}{
		{"full", func(d *disk) { d.free = 0 }, syscall.ENOSPC},
		{"full within a line", func(d *disk) { d.free = 20 }, syscall.ENOSPC},
		{"short", func(d *disk) { d.short = true }, io.ErrShortWrite},
		{"sync", func(d *disk) { d.sync = errSync }, errSync},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			d := &disk{free: -1}
			w := newWriter("a", d, Options{})
			must(t, w.writeHeader(Header{ID: "a"}))
			must(t, w.Trial(trial.Trial{N: 1}))
			c.fault(d)
			if err := w.Trial(trial.Trial{N: 2}); !errors.Is(err, c.want) {
				t.Errorf("Trial = %v, want %v", err, c.want)
			}
			check(t, d, 1)
			*d = disk{data: d.data, free: -1}
			must(t, w.Trial(trial.Trial{N: 3}))
			must(t, w.End(Done, 0))
			if p := check(t, d, 2); p.End.Trials != 2 {
				t.Errorf("end counts %d trials, want the 2 on disk", p.End.Trials)
			}
		})
	}
}

// TestIncompleteLineStays: while an incomplete line cannot be removed, no other line is
// written after it. Once it can be, lines are written again.
func TestIncompleteLineStays(t *testing.T) {
	d := &disk{free: -1}
	w := newWriter("a", d, Options{})
	must(t, w.writeHeader(Header{ID: "a"}))
	d.free, d.truncate = 5, syscall.EIO
	if err := w.Trial(trial.Trial{N: 1}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Trial = %v, want %v", err, syscall.ENOSPC)
	}
	d.free = -1
	if err := w.Trial(trial.Trial{N: 2}); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "incomplete") {
		t.Errorf("Trial after an incomplete line = %v", err)
	}
	p, err := Decode("a", d.data)
	must(t, err)
	if len(p.Lines) != 1 || len(p.Warnings) != 1 {
		t.Errorf("read %d lines, warnings %q", len(p.Lines), p.Warnings)
	}
	d.truncate = nil
	must(t, w.Trial(trial.Trial{N: 3}))
	check(t, d, 1)
}

// check reads the file: it must have only complete lines, and this number of trials.
func check(t *testing.T, d *disk, trials int) *Profile {
	t.Helper()
	if d.data[len(d.data)-1] != '\n' {
		t.Errorf("the file ends with an incomplete line: %q", d.data)
	}
	p, err := Decode("a", d.data)
	must(t, err)
	if len(p.Trials) != trials {
		t.Errorf("%d trials on disk, want %d", len(p.Trials), trials)
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
