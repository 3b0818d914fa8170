package main

import (
	"runtime"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/tui"
)

// frameLoop draws the frames of a screen without waiting, as a program does.
type frameLoop struct{ screen tea.Model }

// newFrameLoop opens a view of a screen of w x h cells and draws it once.
func newFrameLoop(f *feed, w, h int, view rune) *frameLoop {
	s := &frameLoop{tui.NewScreen(tui.Deps{Workbench: f, Now: f.now})}
	s.screen, _ = s.screen.Update(tea.WindowSizeMsg{Width: w, Height: h})
	s.screen, _ = s.screen.Update(tea.KeyPressMsg{Code: view, Text: string(view)})
	s.frame()
	return s
}

// frame polls the next snapshot, builds its frame and writes how it differs from the last one.
func (s *frameLoop) frame() (cpu, wall time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start, cpuStart := time.Now(), threadTime()
	s.screen, _ = s.screen.Update(tea.FocusMsg{}) // polls at once, as each tick does
	return threadTime() - cpuStart, time.Since(start)
}

// heapInUse is the memory in use after a garbage collection.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what the first one found in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
