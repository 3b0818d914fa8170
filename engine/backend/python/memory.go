package python

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/knob"
)

// Estimate returns a lower bound of the memory of the workers: each needs at least what the smallest
// one so far had for itself alone after it had loaded the model. It is 0 before the first worker.
func (b *Backend) Estimate(m *engine.Model, c knob.Config) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(c.Workers) * b.memory[versionKey(m)]
}

// noteMemory notes the memory of a worker that has loaded its model.
func (b *Backend) noteMemory(m *engine.Model, pid int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return // this system does not have it
	}
	own := ownMemory(string(text))
	if own == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.memory == nil {
		b.memory = map[string]int64{}
	}
	if least := b.memory[versionKey(m)]; least == 0 || own < least {
		b.memory[versionKey(m)] = own
	}
}

// ownMemory returns the bytes that a process shares with no other one, by the text of proc(5),
// smaps_rollup; 0 if it does not say. Weights that are read into memory are written pages.
func ownMemory(text string) int64 {
	for line := range strings.Lines(text) {
		value, found := strings.CutPrefix(line, "Private_Dirty:")
		if !found {
			continue
		}
		kb, ok := strings.CutSuffix(strings.TrimSpace(value), " kB")
		if n, err := strconv.ParseInt(kb, 10, 40); ok && err == nil && n > 0 {
			return n << 10
		}
	}
	return 0
}

func versionKey(m *engine.Model) string { return m.Name + "\x00" + m.Version }
