package picture

// The resampling of PIL for 8 bits a color. Each output pixel is a weighted mean of input pixels:
// for a reduction by s the weights are a triangle of half the width s around the center, and for
// an enlargement one of half the width 1. First the rows are resized, then the columns.

// precision is the number of bits behind the point of a weight.
const precision = 32 - 8 - 2

// taps are the weights of one output pixel: they begin at an input pixel.
type taps struct {
	from    int
	weights []int32
}

// weightsOf returns the taps for the part of an axis that becomes scaled pixels from size.
func weightsOf(size, scaled int, p part) []taps {
	scale := float64(size) / float64(scaled)
	support := max(scale, 1)
	out := make([]taps, p.n)
	most := 2*int(support+1) + 1
	all := make([]int32, 0, most*p.n)
	numbers := make([]float64, most)
	for i := range out {
		center := float64((float64(p.from+i) + 0.5) * scale)
		from := max(int(center-support+0.5), 0)
		n := min(int(center+support+0.5), size) - from
		sum := 0.0
		for k := range n {
			w := max(0, 1-abs(float64((float64(k+from)-center+0.5)*(1/support))))
			numbers[k] = w
			sum += w
		}
		start := len(all)
		for k := range n {
			all = append(all, int32(0.5+float64(numbers[k]/sum*(1<<precision))))
		}
		out[i] = taps{from, all[start:len(all):len(all)]}
	}
	return out
}

func abs(v float64) float64 {
	if v < 0 {
		return -v
	}
	return v
}

// resample writes the window of the resized picture.
func (p *Picture) resample(w window, across, down part, f Fit) {
	row := make([]byte, 3*p.Width)
	narrow := p.narrower(across, f.ScaledWidth)
	if f.ScaledHeight == p.Height {
		for y := range down.n {
			p.row(down.from+y, row)
			narrow(row, w.dst[y*w.stride:])
		}
		return
	}
	columns := weightsOf(p.Height, f.ScaledHeight, down)
	// The rows of the picture that the columns need, already narrow.
	first := columns[0].from
	end := columns[down.n-1].from + len(columns[down.n-1].weights)
	width := 3 * across.n
	rows := make([]byte, (end-first)*width)
	for y := first; y < end; y++ {
		p.row(y, row)
		narrow(row, rows[(y-first)*width:])
	}
	sums := make([]int32, width)
	for y, t := range columns {
		for i := range sums {
			sums[i] = 1 << (precision - 1)
		}
		for k, weight := range t.weights {
			in := rows[(t.from-first+k)*width:][:width]
			for i, v := range in {
				sums[i] += int32(v) * weight
			}
		}
		out := w.dst[y*w.stride:][:width]
		for i, v := range sums {
			out[i] = clip(v)
		}
	}
}

// narrower returns the function that resizes a row.
func (p *Picture) narrower(across part, scaled int) func(row, dst []byte) {
	if scaled == p.Width {
		return func(row, dst []byte) { copy(dst[:3*across.n], row[3*across.from:]) }
	}
	weights := weightsOf(p.Width, scaled, across)
	return func(row, dst []byte) {
		for i, t := range weights {
			r, g, b := int32(1<<(precision-1)), int32(1<<(precision-1)), int32(1<<(precision-1))
			in := row[3*t.from:][:3*len(t.weights)]
			for k, weight := range t.weights {
				r += int32(in[3*k]) * weight
				g += int32(in[3*k+1]) * weight
				b += int32(in[3*k+2]) * weight
			}
			dst[3*i], dst[3*i+1], dst[3*i+2] = clip(r), clip(g), clip(b)
		}
	}
}

// clip returns a sum of weighted bytes as a byte.
func clip(v int32) byte {
	v >>= precision
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return byte(v)
}
