package chart

import "strconv"

// Reason is why a batch left its queue.
type Reason uint8

// The reasons.
const (
	FullBatch  Reason = iota // the batch size was reached
	DelayEnded               // the batch delay ended
	IdleWorker               // a worker was idle, and nothing more was queued
	Abandoned                // requests whose clients had left used up its places
)

// look is the glyph and the color of a reason.
func (r Reason) look() (rune, Part) {
	switch r {
	case FullBatch:
		return 'f', PartGood
	case DelayEnded:
		return 'd', PartUnsure
	case Abandoned:
		return 'a', PartMark
	default:
		return 'i', PartFaint
	}
}

// Batch is one formed batch.
type Batch struct {
	Size int
	Left Reason
}

// Batches is a chart of the latest batches of each worker, newest at the right. The
// height of a bar is the size of its batch; the letter below says why it left: f
// full, d delay ended, i idle worker, a abandoned requests.
type Batches struct {
	Workers [][]Batch // by worker, oldest batch first
	MaxSize int       // the batch size: the height of a full bar; 0 is the largest batch
	Empty   string    // shown if there is no batch
}

// Draw draws the chart in w x h cells. If there are more workers than rows, the last
// row says how many are left out.
func (b Batches) Draw(w, h int, sym Symbols) *Grid {
	return draw(w, h, sym, func(g *Grid) { b.drawOnto(g) })
}

func (b Batches) drawOnto(g *Grid) {
	full, found := b.MaxSize, false
	for _, batches := range b.Workers {
		for _, x := range batches {
			found = true
			if b.MaxSize < 1 {
				full = max(full, x.Size)
			}
		}
	}
	if !found {
		g.centered(g.H/2, b.Empty, PartText)
		return
	}
	n, rows := len(b.Workers), g.H/len(b.Workers)
	if rows < 2 && n > 1 { // a bar and its letter need two rows
		rows = 2
		n = (g.H - 1) / rows
		g.text(0, g.H-1, "+"+strconv.Itoa(len(b.Workers)-n)+" more workers", PartAxis)
	}
	for i, batches := range b.Workers[:n] {
		b.worker(g, i, rows, full, batches)
	}
}

// worker draws the batches of one worker in its rows.
func (b Batches) worker(g *Grid, i, rows, full int, batches []Batch) {
	parts := [...]rune{' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'}
	bottom := (i+1)*rows - 1 // the row of the letters
	left := g.text(0, bottom, "w"+strconv.Itoa(i+1), PartAxis)
	left = max(left+1, labelWidth)
	cols := g.W - left
	for x := range min(cols, len(batches)) {
		batch := batches[len(batches)-1-x]
		letter, part := batch.Left.look()
		g.set(g.W-1-x, bottom, letter, part)
		eighths := int(min(max(float64(batch.Size)/float64(max(full, 1)), 0), 1) * float64((rows-1)*8))
		if batch.Size > 0 {
			eighths = max(eighths, 1)
		}
		for row := bottom - 1; row > bottom-rows && eighths > 0; row-- {
			g.set(g.W-1-x, row, parts[min(eighths, 8)], part)
			eighths -= 8
		}
	}
}
