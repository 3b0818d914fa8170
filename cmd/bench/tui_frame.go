package main

import (
	"io"
	"runtime"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"

	"sweetspot/tui"
)

// frameLoop draws the frames of a screen without waiting, with the renderer of the real one.
type frameLoop struct {
	screen tea.Model
	cells  uv.ScreenBuffer
	diff   *uv.TerminalRenderer
}

// newFrameLoop opens a view of a screen of w x h cells and draws it once.
func newFrameLoop(f *feed, w, h int, view rune) *frameLoop {
	s := &frameLoop{screen: tui.NewScreen(tui.Deps{Workbench: f, Now: f.now}), cells: uv.NewScreenBuffer(w, h)}
	s.diff = uv.NewTerminalRenderer(io.Discard, []string{"TERM=xterm-256color"})
	s.diff.SetColorProfile(colorprofile.ANSI256)
	s.diff.SetFullscreen(true)
	s.diff.SetRelativeCursor(false)
	s.diff.SetScrollOptim(true)
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
	content := uv.NewStyledString(s.screen.View().Content)
	s.cells.Clear()
	content.Draw(s.cells, s.cells.Bounds())
	s.diff.Render(s.cells.RenderBuffer)
	_ = s.diff.Flush() // io.Discard returns no error
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
