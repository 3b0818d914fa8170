package jpeg

// upsampler makes the rows of a component as wide as the picture, and as many.
type upsampler struct {
	across, down int // pixels of a sample
	row          []byte
	sums         []int32
	repeated     int // the sample row that row has; -1: none
}

func newUpsampler(c *component, across, down int) upsampler {
	u := upsampler{across: across, down: down, repeated: -1}
	if across > 1 || down == 2 {
		u.row = make([]byte, c.width*across)
	}
	if u.interpolates(c) && across == 2 {
		u.sums = make([]int32, c.width)
	}
	return u
}

// interpolates reports whether samples are interpolated. libjpeg does it for half of the samples in a direction, and not
// for rows of one or two samples, unless only columns are interpolated.
func (u *upsampler) interpolates(c *component) bool {
	switch {
	case u.across == 1:
		return u.down == 2
	case u.across == 2:
		return u.down <= 2 && c.width > 2
	}
	return false
}

// line returns row y of the picture, which is valid until the next call.
func (c *component) line(y int) []byte {
	u := &c.up
	near := c.sampleRow(y / u.down)
	switch {
	case u.across == 1 && u.down != 2:
		return near
	case !u.interpolates(c):
		return u.repeat(near, y/u.down)
	case u.down == 1:
		for i, v := range near {
			u.sums[i] = int32(v)
		}
		u.interpolate(1, 2, 2)
	case u.across == 1:
		far, bias := c.sampleRow(c.secondNearest(y)), int32(1+y%2)
		for i, v := range near {
			u.row[i] = byte((3*int32(v) + int32(far[i]) + bias) >> 2)
		}
	default:
		far, sums := c.sampleRow(c.secondNearest(y))[:len(near)], u.sums[:len(near)]
		for i, v := range near {
			sums[i] = 3*int32(v) + int32(far[i])
		}
		u.interpolate(8, 7, 4)
	}
	return u.row
}

// sampleRow returns a row of samples.
func (c *component) sampleRow(y int) []byte { return c.samples[8*c.stride*y:][:c.width] }

// secondNearest returns the row of samples that is the second nearest to row y of two for each sample: above it
// for the upper one of a pair, below it for the lower one.
func (c *component) secondNearest(y int) int { return min(max(y/2+2*(y%2)-1, 0), c.height-1) }

// repeat writes each sample several times.
func (u *upsampler) repeat(samples []byte, at int) []byte {
	if u.repeated == at {
		return u.row
	}
	u.repeated = at
	out := u.row
	for _, v := range samples {
		for i := range u.across {
			out[i] = v
		}
		out = out[u.across:]
	}
	return u.row
}

// interpolate writes two pixels for each sum: 3/4 of it and 1/4 of its neighbor. The sums are samples times 2^(shift-2); left and
// right are what is added before each is rounded.
func (u *upsampler) interpolate(left, right int32, shift uint) {
	sums, row := u.sums, u.row
	before, v := sums[0], sums[0]
	for i, after := range sums[1:] {
		out := row[2*i : 2*i+2 : 2*i+2]
		out[0] = byte((3*v + before + left) >> (shift & 31))
		out[1] = byte((3*v + after + right) >> (shift & 31))
		before, v = v, after
	}
	out := row[len(row)-2:]
	out[0] = byte((3*v + before + left) >> (shift & 31))
	out[1] = byte((4*v + right) >> (shift & 31))
}
