package jpeg

// The inverse cosine transform. Each factor is a cosine, or a sum of cosines, with 13 bits behind the point.
const (
	pointBits = 13 // behind the point of a factor
	passBits  = 2  // behind the point of the numbers between the passes

	factor0298 = 2446
	factor0390 = 3196
	factor0541 = 4433
	factor0765 = 6270
	factor0899 = 7373
	factor1175 = 9633
	factor1501 = 12299
	factor1847 = 15137
	factor1961 = 16069
	factor2053 = 16819
	factor2562 = 20995
	factor3072 = 25172
)

// setSamples writes the samples of a block of coefficients.
func (c *component) setSamples(b *block, x, y int) {
	stride := 8 * c.stride
	inverse(b, c.quant, c.samples[8*(y*stride+x):], stride)
}

// transform writes the samples of all blocks of a progressive file.
func (c *component) transform() {
	for y := range c.rows {
		for x := range c.columns {
			c.setSamples((*block)(c.coefficients[blockSize*(y*c.stride+x):]), x, y)
		}
	}
	c.coefficients = nil
}

// inverse multiplies the coefficients with their factors and transforms them to 8 rows of dst.
func inverse(b *block, q *quantTable, dst []byte, stride int) {
	var w [blockSize]int32
	for i := range 8 {
		// 16 bits, as the product has in the vector registers of libjpeg-turbo.
		x0 := int32(b[i] * q[i])
		if b[8+i]|b[16+i]|b[24+i]|b[32+i]|b[40+i]|b[48+i]|b[56+i] == 0 {
			v := x0 << passBits
			w[i], w[8+i], w[16+i], w[24+i], w[32+i], w[40+i], w[48+i], w[56+i] = v, v, v, v, v, v, v, v
			continue
		}
		const half, shift = 1 << (pointBits - passBits - 1), pointBits - passBits
		e0, e1, e2, e3 := even(x0, int32(b[16+i]*q[16+i]), int32(b[32+i]*q[32+i]), int32(b[48+i]*q[48+i]))
		o0, o1, o2, o3 := odd(int32(b[8+i]*q[8+i]), int32(b[24+i]*q[24+i]), int32(b[40+i]*q[40+i]), int32(b[56+i]*q[56+i]))
		w[i], w[56+i] = (e0+o0+half)>>shift, (e0-o0+half)>>shift
		w[8+i], w[48+i] = (e1+o1+half)>>shift, (e1-o1+half)>>shift
		w[16+i], w[40+i] = (e2+o2+half)>>shift, (e2-o2+half)>>shift
		w[24+i], w[32+i] = (e3+o3+half)>>shift, (e3-o3+half)>>shift
	}
	for i := range 8 {
		const shift = pointBits + passBits + 3   // the sum is 8 times the sample
		const center = 1<<(shift-1) + 128<<shift // for rounding; samples are stored as differences from 128
		r, out := (*[8]int32)(w[8*i:]), (*[8]byte)(dst[i*stride:])
		if r[1]|r[2]|r[3]|r[4]|r[5]|r[6]|r[7] == 0 {
			v := clip((r[0]<<pointBits + center) >> shift)
			out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = v, v, v, v, v, v, v, v
			continue
		}
		e0, e1, e2, e3 := even(r[0], r[2], r[4], r[6])
		o0, o1, o2, o3 := odd(r[1], r[3], r[5], r[7])
		e0, e1, e2, e3 = e0+center, e1+center, e2+center, e3+center
		out[0], out[7] = clip((e0+o0)>>shift), clip((e0-o0)>>shift)
		out[1], out[6] = clip((e1+o1)>>shift), clip((e1-o1)>>shift)
		out[2], out[5] = clip((e2+o2)>>shift), clip((e2-o2)>>shift)
		out[3], out[4] = clip((e3+o3)>>shift), clip((e3-o3)>>shift)
	}
}

// even returns what the coefficients 0, 2, 4 and 6 add to the first four samples; the last four have the same in the opposite order.
func even(x0, x2, x4, x6 int32) (s0, s1, s2, s3 int32) {
	shared := (x2 + x6) * factor0541
	a, b := shared+x2*factor0765, shared-x6*factor1847
	sum, difference := (x0+x4)<<pointBits, (x0-x4)<<pointBits
	return sum + a, difference + b, difference - b, sum - a
}

// odd returns what the coefficients 1, 3, 5 and 7 add to the first four samples; the last four have the negative of it in the opposite order.
func odd(x1, x3, x5, x7 int32) (s0, s1, s2, s3 int32) {
	shared := (x1 + x3 + x5 + x7) * factor1175
	p := shared - (x1+x5)*factor0390
	q := shared - (x3+x7)*factor1961
	outer, inner := (x1+x7)*factor0899, (x3+x5)*factor2562
	return x1*factor1501 - outer + p, x3*factor3072 - inner + q, x5*factor2053 - inner + p, x7*factor0298 - outer + q
}

// clip returns v as a byte, with the nearest value that it can have.
func clip(v int32) byte {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return byte(v)
}
