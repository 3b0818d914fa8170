package main

import (
	"bytes"
	"io"
	"math"
	"os"
	"strconv"
	"time"
)

// predictionMetric begins the value of the metric that TorchServe logs for each batch: the time of its
// handler.
const predictionMetric = " - PredictionTime.ms:"

// metricsLog reads TorchServe's model_metrics.log as it grows.
type metricsLog struct {
	path   string
	offset int64
	rest   []byte // the begin of a line that has not been written to its end
}

// skip ignores what has been written so far.
func (l *metricsLog) skip() {
	l.rest = nil
	if s, err := os.Stat(l.path); err == nil {
		l.offset = s.Size()
	}
}

// read returns the handler times of the requests in the lines since the last call, once for each request
// of a batch. A file that was replaced meanwhile is read from its beginning.
func (l *metricsLog) read() ([]time.Duration, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if s, err := f.Stat(); err == nil && s.Size() < l.offset {
		l.offset, l.rest = 0, nil
	}
	text, err := io.ReadAll(io.NewSectionReader(f, l.offset, math.MaxInt64-l.offset))
	if err != nil {
		return nil, err
	}
	l.offset += int64(len(text))
	text = append(l.rest, text...)
	end := bytes.LastIndexByte(text, '\n') + 1
	l.rest = bytes.Clone(text[end:])
	return parsePredictions(text[:end]), nil
}

// parsePredictions returns the handler times in the lines of a model_metrics.log, once for each request. Other
// lines are ignored.
//
//	2026-11-30T05:37:29,835 - PredictionTime.ms:54.83|#ModelName:m,Level:Model|#hostname:vm,requestID:A,B,timestamp:1796017049
func parsePredictions(text []byte) []time.Duration {
	var out []time.Duration
	for line := range bytes.Lines(text) {
		_, rest, ok := bytes.Cut(line, []byte(predictionMetric))
		if !ok {
			continue
		}
		value, rest, ok := bytes.Cut(rest, []byte("|"))
		ms, err := strconv.ParseFloat(string(value), 64)
		_, ids, hasIDs := bytes.Cut(rest, []byte("requestID:"))
		ids, _, hasTime := bytes.Cut(ids, []byte(",timestamp:"))
		if !ok || !hasIDs || !hasTime || err != nil || !(ms >= 0 && ms < 1e7) {
			continue
		}
		took := time.Duration(ms * float64(time.Millisecond))
		for range bytes.Count(ids, []byte(",")) + 1 {
			out = append(out, took)
		}
	}
	return out
}
