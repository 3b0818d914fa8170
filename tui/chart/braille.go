package chart

// The Braille characters have 2 columns of 4 dots. Bit i of the difference to the
// first one is dot i+1.
const firstBraille = '\u2800'

// dotBits are the bits of the dots of a column, from the bottom to the top.
var dotBits = [2][4]rune{{1 << 6, 1 << 2, 1 << 1, 1 << 0}, {1 << 7, 1 << 5, 1 << 4, 1 << 3}}

// dots draws a line of Braille dots through one value per slot.
func (p plot) dots(values []float64, fill bool) {
	previous := -1 // level of the slot before; -1 is a gap
	for i, v := range values {
		if !finite(v) {
			previous = -1
			continue
		}
		level := p.sc.level(v, 4)
		from, to := level, level
		switch { // a vertical line from the value before
		case fill:
			from = 0
		case previous >= 0 && previous < level:
			from = previous + 1
		case previous > level:
			to = previous - 1
		}
		for l := from; l <= to; l++ {
			p.dot(i, l, p.part(l/4))
		}
		previous = level
	}
}

// dotted draws one dot for each column, so that these values differ from a line
// without color too.
func (p plot) dotted(values []float64, part Part) {
	for i := 0; i < len(values); i += 2 {
		if finite(values[i]) {
			level := p.sc.level(values[i], 4)
			p.dot(i, level, part)
		}
	}
}

// dot sets the dot of a slot at a level. A cell of other data is left as it is.
func (p plot) dot(slot, level int, part Part) {
	x, y := p.f.left+slot/2, p.y(level/4)
	c := p.g.at(x, y)
	bits := rune(0)
	switch {
	case c.Part == part && c.Rune >= firstBraille && c.Rune < firstBraille+256:
		bits = c.Rune - firstBraille
	case c.Rune != ' ' && c.Rune != '┄':
		return
	}
	p.g.set(x, y, firstBraille+(bits|dotBits[slot%2][level%4]), part)
}
