package metrics

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// LogFiles writes TorchServe's metrics as lines of its log files, ts_metrics.log and
// model_metrics.log, for the modes log and legacy. TorchServe writes a line for each request.
// LogFiles writes every second what has changed: of a counter the increase, so that the sums are the
// same, and of a gauge its last value.
type LogFiles struct {
	cfg    Config
	files  [2]*rollingFile // by logFile
	last   map[string]float64
	system time.Time // when the machine was last written
}

// logFile is one of the two files.
type logFile uint8

const (
	frontend logFile = iota
	backend
)

// The times between two writes: of what changes with requests, and of the machine.
const (
	logEvery    = time.Second
	systemEvery = time.Minute // TorchServe's metric_time_interval
)

// NewLogFiles returns a log in the folder dir, which it creates. The caller must call Run.
func NewLogFiles(c Config, dir string) (*LogFiles, error) {
	if c.Hostname == "" {
		c.Hostname, _ = os.Hostname() // "" if it is unknown
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("metrics log: %w", err)
	}
	l := &LogFiles{cfg: c, last: map[string]float64{}}
	for i, name := range []string{frontend: "ts_metrics.log", backend: "model_metrics.log"} {
		l.files[i] = &rollingFile{path: filepath.Join(dir, name), most: rollAt, keep: rollKeep}
		if err := l.files[i].open(); err != nil {
			return nil, errors.Join(fmt.Errorf("metrics log: %w", err), l.Close())
		}
	}
	return l, nil
}

// Run writes until ctx ends, and once more then. It closes the files.
func (l *LogFiles) Run(ctx context.Context) error {
	ticker := time.NewTicker(logEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := l.write(time.Now()); err != nil {
				return errors.Join(err, l.Close())
			}
		case <-ctx.Done():
			return errors.Join(l.write(time.Now()), l.Close())
		}
	}
}

// Close closes the files of a log that was never run.
func (l *LogFiles) Close() error {
	var errs []error
	for _, f := range l.files {
		if f != nil {
			errs = append(errs, f.close())
		}
	}
	return errors.Join(errs...)
}

// write writes the lines of what has changed.
func (l *LogFiles) write(now time.Time) error {
	var text [2]strings.Builder
	system := now.Sub(l.system) >= systemEvery
	c := &collector{Config: l.cfg}
	if !system {
		c.Host = nil
	} else {
		l.system = now
	}
	legacy := l.cfg.Mode == Legacy
	c.Mode = Prometheus
	c.line = func(f *family, counter bool, v float64, labels []string) {
		if f.unit == "" || legacy && strings.HasPrefix(f.name, "ts_") {
			return // not TorchServe's, or at /metrics
		}
		if v, changed := l.change(f, counter, v, labels); changed || f.system {
			file := frontend
			if f.backend {
				file = backend
			}
			text[file].WriteString(f.logLine(now, v, labels))
		}
	}
	c.collect()
	var errs []error
	for i := range text {
		errs = append(errs, l.files[i].write(text[i].String()))
	}
	return errors.Join(errs...)
}

// change returns the increase of a counter or the value of a gauge, and whether it has changed
// since the last write. The first value of a gauge has changed, unless it is 0.
func (l *LogFiles) change(f *family, counter bool, v float64, labels []string) (float64, bool) {
	key := f.name + "\x00" + strings.Join(labels, "\x00")
	last := l.last[key]
	l.last[key] = v
	if !counter {
		return v, v != last
	}
	if v < last { // the model was registered again
		last = 0
	}
	return v - last, v > last
}

// logLine is a line in TorchServe's format:
//
//	2024-05-30T21:46:03,626 - Requests4XX.Count:1.0|#Level:Host|#hostname:NAME,timestamp:1717105563
func (f *family) logLine(now time.Time, v float64, labels []string) string {
	last := len(labels) - 1 // the host, which is written apart
	var dims []string
	for i, name := range f.labels[:last] {
		dims = append(dims, name+":"+oneLine(labels[i]))
	}
	return fmt.Sprintf("%s - %s.%s:%s|#%s|#hostname:%s,timestamp:%d\n", strings.Replace(now.Format("2006-01-02T15:04:05.000"), ".", ",", 1),
		f.name, f.unit, javaDouble(v), strings.Join(dims, ","), oneLine(labels[last]), now.Unix())
}

// oneLine replaces what separates values in a line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == ',' || r == '|' {
			return '_'
		}
		return r
	}, text)
}

// javaDouble writes a number as Java does, which always has a decimal point.
func javaDouble(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// The size at which a file is replaced, and how many older ones are kept, as in TorchServe.
const (
	rollAt   = 100 << 20
	rollKeep = 5
)

// rollingFile is a file that is appended to. When it has most bytes, it is renamed to .1, the
// one before to .2, and so on; keep of them are kept.
type rollingFile struct {
	path string
	most int64
	keep int
	f    *os.File
	size int64
}

func (r *rollingFile) open() error {
	f, err := os.OpenFile(r.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.f, r.size = f, info.Size()
	return nil
}

// write appends whole lines.
func (r *rollingFile) write(lines string) error {
	if lines == "" {
		return nil
	}
	if r.size+int64(len(lines)) > r.most && r.size > 0 {
		if err := r.roll(); err != nil {
			return err
		}
	}
	n, err := r.f.WriteString(lines)
	r.size += int64(n)
	return err
}

func (r *rollingFile) roll() error {
	err := r.f.Close()
	for i := r.keep; i > 0; i-- {
		from := r.path
		if i > 1 {
			from = fmt.Sprintf("%s.%d", r.path, i-1)
		}
		if e := os.Rename(from, fmt.Sprintf("%s.%d", r.path, i)); e != nil && !os.IsNotExist(e) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, r.open())
}

func (r *rollingFile) close() error {
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}
