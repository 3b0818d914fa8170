package torchserve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// logs reads the metrics of the mode log from what is added to its two files.
//
// A line is
//
//	2026-05-30T21:46:03,626 - NAME.UNIT:VALUE|#LABEL:VALUE,...|#hostname:HOST[,requestID:ID,ID...],timestamp:SECONDS
//
// A counter has its increase there.
type logs struct {
	name, version string
	files         []*follower
	sum           reading
}

// openLogs opens the files in a folder at their ends.
func openLogs(dir string, d description) (*logs, error) {
	if err := isFolder(dir); err != nil {
		return nil, err
	}
	l := &logs{name: d.Name, version: d.Version, sum: reading{sizes: map[int]int{}}}
	for _, name := range []string{"ts_metrics.log", "model_metrics.log"} {
		f, err := follow(filepath.Join(dir, name))
		if err != nil {
			l.close()
			return nil, err
		}
		l.files = append(l.files, f)
	}
	return l, nil
}

func (l *logs) batches() bool { return true }

func (l *logs) close() {
	for _, f := range l.files {
		f.file.Close()
	}
}

func (l *logs) read(context.Context) (reading, error) {
	for _, f := range l.files {
		if err := f.lines(l.add); err != nil {
			return reading{}, err
		}
	}
	out := reading{}
	out.add(l.sum) // a copy
	return out, nil
}

// add adds a line. Lines of other metrics, and those that cannot be read, do not count: with too few, the sums do not fit the
// answers.
func (l *logs) add(line []byte) {
	m, ok := parseLine(line)
	if !ok {
		return
	}
	switch m.name {
	case requestsTotal, latencySum, queueSum:
		if m.labels["model_name"] != l.name || m.labels["model_version"] != l.version {
			return
		}
	case "PredictionTime":
		if n := len(m.requests); m.labels["ModelName"] == l.name && n > 0 {
			l.sum.handled += float64(n)
			l.sum.handler += m.value * float64(n)
			l.sum.sizes[n]++
		}
		return
	}
	switch m.name {
	case requestsTotal:
		l.sum.requests += m.value
	case latencySum:
		l.sum.latency += m.value
	case queueSum:
		l.sum.queue += m.value
	}
}

// metricLine is a line of a metric log.
type metricLine struct {
	name     string
	value    float64 // from 0 on
	labels   map[string]string
	requests []string // IDs of the requests of a batch
}

// parseLine reads a line. ok is false if it is none of a metric log.
func parseLine(line []byte) (m metricLine, ok bool) {
	_, rest, found := strings.Cut(string(line), " - ")
	parts := strings.Split(rest, "|#")
	colon := strings.LastIndexByte(parts[0], ':')
	if !found || len(parts) < 2 || colon < 0 {
		return m, false
	}
	name, value := parts[0][:colon], parts[0][colon+1:]
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || v < 0 || v-v != 0 {
		return m, false
	}
	m = metricLine{name: name, value: v, labels: map[string]string{}}
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		m.name = name[:dot]
	}
	for label := range strings.SplitSeq(strings.Join(parts[1:len(parts)-1], ","), ",") {
		if k, v, ok := strings.Cut(label, ":"); ok {
			m.labels[k] = v
		}
	}
	if _, ids, ok := strings.Cut(parts[len(parts)-1], ",requestID:"); ok {
		ids, _, _ = strings.Cut(ids, ",timestamp:")
		m.requests = strings.Split(ids, ",")
	}
	return m, m.name != ""
}

// follower reads what is added to a file, also after the file was renamed and a new one begun.
type follower struct {
	path    string
	file    *os.File
	partial []byte // a line whose end is missing
}

// maxLine is the longest line; a batch of 1024 has 40 kB of request IDs.
const maxLine = 1 << 20

// follow opens a file at its end.
func follow(path string) (*follower, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekEnd)
	return &follower{path: path, file: f}, err
}

// lines calls do with each line that was added. do must not keep it.
func (f *follower) lines(do func([]byte)) error {
	if err := f.rest(do); err != nil {
		return err
	}
	for !f.isCurrent() {
		if err := f.rest(do); err != nil { // what was added before it was renamed
			return err
		}
		next, err := os.Open(f.path)
		if errors.Is(err, os.ErrNotExist) {
			return nil // between renaming and the new file
		}
		if err != nil {
			return err
		}
		f.file.Close()
		f.file, f.partial = next, nil
		if err := f.rest(do); err != nil {
			return err
		}
	}
	return nil
}

// isCurrent reports whether the path is still that of the open file.
func (f *follower) isCurrent() bool {
	is, err1 := f.file.Stat()
	now, err2 := os.Stat(f.path)
	return err1 != nil || err2 != nil || os.SameFile(is, now)
}

// rest reads the open file to its end.
func (f *follower) rest(do func([]byte)) error {
	data, err := io.ReadAll(f.file)
	if err != nil {
		return err
	}
	f.partial = append(f.partial, data...)
	for {
		line, rest, ok := bytes.Cut(f.partial, []byte("\n"))
		if !ok {
			break
		}
		do(bytes.TrimRight(line, "\r"))
		f.partial = rest
	}
	if len(f.partial) > maxLine {
		f.partial = nil
	}
	return nil
}
