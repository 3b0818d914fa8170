package handler

import (
	"bufio"
	"encoding/binary"
	"io"
)

// header is what the first bytes of a picture tell of it.
type header struct {
	width, height int64
	bytes         int64 // that its decoder takes, rows in between not counted
}

// readHeader reads the header of a PNG or JPEG file. It believes what the
// decoders believe and finds it where they find it.
func readHeader(from io.Reader) (header, bool) {
	r := bufio.NewReader(from)
	if start, err := r.Peek(len(magicPNG)); err == nil && string(start) == magicPNG {
		return pngHeader(r)
	}
	if start, err := r.Peek(len(magicJPEG)); err == nil && string(start) == magicJPEG {
		return jpegHeader(r)
	}
	return header{}, false
}

// pngHeader reads the first chunk, which is IHDR in every PNG.
func pngHeader(r io.Reader) (header, bool) {
	var b [33]byte // magic, length, name, 13 bytes, checksum
	if _, err := io.ReadFull(r, b[:]); err != nil || string(b[12:16]) != "IHDR" {
		return header{}, false
	}
	const palette = 3
	depth, colour, interlace := b[24], b[25], b[28]
	perPixel := int64(4) // of a grey one as well, when a shade of it is transparent
	switch {
	case depth == 16:
		perPixel = 8
	case colour == palette:
		perPixel = 1
	}
	if interlace != 0 {
		perPixel *= 2 // its passes are pictures of their own first
	}
	w, h := int64(binary.BigEndian.Uint32(b[16:])), int64(binary.BigEndian.Uint32(b[20:]))
	if w > maxPixels || h > maxPixels {
		return header{}, false // the product might not fit
	}
	return header{w, h, w * h * perPixel}, true
}

// The markers of a JPEG file that end the search for its frame, or are alone.
const (
	jpegRestart     = 0xd0 // and the seven after it
	jpegStart       = 0xd8
	jpegEnd         = 0xd9
	jpegScan        = 0xda
	jpegBaseline    = 0xc0
	jpegProgressive = 0xc2 // 0xc1 between them is sequential too
)

// jpegHeader reads up to the header of the frame. Like the decoder it passes
// over bytes between two segments that belong to none.
func jpegHeader(r *bufio.Reader) (header, bool) {
	if _, err := r.Discard(2); err != nil { // jpegStart
		return header{}, false
	}
	for {
		marker, err := nextMarker(r)
		if err != nil || marker == jpegEnd || marker == jpegScan {
			return header{}, false
		}
		if marker == 0 || marker >= jpegRestart && marker < jpegStart {
			continue
		}
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return header{}, false
		}
		n := int(binary.BigEndian.Uint16(length[:])) - len(length)
		if n < 0 {
			return header{}, false
		}
		if marker >= jpegBaseline && marker <= jpegProgressive {
			return jpegFrame(r, marker == jpegProgressive)
		}
		if _, err := r.Discard(n); err != nil {
			return header{}, false
		}
	}
}

// nextMarker returns the byte after the next 0xff, or after several of them.
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

// jpegFrame reads the header of a frame. A file of RGB is copied once more,
// which its frame does not tell.
func jpegFrame(r io.Reader, progressive bool) (header, bool) {
	var b [6 + 3*4]byte // bits, height, width, components; of each its name, sampling and table
	if _, err := io.ReadFull(r, b[:6]); err != nil {
		return header{}, false
	}
	n := int(b[5])
	if n < 1 || n > 4 {
		return header{}, false
	}
	if _, err := io.ReadFull(r, b[6:6+3*n]); err != nil {
		return header{}, false
	}
	// A component has a sample for each pixel, or for several: its share of the
	// samples in the smallest unit that holds all components.
	var samples, wide, high int64
	for i := range n {
		across, down := int64(b[7+3*i]>>4), int64(b[7+3*i]&15)
		samples += across * down
		wide, high = max(wide, across), max(high, down)
	}
	if samples == 0 {
		return header{}, false
	}
	h := header{height: int64(binary.BigEndian.Uint16(b[1:])), width: int64(binary.BigEndian.Uint16(b[3:]))}
	const block = 32 // four blocks of 8 at most
	pixels := (h.width + block - 1) / block * block * ((h.height + block - 1) / block * block)
	h.bytes = pixels * samples / (wide * high)
	if progressive {
		h.bytes *= 1 + 4 // coefficients of all scans are kept
	}
	if n == 4 {
		h.bytes += 4 * pixels // becomes one of four bytes a pixel
	}
	return h, true
}
