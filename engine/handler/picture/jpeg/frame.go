package jpeg

import (
	"errors"
	"fmt"
)

// component is one of the planes of a picture: brightness, a color, or black.
type component struct {
	id           byte
	across, down int // sampling factors
	table        byte
	quant        *quantTable // of its first scan; nil before it

	width, height int // in samples
	columns, rows int // in blocks, without those that only fill the last MCUs
	stride        int // blocks of a row of samples and of coefficients
	samples       []byte
	coefficients  []int16 // of progressive files: 64 for each block

	up upsampler
}

// frame reads the frame header.
func (d *decoder) frame(segment []byte) error {
	if d.width != 0 {
		return errors.New("the JPEG file has two frame headers")
	}
	if len(segment) < 6 || len(segment) != 6+3*int(segment[5]) {
		return errors.New("the frame header of the JPEG file has a wrong length")
	}
	d.height, d.width = int(segment[1])<<8|int(segment[2]), int(segment[3])<<8|int(segment[4])
	switch n := segment[5]; {
	case segment[0] != 8:
		return fmt.Errorf("the JPEG file has %d bits for each sample, only 8 can be read", segment[0])
	case d.width == 0 || d.height == 0 || d.width > d.maxPixels/d.height:
		return fmt.Errorf("image of %d x %d pixels, expected at most %d in all", d.width, d.height, d.maxPixels)
	case n != 1 && n != 3 && n != 4:
		return fmt.Errorf("the JPEG file has %d components, only 1, 3 and 4 can be read", n)
	}
	for b := segment[6:]; len(b) > 0; b = b[3:] {
		c := &component{id: b[0], across: int(b[1] >> 4), down: int(b[1] & 15), table: b[2]}
		if c.across < 1 || c.across > 4 || c.down < 1 || c.down > 4 || c.table > 3 {
			return errors.New("the frame header of the JPEG file has invalid sampling factors or tables")
		}
		for _, other := range d.parts {
			if other.id == c.id {
				return errors.New("the JPEG file has two components with the same number")
			}
		}
		d.parts = append(d.parts, c)
		d.maxAcross, d.maxDown = max(d.maxAcross, c.across), max(d.maxDown, c.down)
	}
	for _, c := range d.parts {
		if d.maxAcross%c.across != 0 || d.maxDown%c.down != 0 {
			return fmt.Errorf("the JPEG file has the sampling factors %dx%d and %dx%d, whose ratio is not whole", d.maxAcross, d.maxDown, c.across, c.down)
		}
	}
	return nil
}

// allocate sets the sizes of the components and makes their memory, before the first scan.
func (d *decoder) allocate() {
	var blocks int64
	mcusAcross, mcusDown := d.mcus()
	for _, c := range d.parts {
		c.width, c.height = ceil(d.width*c.across, d.maxAcross), ceil(d.height*c.down, d.maxDown)
		c.columns, c.rows = ceil(c.width, 8), ceil(c.height, 8)
		c.stride = mcusAcross * c.across
		n := c.stride * mcusDown * c.down
		c.samples = make([]byte, blockSize*n)
		if d.progressive {
			c.coefficients = make([]int16, blockSize*n)
		}
		blocks += int64(n)
		c.up = newUpsampler(c, d.maxAcross/c.across, d.maxDown/c.down)
	}
	d.work = maxPasses * blockSize * blocks
	d.colors = d.findColors()
}

// mcus returns the number of MCUs of the picture: the smallest units that have whole blocks of all components.
func (d *decoder) mcus() (across, down int) {
	return ceil(d.width, 8*d.maxAcross), ceil(d.height, 8*d.maxDown)
}

func ceil(n, by int) int { return (n + by - 1) / by }

// maxPasses bounds the work of scans, so that a small file with thousands of scans cannot take the time of
// thousands of pictures. Each bit of each coefficient has its place in one scan: 14 bits, and as much again for the blocks
// themselves, which count as one coefficient more in each scan.
const maxPasses = 32

// spend reserves the work of a scan.
func (d *decoder) spend(blocks, coefficients int) error {
	d.work -= int64(blocks) * int64(1+coefficients)
	if d.work < 0 {
		return errTooLong
	}
	return nil
}
