package jpeg

import (
	"errors"
	"fmt"
)

// scanPart is a component in a scan.
type scanPart struct {
	*component
	dc, ac *table
	last   int32 // DC coefficient of the block before
}

// scanHeader is the header of a scan.
type scanHeader struct {
	parts     []scanPart
	from, to  int // the coefficients of the scan, in zigzag order
	high, low byte
}

// decodeBlock reads what a scan has of the block with the coefficients b.
type decodeBlock func(p *scanPart, b *block)

// scan reads a scan.
func (d *decoder) scan(segment []byte) error {
	if d.width == 0 {
		return errors.New("the JPEG file has a scan before its frame header")
	}
	if d.scans == 0 {
		d.allocate()
	}
	d.scans++
	s, err := d.scanHeader(segment)
	if err != nil {
		return err
	}
	decode, err := d.decoderOf(&s)
	if err != nil {
		return err
	}
	for i := range s.parts {
		c := s.parts[i].component
		if c.quant == nil {
			c.quant = d.quant[c.table]
		}
		if c.quant == nil {
			return errors.New("the JPEG file has no quantization table for a component")
		}
	}
	d.reader = reader{data: d.data, at: d.at}
	d.eobRun = 0
	if len(s.parts) == 1 {
		err = d.scanOne(&s, decode)
	} else {
		err = d.scanMCUs(&s, decode)
	}
	d.at = d.reader.at
	return err
}

// scanHeader reads the header of a scan.
func (d *decoder) scanHeader(segment []byte) (s scanHeader, err error) {
	if len(segment) < 1 || len(segment) != 4+2*int(segment[0]) || segment[0] < 1 || int(segment[0]) > len(d.parts) {
		return s, errors.New("a scan header of the JPEG file has a wrong length")
	}
	n, blocks := int(segment[0]), 0
	for i := range n {
		id, tables := segment[1+2*i], segment[2+2*i]
		var found *component
		for _, c := range d.parts {
			if c.id == id {
				found = c
			}
		}
		for _, p := range s.parts {
			if p.component == found {
				found = nil
			}
		}
		if found == nil || tables>>4 > 3 || tables&15 > 3 {
			return s, errors.New("a scan header of the JPEG file names invalid components or tables")
		}
		s.parts = append(s.parts, scanPart{component: found, dc: d.huffman[0][tables>>4], ac: d.huffman[1][tables&15]})
		blocks += found.across * found.down
	}
	if n > 1 && blocks > 10 {
		return s, errors.New("the JPEG file has more than 10 blocks in a unit of a scan")
	}
	s.to = blockSize - 1
	if b := segment[1+2*n:]; d.progressive {
		s.from, s.to, s.high, s.low = int(b[0]), int(b[1]), b[2]>>4, b[2]&15
		if s.from == 0 && s.to != 0 || s.from > s.to || s.to >= blockSize || s.from > 0 && n > 1 || s.high > 0 && s.high != s.low+1 || s.low > 13 {
			return s, fmt.Errorf("the JPEG file has an invalid progressive scan: coefficients %d to %d, bits %d to %d", s.from, s.to, s.high, s.low)
		}
	}
	return s, nil
}

// decoderOf returns the function for the blocks of a scan, whose tables it checks.
func (d *decoder) decoderOf(s *scanHeader) (decodeBlock, error) {
	needDC, needAC := s.from == 0 && s.high == 0, s.to > 0
	for _, p := range s.parts {
		if needDC && p.dc == nil || needAC && p.ac == nil {
			return nil, errors.New("the JPEG file has no Huffman table for a scan")
		}
	}
	switch low := s.low; {
	case !d.progressive:
		return d.sequential, nil
	case s.from == 0 && s.high == 0:
		return func(p *scanPart, b *block) { d.firstDC(p, b, low) }, nil
	case s.from == 0:
		return func(_ *scanPart, b *block) { d.refineDC(b, low) }, nil
	case s.high == 0:
		return func(p *scanPart, b *block) { d.firstAC(p, b, s) }, nil
	}
	return func(p *scanPart, b *block) { d.refineAC(p, b, s) }, nil
}

// scanOne reads a scan of one component, which has its blocks row by row.
func (d *decoder) scanOne(s *scanHeader, decode decodeBlock) error {
	p := &s.parts[0]
	if err := d.spend(p.columns*p.rows, 1+s.to-s.from); err != nil {
		return err
	}
	for y := range p.rows {
		for x := range p.columns {
			if err := d.restart(s, y*p.columns+x); err != nil {
				return err
			}
			if err := d.oneBlock(p, x, y, decode); err != nil {
				return err
			}
		}
	}
	return nil
}

// scanMCUs reads a scan of several components, which has some blocks of each in turn.
func (d *decoder) scanMCUs(s *scanHeader, decode decodeBlock) error {
	across, down := d.mcus()
	for _, p := range s.parts {
		if err := d.spend(across*down*p.across*p.down, 1+s.to-s.from); err != nil {
			return err
		}
	}
	for y := range down {
		for x := range across {
			if err := d.restart(s, y*across+x); err != nil {
				return err
			}
			for i := range s.parts {
				p := &s.parts[i]
				for k := range p.across * p.down {
					if err := d.oneBlock(p, x*p.across+k%p.across, y*p.down+k/p.across, decode); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// oneBlock reads a block.
func (d *decoder) oneBlock(p *scanPart, x, y int, decode decodeBlock) error {
	if d.progressive {
		decode(p, (*block)(p.coefficients[blockSize*(y*p.stride+x):]))
		return d.reader.check()
	}
	d.block = block{}
	decode(p, &d.block)
	p.setSamples(&d.block, x, y)
	return d.reader.check()
}

// restart begins anew where an interval ends: before MCU n, if it is the first one of an interval but not of the scan. The bits
// that are left do not count, and a marker is there.
func (d *decoder) restart(s *scanHeader, n int) error {
	if d.interval == 0 || n == 0 || n%d.interval != 0 {
		return nil
	}
	d.at = d.reader.at
	marker, err := d.nextMarker()
	if err != nil {
		return err
	}
	if want := byte(markerRestart + (n/d.interval-1)%8); marker != want {
		return fmt.Errorf("the JPEG file has marker %#x where %#x is expected", marker, want)
	}
	d.reader = reader{data: d.data, at: d.at}
	d.eobRun = 0
	for i := range s.parts {
		s.parts[i].last = 0
	}
	return nil
}
