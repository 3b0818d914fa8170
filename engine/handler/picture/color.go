package picture

import (
	"image"
	"image/color"
)

// rowsOf returns the function that writes the rows of an image.
func rowsOf(img image.Image) func(y int, dst []byte) {
	switch m := img.(type) {
	case *image.YCbCr:
		return newChroma(m).row
	case *image.Gray:
		return func(y int, dst []byte) {
			for x, v := range m.Pix[y*m.Stride:][:m.Rect.Dx()] {
				dst[3*x], dst[3*x+1], dst[3*x+2] = v, v, v
			}
		}
	case *image.RGBA:
		return func(y int, dst []byte) {
			row := m.Pix[y*m.Stride:][:4*m.Rect.Dx()]
			for x := 0; 4*x < len(row); x++ {
				copy(dst[3*x:3*x+3], row[4*x:])
			}
		}
	case *image.NRGBA:
		return func(y int, dst []byte) {
			row := m.Pix[y*m.Stride:][:4*m.Rect.Dx()]
			for x := 0; 4*x < len(row); x++ {
				onBlack(dst[3*x:3*x+3], row[4*x:4*x+4])
			}
		}
	case *image.Paletted:
		return palettedRows(m)
	}
	b := img.Bounds()
	return func(y int, dst []byte) {
		for x := range b.Dx() {
			setRGB(dst[3*x:], img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
}

func setRGB(dst []byte, c color.Color) {
	r, g, b, _ := c.RGBA() // with the alpha multiplied in
	dst[0], dst[1], dst[2] = byte(r>>8), byte(g>>8), byte(b>>8)
}

// onBlack writes a pixel of four bytes on black.
func onBlack(dst, pixel []byte) {
	if pixel[3] == 255 {
		copy(dst, pixel[:3])
		return
	}
	alpha := uint32(pixel[3]) * 0x101
	for c := range 3 {
		dst[c] = byte(uint32(pixel[c]) * alpha / 255 >> 8)
	}
}

func palettedRows(m *image.Paletted) func(y int, dst []byte) {
	var colors [256][3]byte
	for i, c := range m.Palette {
		setRGB(colors[i][:], c)
	}
	return func(y int, dst []byte) {
		for x, v := range m.Pix[y*m.Stride:][:m.Rect.Dx()] {
			copy(dst[3*x:3*x+3], colors[v][:])
		}
	}
}

// chroma converts the planes of a JPEG image to colors.
type chroma struct {
	*image.YCbCr
	width  int // of the image
	across int // pixels of a row for each sample of color
	down   int // likewise for rows
	cb, cr []byte
	sums   []int32
}

func newChroma(m *image.YCbCr) *chroma {
	c := &chroma{YCbCr: m, width: m.Rect.Dx(), across: 1, down: 1}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		c.across = 2
	case image.YCbCrSubsampleRatio420:
		c.across, c.down = 2, 2
	case image.YCbCrSubsampleRatio440:
		c.down = 2
	case image.YCbCrSubsampleRatio411:
		c.across = 4
	case image.YCbCrSubsampleRatio410:
		c.across, c.down = 4, 2
	}
	samples := (c.width + c.across - 1) / c.across
	c.cb, c.cr = make([]byte, samples*c.across), make([]byte, samples*c.across)
	c.sums = make([]int32, samples)
	return c
}

// row writes one row with libjpeg's formula for the colors of JFIF.
func (c *chroma) row(y int, dst []byte) {
	c.upsample(c.cb, c.Cb, y)
	c.upsample(c.cr, c.Cr, y)
	luma := c.Y[y*c.YStride:][:c.width]
	cb, cr := c.cb[:c.width], c.cr[:c.width]
	dst = dst[:3*c.width]
	const half = 1 << 15
	for x, v := range luma {
		light, blue, red := int32(v), int32(cb[x])-128, int32(cr[x])-128
		dst[3*x] = byteOf(light + (91881*red+half)>>16)               // 1.402
		dst[3*x+1] = byteOf(light + (-22554*blue-46802*red+half)>>16) // .34414, .71414
		dst[3*x+2] = byteOf(light + (116130*blue+half)>>16)           // 1.772
	}
}

func byteOf(v int32) byte {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return byte(v)
}

// upsample writes the row y of a plane of colors with a sample for each pixel. As libjpeg does, two
// pixels of a sample of color are interpolated with the nearest neighbor, in the ratio 3 to 1; more are equal.
func (c *chroma) upsample(dst, plane []byte, y int) {
	samples := len(dst) / c.across
	rowAt := func(i int) []byte { return plane[i*c.CStride:][:samples] }
	near := rowAt(y / c.down)
	switch smooth := samples > 2; {
	case c.across == 1 && c.down == 1:
		copy(dst, near)
	case c.across == 1:
		other, bias := rowAt(c.neighbor(y)), int32(1+y%2)
		for i, v := range near {
			dst[i] = byte((3*int32(v) + int32(other[i]) + bias) >> 2)
		}
	case c.across == 2 && c.down == 1 && smooth:
		for i, v := range near {
			c.sums[i] = int32(v)
		}
		interpolate(dst, c.sums, 1, 2, 2)
	case c.across == 2 && c.down == 2 && smooth:
		other := rowAt(c.neighbor(y))
		for i, v := range near {
			c.sums[i] = 3*int32(v) + int32(other[i])
		}
		interpolate(dst, c.sums, 8, 7, 4)
	default:
		for i := range dst {
			dst[i] = near[i/c.across]
		}
	}
}

// neighbor returns the row of color samples that is the second nearest to row y: above it for
// the upper row of a pair, and below it for the lower one.
func (c *chroma) neighbor(y int) int {
	last := (c.Rect.Dy()+1)/2 - 1
	return min(max(y/2+2*(y%2)-1, 0), last)
}

// interpolate writes two pixels for each sum: 3/4 of it and 1/4 of its neighbor. The sums are
// samples of color times 2^(shift-2). left and right are what is added before the rounding of each.
func interpolate(dst []byte, sums []int32, left, right int32, shift uint) {
	last := len(sums) - 1
	for i, v := range sums {
		before, after := sums[max(i-1, 0)], sums[min(i+1, last)]
		dst[2*i] = byte((3*v + before + left) >> shift)
		dst[2*i+1] = byte((3*v + after + right) >> shift)
	}
}
