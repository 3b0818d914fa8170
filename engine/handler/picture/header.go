package picture

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Header has the size of a picture, from the first bytes of its file.
type Header struct {
	Width, Height int64
	Bytes         int64 // memory of the decoded image
}

// ReadHeader reads the header of a PNG or JPEG file. It accepts the same files as the
// decoders of the standard library.
func ReadHeader(from io.Reader) (Header, bool) {
	r := bufio.NewReader(from)
	if start, err := r.Peek(len(magicPNG)); err == nil && string(start) == magicPNG {
		return pngHeader(r)
	}
	if start, err := r.Peek(len(magicJPEG)); err == nil && string(start) == magicJPEG {
		return jpegHeader(r)
	}
	return Header{}, false
}

// pngHeader reads the first chunk, which is IHDR in every PNG.
func pngHeader(r io.Reader) (Header, bool) {
	var b [33]byte // magic, length, name, 13 bytes, checksum
	if _, err := io.ReadFull(r, b[:]); err != nil || string(b[12:16]) != "IHDR" {
		return Header{}, false
	}
	const palette = 3
	depth, color, interlace := b[24], b[25], b[28]
	perPixel := int64(4) // also for gray images, because one shade may be transparent
	switch {
	case depth == 16:
		perPixel = 8
	case color == palette:
		perPixel = 1
	}
	if interlace != 0 {
		perPixel *= 2 // each pass is first decoded to its own image
	}
	w, h := int64(binary.BigEndian.Uint32(b[16:])), int64(binary.BigEndian.Uint32(b[20:]))
	if w > MaxPixels || h > MaxPixels {
		return Header{}, false // the product might overflow
	}
	return Header{w, h, w * h * perPixel}, true
}

// The JPEG markers that matter for the search for the frame header.
const (
	jpegRestart     = 0xd0 // and the seven markers after it
	jpegStart       = 0xd8
	jpegEnd         = 0xd9
	jpegScan        = 0xda
	jpegBaseline    = 0xc0
	jpegProgressive = 0xc2 // 0xc1 between them is sequential too
	jpegTemporary   = 0x01 // has no segment, as restarts
)

// jpegHeader reads up to the frame header. Like the decoder, it skips bytes between
// segments.
func jpegHeader(r *bufio.Reader) (Header, bool) {
	if _, err := r.Discard(2); err != nil { // jpegStart
		return Header{}, false
	}
	for {
		marker, err := nextMarker(r)
		if err != nil || marker == jpegEnd || marker == jpegScan {
			return Header{}, false
		}
		if marker == 0 || marker == jpegTemporary || marker >= jpegRestart && marker < jpegStart {
			continue
		}
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return Header{}, false
		}
		n := int(binary.BigEndian.Uint16(length[:])) - len(length)
		if n < 0 {
			return Header{}, false
		}
		if marker >= jpegBaseline && marker <= jpegProgressive {
			return jpegFrame(r, marker == jpegProgressive)
		}
		if _, err := r.Discard(n); err != nil {
			return Header{}, false
		}
	}
}

// nextMarker returns the byte after the next sequence of 0xff.
func nextMarker(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b != 0xff {
			continue
		}
		for b == 0xff {
			if b, err = r.ReadByte(); err != nil {
				return 0, err
			}
		}
		return b, nil
	}
}

// jpegFrame reads the frame header. The decoder has a byte for each sample, also of the blocks that only fill the last
// MCUs, and for progressive files two bytes more for its coefficient.
func jpegFrame(r *bufio.Reader, progressive bool) (Header, bool) {
	var b [6 + 3*4]byte // bits, height, width, number of components; each has id, sampling and table
	if _, err := io.ReadFull(r, b[:6]); err != nil {
		return Header{}, false
	}
	n := int(b[5])
	if n < 1 || n > 4 {
		return Header{}, false
	}
	if _, err := io.ReadFull(r, b[6:6+3*n]); err != nil {
		return Header{}, false
	}
	var blocks, maxAcross, maxDown int64 // blocks of an MCU
	for i := range n {
		across, down := int64(b[7+3*i]>>4), int64(b[7+3*i]&15)
		blocks += across * down
		maxAcross, maxDown = max(maxAcross, across), max(maxDown, down)
	}
	if blocks == 0 {
		return Header{}, false
	}
	h := Header{Height: int64(binary.BigEndian.Uint16(b[1:])), Width: int64(binary.BigEndian.Uint16(b[3:]))}
	mcus := ((h.Width + 8*maxAcross - 1) / (8 * maxAcross)) * ((h.Height + 8*maxDown - 1) / (8 * maxDown))
	h.Bytes = 64 * blocks * mcus
	if progressive {
		h.Bytes *= 3
	}
	return h, true
}
