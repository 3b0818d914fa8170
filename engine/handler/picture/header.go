package picture

import (
	"bufio"
	"bytes"
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
	jpegApp14       = 0xee // Adobe's, says which colors a file has
)

// jpegHeader reads up to the frame header. Like the decoder, it skips bytes between
// segments.
func jpegHeader(r *bufio.Reader) (Header, bool) {
	if _, err := r.Discard(2); err != nil { // jpegStart
		return Header{}, false
	}
	rgb := false
	for {
		marker, err := nextMarker(r)
		if err != nil || marker == jpegEnd || marker == jpegScan {
			return Header{}, false
		}
		if marker == 0 || marker >= jpegRestart && marker < jpegStart {
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
			return jpegFrame(r, marker == jpegProgressive, rgb)
		}
		rgb = rgb || marker == jpegApp14 && saysRGB(r, n)
		if _, err := r.Discard(n); err != nil {
			return Header{}, false
		}
	}
}

// saysRGB reports whether a segment of n bytes is Adobe's and says that the colors are RGB.
func saysRGB(r *bufio.Reader, n int) bool {
	b, _ := r.Peek(min(n, 12)) // what is missing is noticed later
	return len(b) == 12 && bytes.HasPrefix(b, []byte("Adobe")) && b[11] == 0
}

// contains reports whether the rest of r has text.
func contains(r *bufio.Reader, text string) bool {
	for {
		if _, err := r.ReadSlice(text[0]); err != nil && err != bufio.ErrBufferFull {
			return false
		} else if err != nil {
			continue
		}
		if b, _ := r.Peek(len(text) - 1); string(b) == text[1:] {
			return true
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

// jpegFrame reads the frame header. The decoder copies images whose colors are RGB, and those
// of four components. Adobe's segment, which says so, may also come behind the frame.
func jpegFrame(r *bufio.Reader, progressive, rgb bool) (Header, bool) {
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
	// A component has one sample for each pixel or for several pixels. Count the samples
	// in the smallest unit that contains all components.
	var samples, maxAcross, maxDown int64
	for i := range n {
		across, down := int64(b[7+3*i]>>4), int64(b[7+3*i]&15)
		samples += across * down
		maxAcross, maxDown = max(maxAcross, across), max(maxDown, down)
	}
	if samples == 0 {
		return Header{}, false
	}
	h := Header{Height: int64(binary.BigEndian.Uint16(b[1:])), Width: int64(binary.BigEndian.Uint16(b[3:]))}
	const block = 32 // at most four blocks of 8
	pixels := (h.Width + block - 1) / block * block * ((h.Height + block - 1) / block * block)
	h.Bytes = pixels * samples / (maxAcross * maxDown)
	if progressive {
		h.Bytes *= 1 + 4 // the decoder keeps the coefficients of all scans
	}
	ids := string([]byte{b[6], b[9], b[12]})
	if n == 4 || n == 3 && (rgb || ids == "RGB" || contains(r, "Adobe")) {
		h.Bytes += 4 * pixels // converted to four bytes per pixel
	}
	return h, true
}
