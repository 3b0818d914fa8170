package python

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/backend/python/worker"
)

// A traceback is one warning, and more of them within 10 s are none. Those who look for faults get every line.
func TestLog(t *testing.T) {
	trace := []string{"Invoking custom service failed.", "Traceback (most recent call last):", `  File "h.py", line 7, in handle`, "    raise", "ValueError: bad picture"}
	for name, tt := range map[string]struct {
		level           slog.Level
		warnings, lines int
	}{
		"warnings": {slog.LevelWarn, 2, 2}, "everything": {slog.LevelDebug, 2, 2 + 3*len(trace)},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			l := &lines{log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: tt.level})), metrics: &series{}}
			for range 3 {
				for _, text := range trace {
					l.add(worker.Line{Text: text})
				}
				time.Sleep(traceEvery/2 + time.Millisecond)
			}
			text := out.String()
			const warning = `exception="ValueError: bad picture" traceback="Traceback (most recent call last):\n  File \"h.py\", line 7, in handle\n    raise\nValueError: bad picture"`
			if n := strings.Count(text, warning); n != tt.warnings || strings.Count(text, "\n") != tt.lines {
				t.Errorf("%s: %d warnings, want %d and %d lines:\n%s", name, n, tt.warnings, tt.lines, text)
			}
		})
	}
}
