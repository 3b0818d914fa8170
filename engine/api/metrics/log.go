package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/logfile"
)

// LogFiles writes TorchServe's metrics as lines of its log files, ts_metrics.log and
// model_metrics.log, for the modes log and legacy. TorchServe writes a line for each request.
// LogFiles writes every second what has changed: of a counter the increase, so that the sums are the
// same, and of a gauge its last value. What a disk with an error does not take is written once it works
// again, so that the sums stay the same.
type LogFiles struct {
	cfg    Config
	outage logfile.Outage
	files  [2]*logfile.File // by logFile
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

// NewLogFiles returns a log in the folder dir, which it creates. The caller must call Run. Errors of the disk are
// reported to log.
func NewLogFiles(c Config, dir string, log *slog.Logger) (*LogFiles, error) {
	if c.Hostname == "" {
		c.Hostname, _ = os.Hostname() // "" if it is unknown
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("metrics log: %w", err)
	}
	l := &LogFiles{cfg: c, last: map[string]float64{}, outage: logfile.Outage{What: "metrics", Log: log}}
	for i, name := range []string{frontend: "ts_metrics.log", backend: "model_metrics.log"} {
		var err error
		if l.files[i], err = logfile.Open(filepath.Join(dir, name)); err != nil {
			l.files[i] = nil
			return nil, errors.Join(fmt.Errorf("metrics log: %w", err), l.Close())
		}
	}
	return l, nil
}

// Run writes until ctx ends, and once more then. It closes the files. Its error is that of the last lines.
func (l *LogFiles) Run(ctx context.Context) error {
	ticker := time.NewTicker(logEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.outage.Report(l.write(time.Now()))
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
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// write writes the lines of what has changed.
func (l *LogFiles) write(now time.Time) error {
	var text [2]strings.Builder
	written := [2]map[string]float64{{}, {}} // what the lines say
	system := now.Sub(l.system) >= cmp.Or(l.cfg.Interval, systemEvery)
	c := &collector{Config: l.cfg}
	if !system {
		c.Host = nil
	}
	legacy := l.cfg.Mode == Legacy
	c.Mode = Prometheus
	c.line = func(f *family, counter bool, v float64, labels []string) {
		if f.unit == "" || legacy && strings.HasPrefix(f.name, "ts_") {
			return // not TorchServe's, or at /metrics
		}
		file := frontend
		if f.backend {
			file = backend
		}
		key := f.name + "\x00" + strings.Join(labels, "\x00")
		written[file][key] = v
		if v, changed := change(l.last[key], counter, v); changed || f.system {
			text[file].WriteString(f.logLine(now, v, labels))
		}
	}
	c.collect()
	var errs []error
	for i := range text {
		_, err := l.files[i].Write([]byte(text[i].String()))
		errs = append(errs, err)
		if err != nil {
			continue
		}
		maps.Copy(l.last, written[i])
		if system && logFile(i) == frontend { // it has the machine
			l.system = now
		}
	}
	return errors.Join(errs...)
}

// change returns the increase of a counter or the value of a gauge, and whether it has changed
// since the last write. The first value of a gauge has changed, unless it is 0.
func change(last float64, counter bool, v float64) (float64, bool) {
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
	return fmt.Sprintf("%s - %s.%s:%s|#%s|#hostname:%s,timestamp:%d\n", logfile.AppendTime(nil, now),
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
