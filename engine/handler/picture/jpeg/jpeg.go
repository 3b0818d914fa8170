// Package jpeg decodes JPEG files to the pixels that libjpeg-turbo makes of them with its default
// settings, bit for bit. PIL decodes with that library, and models of pictures were trained on what it returns.
// Package image/jpeg rounds some numbers otherwise.
//
// The format is ITU-T T.81. A decoder may choose how it computes three steps; these are libjpeg's choices:
//
//   - the inverse cosine transform: the algorithm of Loeffler, Ligtenberg and Moschytz (Practical
//     fast 1-D DCT algorithms with 11 multiplications, ICASSP 1989), first columns, then rows, in integers with 13
//     bits behind the point, and 2 bits behind the point between the passes;
//   - colors with half of the samples are interpolated in the ratio 3 to 1 between the two nearest samples; other
//     ratios repeat samples;
//   - colors are converted with the numbers of JFIF in 16 bits behind the point, and CMYK to RGB as PIL does it.
//
// Files may be sequential (baseline or extended) or progressive, with Huffman codes and 8 bits, of one, three
// or four components with any sampling factors whose ratios are whole numbers. Truncated files and files with
// impossible codes are refused, as by image/jpeg. What is not done: the smoothing that libjpeg applies to
// progressive files which end, properly, before their last scans.
//
// An Image is for one goroutine.
package jpeg

import (
	"errors"
	"fmt"
)

var (
	errTruncated = errors.New("the JPEG file is truncated")
	errShortData = errors.New("the data of the JPEG file end early")
	errBadCode   = errors.New("the JPEG file has an impossible code")
	errTooLong   = errors.New("the JPEG file has more scans than a picture of its size can need")
)

// Image is a decoded file.
type Image struct {
	Width, Height int
	parts         []*component
	colors        colors
}

// Decode decodes a file. It refuses pictures of more than maxPixels pixels before it allocates memory
// for them. The memory is that of the samples, one byte each, and of progressive files two bytes more for each. The time is
// bounded by the number of pixels and the length of data.
func Decode(data []byte, maxPixels int) (*Image, error) {
	d := decoder{data: data, maxPixels: maxPixels, adobe: noAdobe}
	if err := d.decode(); err != nil {
		return nil, err
	}
	return &Image{Width: d.width, Height: d.height, parts: d.parts, colors: d.colors}, nil
}

// The markers.
const (
	markerBaseline    = 0xc0 // start of frame
	markerExtended    = 0xc1
	markerProgressive = 0xc2
	markerHuffman     = 0xc4
	markerRestart     = 0xd0 // and the seven after it
	markerStart       = 0xd8
	markerEnd         = 0xd9
	markerScan        = 0xda
	markerQuant       = 0xdb
	markerLines       = 0xdc
	markerInterval    = 0xdd
	markerApp         = 0xe0 // and the 15 after it
	markerAdobe       = 0xee
	markerComment     = 0xfe
	markerTemporary   = 0x01
)

// decoder is the state while a file is read.
type decoder struct {
	data []byte
	at   int // of the next byte

	maxPixels   int
	width       int // 0 before the frame header
	height      int
	progressive bool
	parts       []*component
	maxAcross   int
	maxDown     int
	colors      colors
	scans       int
	work        int64 // coefficients that may still be visited

	quant    [4]*quantTable
	huffman  [2][4]*table // DC, AC
	interval int          // MCUs between restarts; 0: no restarts
	jfif     bool
	adobe    int // transform of Adobe's segment, or noAdobe

	reader reader
	block  block
	eobRun int // blocks without further coefficients
}

// quantTable has the factors of the coefficients in the order of the block.
type quantTable [blockSize]int16

// decode reads the file up to its end marker.
func (d *decoder) decode() error {
	if len(d.data) < 2 || d.data[0] != 0xff || d.data[1] != markerStart {
		return errors.New("not a JPEG file")
	}
	d.at = 2
	for {
		marker, err := d.nextMarker()
		if err != nil {
			return err
		}
		switch {
		case marker == markerEnd:
			return d.finish()
		case marker >= markerRestart && marker < markerStart || marker == markerTemporary:
			continue // they have no segment; one that is here by mistake does no harm
		}
		segment, err := d.segment()
		if err != nil {
			return err
		}
		if err := d.process(marker, segment); err != nil {
			return err
		}
	}
}

// nextMarker returns the next marker. As all decoders do, it skips other bytes.
func (d *decoder) nextMarker() (byte, error) {
	for ; d.at+1 < len(d.data); d.at++ {
		if d.data[d.at] == 0xff && d.data[d.at+1] != 0 && d.data[d.at+1] != 0xff {
			d.at += 2
			return d.data[d.at-1], nil
		}
	}
	return 0, errTruncated
}

// segment returns the bytes behind a marker.
func (d *decoder) segment() ([]byte, error) {
	rest := d.data[d.at:]
	if len(rest) < 2 {
		return nil, errTruncated
	}
	n := int(rest[0])<<8 | int(rest[1])
	switch {
	case n < 2:
		return nil, errors.New("the JPEG file has a segment of a negative length")
	case n > len(rest):
		return nil, errTruncated
	}
	d.at += n
	return rest[2:n], nil
}

func (d *decoder) process(marker byte, segment []byte) error {
	switch marker {
	case markerBaseline, markerExtended, markerProgressive:
		d.progressive = marker == markerProgressive
		return d.frame(segment)
	case markerHuffman:
		return d.huffmanTables(segment)
	case markerQuant:
		return d.quantTables(segment)
	case markerInterval:
		if len(segment) != 2 {
			return errors.New("the restart interval of the JPEG file has not 2 bytes")
		}
		d.interval = int(segment[0])<<8 | int(segment[1])
	case markerScan:
		return d.scan(segment)
	case markerApp:
		d.jfif = d.jfif || len(segment) >= 14 && string(segment[:5]) == "JFIF\x00"
	case markerAdobe:
		if len(segment) >= 12 && string(segment[:5]) == "Adobe" {
			d.adobe = int(segment[11])
		}
	case markerLines, markerComment:
	default:
		if marker < markerApp || marker > markerApp+15 {
			return fmt.Errorf("the JPEG file has marker %#x; only baseline, extended and progressive files with Huffman codes can be read", marker)
		}
	}
	return nil
}

// quantTables reads factors; they stand in zigzag order.
func (d *decoder) quantTables(segment []byte) error {
	for len(segment) > 0 {
		wide, to := segment[0]>>4, segment[0]&15
		size := blockSize * (1 + int(wide))
		if wide > 1 || to > 3 || len(segment) < 1+size {
			return errors.New("the JPEG file has an invalid quantization table")
		}
		values := segment[1 : 1+size]
		q := new(quantTable)
		for i := range q {
			if wide == 1 {
				q[unzig[i]] = int16(uint16(values[2*i])<<8 | uint16(values[2*i+1]))
			} else {
				q[unzig[i]] = int16(values[i])
			}
		}
		d.quant[to] = q
		segment = segment[1+size:]
	}
	return nil
}

// finish makes the samples of a progressive file. What no scan has described is gray.
func (d *decoder) finish() error {
	if d.scans == 0 {
		return errors.New("the JPEG file has no picture")
	}
	for _, c := range d.parts {
		switch {
		case c.quant == nil:
			for i := range c.samples {
				c.samples[i] = 128
			}
		case d.progressive:
			c.transform()
		}
	}
	return nil
}
