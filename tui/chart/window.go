package chart

// window maps values to slots. A plot column has sub slots. Values are numbered
// from the first one ever recorded, and a column always holds the same range of
// numbers. So new values shift whole columns and never move a value from one
// column to another.
type window struct {
	slots       int
	sub         int // slots in a column
	perSlot     int // values in a slot
	size        int // number of values
	firstNumber int // the number of Values[0]
	lastSlot    int // the number of the slot at the right end, counted from the first ever
}

// maxSpan is far above the length of any history; it prevents overflow of sums.
const maxSpan = 1 << 30

func (s Spec) window(cols, sub int) window {
	n := len(s.Values)
	seq := max(s.Seq, n)
	span := min(s.Span, maxSpan)
	w := window{slots: cols * sub, sub: sub, perSlot: 1, size: n, firstNumber: seq - n}
	// The newest column may hold a single value, so the span must fit into the
	// others.
	switch others := w.slots - sub; {
	case span <= others+1:
	case others == 0:
		w.perSlot = max(span, seq)
	default:
		w.perSlot = (span-2)/others + 1
	}
	last := max(seq-1, 0) / w.perSlot
	w.lastSlot = (last/sub+1)*sub - 1
	return w
}

// slot is the slot of the value with index i; negative if it is not visible.
func (w window) slot(i int) int {
	if i < 0 || i >= w.size {
		return -1
	}
	return w.slots - 1 - (w.lastSlot - (w.firstNumber+i)/w.perSlot)
}

// column is the plot column of the value with index i; negative if it is not
// visible.
func (w window) column(i int) int {
	if slot := w.slot(i); slot >= 0 {
		return slot / w.sub
	}
	return -1
}

// join returns one value per slot. Values may be fewer than those of the window;
// they are the first ones then.
func (w window) join(values []float64, how Join) []float64 {
	out := make([]float64, w.slots)
	size := min(w.size, len(values))
	for i := range out {
		from := (w.lastSlot-w.slots+1+i)*w.perSlot - w.firstNumber
		to := min(max(from+w.perSlot, 0), size)
		out[i] = how.join(values[min(max(from, 0), to):to])
	}
	return out
}
