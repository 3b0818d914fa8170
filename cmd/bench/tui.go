package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
)

// began is the origin of threadTime where the CPU time of a thread is not known.
var began = time.Now()

// tuiBudget is how much the set runs.
type tuiBudget struct {
	frames int           // of each view and size
	growth int           // virtual seconds of the run that must not grow
	screen time.Duration // a run of the screen, at each rate
	starts int           // of the real program
	keys   int           // while a sweep runs
	pairs  int           // of blocks with and without a screen
	block  time.Duration
}

func (b budget) tui() tuiBudget {
	switch b.mode {
	case full.mode:
		return tuiBudget{frames: 3000, growth: 600, screen: time.Minute, starts: 20, keys: 300, pairs: 60, block: 3 * time.Second}
	case quick.mode:
		return tuiBudget{frames: 200, growth: 600, screen: 5 * time.Second, starts: 3, keys: 40, pairs: 6, block: time.Second}
	}
	return tuiBudget{frames: 20, growth: 5, screen: 300 * time.Millisecond, starts: 1, keys: 2, pairs: 2, block: 500 * time.Millisecond}
}

// measureTUI measures what the screen costs: its frames, its memory, the real program on a terminal, and its effect on
// the requests that the same process sends.
func measureTUI(ctx context.Context, e *env) error {
	f, err := newFeed()
	if err != nil {
		return err
	}
	b := e.budget.tui()
	if err := measureFrames(ctx, e, b, f); err != nil {
		return err
	}
	measureGrowth(e, b, f)
	for _, perSecond := range []int{10, 4} {
		if err := measureScreen(ctx, e, b, f, perSecond); err != nil {
			return err
		}
	}
	return withProgram(ctx, func(p program) error {
		if err := measureStart(ctx, e, b, p); err != nil {
			return err
		}
		if err := measureKeys(ctx, e, b, p); err != nil {
			return err
		}
		return measureEffect(ctx, e, b, f, p)
	})
}

// measureFrames adds the P99 of building a frame of each view and finding its difference from the last one.
func measureFrames(ctx context.Context, e *env, b tuiBudget, f *feed) error {
	for _, size := range [][2]int{{120, 36}, {200, 60}} {
		for v, key := range viewKeys {
			s := newFrameLoop(f, size[0], size[1], key)
			var cpu, wall []time.Duration
			for range b.frames {
				if err := context.Cause(ctx); err != nil {
					return err
				}
				c, w := s.frame()
				cpu, wall = append(cpu, c), append(wall, w)
			}
			e.report.Add(judge.Figure{
				Name: fmt.Sprintf("tui.frame.%s.%dx%d", viewNames[v], size[0], size[1]), Value: rankMS(cpu, .99), Unit: "ms",
				Detail: fmt.Sprintf("CPU time, P99 of %d frames, median %s; by the clock P99 %s", len(cpu), judge.Number(rankMS(cpu, .5)), judge.Number(rankMS(wall, .99))),
			})
		}
	}
	return nil
}

// viewKeys open the views, and viewNames are their names in figures.
var (
	viewKeys  = [...]rune{'1', '2', '3', '4'}
	viewNames = [...]string{"live", "sweep", "frontier", "profiles"}
)

// measureGrowth adds the growth of the memory in use over a run in virtual time, with 10 frames a second.
func measureGrowth(e *env, b tuiBudget, f *feed) {
	f.polled.Store(0)
	f.steady = true
	defer func() { f.steady = false }()
	s := newFrameLoop(f, 120, 36, viewKeys[0])
	for range 60 * polls {
		s.frame()
	}
	before := heapInUse()
	for range b.growth * polls {
		s.frame()
	}
	after := heapInUse()
	e.report.Add(judge.Figure{
		Name: "tui.growth", Value: float64(after)/float64(before) - 1, Unit: "share",
		Detail: fmt.Sprintf("of %s MB in use, over %d s of virtual time at %d requests/s", judge.Number(float64(before)/1e6), b.growth, feedRate),
	})
	s.frame() // keeps the screen in use until here
}

// rankMS is the value of rank ceil(q n), in ms; 0 of none.
func rankMS(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.SortedFunc(slices.Values(all), cmp.Compare)
	rank := int(q*float64(len(s)) + .999999)
	return float64(s[min(max(rank, 1), len(s))-1]) / float64(time.Millisecond)
}
