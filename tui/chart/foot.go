package chart

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// foot draws the footer: the time axis, its marks, and the labels of both.
func (p plot) foot(win window, s Spec) {
	y := p.sc.rows
	p.g.set(p.f.left-1, y, '└', PartAxis)
	for x := range p.f.cols {
		p.g.set(p.f.left+x, y, '─', PartAxis)
	}
	for _, m := range s.Marks {
		if x := win.column(m.At); x >= 0 {
			sign, part := m.look()
			p.g.set(p.f.left+x, y, sign, part)
		}
	}
	for _, m := range slices.Backward(s.Marks) { // newest first: its text has priority
		_, part := m.look()
		switch x := win.column(m.At); {
		case x < 0:
		case p.f.foot == TimeFoot:
			p.label(x, y+1, m.Text, part)
		case x+1+runes(m.Text) > p.f.cols: // no room to the right of the sign
			p.label(x-runes(m.Text), y, m.Text, part)
		default:
			p.label(x+1, y, m.Text, part)
		}
	}
	y += int(p.f.foot) - 1
	p.axisLabel(p.f.cols, y, s.Right)
	if s.Every > 0 {
		p.timeLabels(y, s.Every*time.Duration(win.perSlot*win.sub))
		return
	}
	p.axisLabel(0, y, s.Left)
}

// axisLabel writes the label of a time. On the axis it has a blank on each side,
// because it may begin with a minus sign.
func (p plot) axisLabel(x, y int, text string) bool {
	if p.f.foot == MarkFoot && text != "" {
		text = " " + text + " "
	}
	return p.label(x, y, text, PartAxis)
}

func (m Mark) look() (sign rune, part Part) {
	sign, part = m.Sign, m.Part
	if sign == 0 || !single(sign) {
		sign = '▲'
	}
	if part == PartNone || part >= partCount {
		part = PartMark
	}
	return sign, part
}

// timeLabels labels the time axis in row y, of which a column is as long as every.
// There is at least one label if there is room.
func (p plot) timeLabels(y int, every time.Duration) {
	const apart = 14 // columns between two labels
	for _, least := range []int{apart, 8} {
		step := niceTime(every * time.Duration(least))
		written := false
		for ago := step; ; ago += step {
			x := p.f.cols - 1 - int(math.Round(float64(ago)/float64(every)))
			if x < 0 {
				break
			}
			text := agoText(ago)
			written = p.axisLabel(max(x-len(text)/2, 0), y, text) || written
		}
		if written {
			return
		}
	}
}

// niceTime is the smallest usual length of time of at least d.
func niceTime(d time.Duration) time.Duration {
	for _, seconds := range []int{1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600} {
		if n := time.Duration(seconds) * time.Second; n >= d {
			return n
		}
	}
	return d.Truncate(time.Hour) + time.Hour
}

// agoText is a time before now in seconds, or in whole minutes.
func agoText(d time.Duration) string {
	if d >= 2*time.Minute && d%time.Minute == 0 {
		return "-" + strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return "-" + strconv.Itoa(int(d/time.Second)) + "s"
}

// label writes text from plot column x, or further left if it would not fit there. It
// writes only over blanks or the axis, and not next to other text. It reports
// whether it wrote.
func (p plot) label(x, y int, text string, part Part) bool {
	text = oneCellEach(text)
	n := runes(text)
	x = min(x, p.f.cols-n)
	if x < 0 || n == 0 {
		return false
	}
	from := p.f.left + x
	for at := max(from-1, p.f.left); at < min(from+n+1, p.g.W); at++ {
		covered := at >= from && at < from+n
		if c := p.g.at(at, y); c.Rune != ' ' && c.Rune != '─' && (covered || !p.isSign(c)) {
			return false
		}
	}
	p.g.text(from, y, text, part)
	return true
}

// isSign reports whether a cell of the footer holds the sign of a mark: a label may
// be beside it.
func (p plot) isSign(c Cell) bool { return c.Part != PartAxis && !(c.Rune < 0x80) }
