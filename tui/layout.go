package tui

// rect is a rectangle of cells.
type rect struct{ x, y, w, h int }

func (r rect) holds(x, y int) bool {
	return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h
}

// size is how much room there is.
type size uint8

const (
	tooSmall size = iota
	tiny          // numbers and sparklines
	compact       // knobs as a strip
	wide          // knobs as a column
)

const (
	minWidth, minHeight         = 60, 16
	compactWidth, compactHeight = 80, 24
	wideWidth, wideHeight       = 112, 32
)

func sizeOf(w, h int) size {
	switch {
	case w >= wideWidth && h >= wideHeight:
		return wide
	case w >= compactWidth && h >= compactHeight:
		return compact
	case w >= minWidth && h >= minHeight:
		return tiny
	}
	return tooSmall
}

// frame is what every view has: two lines above, two below, the body between.
type frame struct {
	head, verdict, body, status, footer rect
}

func frameOf(w, h int) frame {
	return frame{
		head:    rect{0, 0, w, 1},
		verdict: rect{0, 1, w, 1},
		body:    rect{0, 2, w, h - 4},
		status:  rect{0, h - 2, w, 1},
		footer:  rect{0, h - 1, w, 1},
	}
}

// liveLayout is the body of Live. Panels that a size has no room for are empty.
type liveLayout struct {
	knobs, load, use rect // numbers
	p99, rps, busy   rect // charts
}

const (
	sideWidth  = 35
	loadHeight = 10 // with its frame
	useHeight  = 7
	stripRows  = 4
)

func liveOf(w, h int) liveLayout {
	b := frameOf(w, h).body
	if sizeOf(w, h) == wide {
		busy, rps := b.h/4, b.h*9/32
		p99 := b.h - busy - rps
		knobs := b.h - loadHeight - useHeight
		right := b.w - sideWidth
		return liveLayout{
			knobs: rect{0, b.y, sideWidth, knobs},
			load:  rect{0, b.y + knobs, sideWidth, loadHeight},
			use:   rect{0, b.y + knobs + loadHeight, sideWidth, useHeight},
			p99:   rect{sideWidth, b.y, right, p99},
			rps:   rect{sideWidth, b.y + p99, right, rps},
			busy:  rect{sideWidth, b.y + p99 + rps, right, busy},
		}
	}
	rest := b.h - stripRows
	low := max(6, rest*2/5)
	half := w / 2
	return liveLayout{
		knobs: rect{0, b.y, w, stripRows},
		p99:   rect{0, b.y + stripRows, w, rest - low},
		rps:   rect{0, b.y + b.h - low, half, low},
		busy:  rect{half, b.y + b.h - low, w - half, low},
	}
}

// sweepLayout is the body of Sweep.
type sweepLayout struct {
	progress, trials, detail, best rect
}

const (
	detailWidth = 44
	bestHeight  = 6
)

func sweepOf(w, h int) sweepLayout {
	b := frameOf(w, h).body
	if sizeOf(w, h) != wide {
		return sweepLayout{
			progress: rect{0, b.y, w, 2},
			trials:   rect{0, b.y + 2, w, b.h - 6},
			best:     rect{0, b.y + b.h - 4, w, 4},
		}
	}
	const progress = 6
	trials := b.h - progress - bestHeight
	return sweepLayout{
		progress: rect{0, b.y, w, progress},
		trials:   rect{0, b.y + progress, w - detailWidth, trials},
		detail:   rect{w - detailWidth, b.y + progress, detailWidth, trials},
		best:     rect{0, b.y + progress + trials, w, bestHeight},
	}
}

// centred is a rectangle of at most w x h in the middle of a screen.
func centred(screenW, screenH, w, h int) rect {
	w, h = min(w, screenW), min(h, screenH)
	return rect{(screenW - w) / 2, (screenH - h) / 2, w, h}
}
