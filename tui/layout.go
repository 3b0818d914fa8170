package tui

// rect is a rectangle of cells.
type rect struct{ x, y, w, h int }

func (r rect) contains(x, y int) bool {
	return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h
}

// sizeClass is a range of terminal sizes that have the same layout.
type sizeClass uint8

const (
	tooSmall sizeClass = iota
	tiny               // numbers and sparklines only
	compact            // the knobs in one row
	wide               // the knobs in a column
)

const (
	minWidth, minHeight         = 40, 10
	compactWidth, compactHeight = 80, 24
	wideWidth, wideHeight       = 112, 32
)

func sizeClassOf(w, h int) sizeClass {
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

// frameLayout is the part of the screen that all views share: two lines at the top,
// two at the bottom, and the body between them.
type frameLayout struct {
	header, verdict, body, status, footer rect
}

func frameLayoutOf(w, h int) frameLayout {
	return frameLayout{
		header:  rect{0, 0, w, 1},
		verdict: rect{0, 1, w, 1},
		body:    rect{0, 2, w, h - 4},
		status:  rect{0, h - 2, w, 1},
		footer:  rect{0, h - 1, w, 1},
	}
}

// liveLayout is the body of Live. A panel that a size class does not show is empty.
type liveLayout struct {
	knobs, load, resources       rect // numbers
	p99, throughput, utilization rect // charts
}

const (
	sideWidth          = 35
	loadHeight         = 10 // with its border
	resourcesHeight    = 8
	compactKnobsHeight = 4
)

func liveLayoutOf(w, h int) liveLayout {
	b := frameLayoutOf(w, h).body
	if sizeClassOf(w, h) == wide {
		utilization, throughput := b.h/4, b.h*9/32
		p99 := b.h - utilization - throughput
		knobs := b.h - loadHeight - resourcesHeight
		right := b.w - sideWidth
		return liveLayout{
			knobs:       rect{0, b.y, sideWidth, knobs},
			load:        rect{0, b.y + knobs, sideWidth, loadHeight},
			resources:   rect{0, b.y + knobs + loadHeight, sideWidth, resourcesHeight},
			p99:         rect{sideWidth, b.y, right, p99},
			throughput:  rect{sideWidth, b.y + p99, right, throughput},
			utilization: rect{sideWidth, b.y + p99 + throughput, right, utilization},
		}
	}
	rest := b.h - compactKnobsHeight
	low := max(6, rest*2/5)
	half := w / 2
	return liveLayout{
		knobs:       rect{0, b.y, w, compactKnobsHeight},
		p99:         rect{0, b.y + compactKnobsHeight, w, rest - low},
		throughput:  rect{0, b.y + b.h - low, half, low},
		utilization: rect{half, b.y + b.h - low, w - half, low},
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

func sweepLayoutOf(w, h int) sweepLayout {
	b := frameLayoutOf(w, h).body
	if sizeClassOf(w, h) != wide {
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

// centred is a rectangle of at most w x h in the middle of the screen.
func centred(screenW, screenH, w, h int) rect {
	w, h = min(w, screenW), min(h, screenH)
	return rect{(screenW - w) / 2, (screenH - h) / 2, w, h}
}
