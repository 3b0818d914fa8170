package jpeg

// blockSize is the number of coefficients of a block.
const blockSize = 64

// block has the coefficients of 8 x 8 samples, row by row, the DC coefficient first.
type block [blockSize]int16

// unzig has the place in a block for each coefficient in zigzag order. A damaged file may have coefficients
// behind the last one: they all are the last one, as in libjpeg.
var unzig = [blockSize + 16]byte{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
}

// zeros is the symbol of 16 coefficients of 0.
const zeros = 0xf0

// delta reads the difference of a DC coefficient from that of the block before.
func (d *decoder) delta(p *scanPart) int32 {
	r := &d.reader
	r.fill()
	size := r.symbol(p.dc)
	if size > 15 {
		r.bad = true
		return 0
	}
	return r.value(size)
}

// sequential reads all coefficients of a block (T.81, F.2.2).
func (d *decoder) sequential(p *scanPart, b *block) {
	p.last += d.delta(p)
	b[0] = int16(p.last)
	r, ac := &d.reader, p.ac
	for k := 1; k < blockSize; k++ {
		r.fill()
		symbol := r.symbol(ac)
		k += int(symbol >> 4)
		size := symbol & 15
		switch {
		case size > 0:
			b[unzig[k]] = int16(r.value(size))
		case symbol != zeros:
			return
		}
	}
}

// firstDC reads the first bits of a DC coefficient (T.81, G.1.2.1).
func (d *decoder) firstDC(p *scanPart, b *block, low byte) {
	p.last += d.delta(p)
	b[0] = int16(p.last << low)
}

// refineDC reads the next bit of a DC coefficient.
func (d *decoder) refineDC(b *block, low byte) {
	if d.reader.bit() {
		b[0] |= 1 << low
	}
}

// firstAC reads the first bits of some coefficients (T.81, G.1.2.2).
func (d *decoder) firstAC(p *scanPart, b *block, s *scanHeader) {
	if d.eobRun > 0 {
		d.eobRun--
		return
	}
	r := &d.reader
	for k := s.from; k <= s.to; k++ {
		r.fill()
		symbol := r.symbol(p.ac)
		run, size := symbol>>4, symbol&15
		switch {
		case size > 0:
			k += int(run)
			b[unzig[k]] = int16(r.value(size) << s.low)
		case symbol == zeros:
			k += 15
		default:
			d.eobRun = 1<<run + int(r.number(run)) - 1
			return
		}
	}
}

// refineAC reads the next bit of the coefficients that are not 0, and new ones of 1 or -1 (T.81, G.1.2.3).
func (d *decoder) refineAC(p *scanPart, b *block, s *scanHeader) {
	r, k := &d.reader, s.from
	for d.eobRun == 0 && k <= s.to {
		r.fill()
		symbol := r.symbol(p.ac)
		run, size := symbol>>4, symbol&15
		value := int16(0)
		switch {
		case size == 1:
			value = -1 << s.low
			if r.bit() {
				value = 1 << s.low
			}
		case size > 1:
			r.bad = true
			return
		case symbol != zeros:
			d.eobRun = 1<<run + int(r.number(run))
			continue
		}
		k = d.refineBits(b, k, s, int(run))
		if k > s.to {
			r.bad = true
			return
		}
		if value != 0 {
			b[unzig[k]] = value
		}
		k++
	}
	if d.eobRun > 0 {
		d.refineBits(b, k, s, blockSize)
		d.eobRun--
	}
}

// refineBits reads a bit for each coefficient from k on that is not 0, up to the one behind this number of zeros, whose index it
// returns.
func (d *decoder) refineBits(b *block, k int, s *scanHeader, zeros int) int {
	bit := int16(1) << s.low
	for ; k <= s.to; k++ {
		v := &b[unzig[k]]
		switch {
		case *v == 0 && zeros == 0:
			return k
		case *v == 0:
			zeros--
		case !d.reader.bit() || *v&bit != 0:
		case *v > 0:
			*v += bit
		default:
			*v -= bit
		}
	}
	return k
}
