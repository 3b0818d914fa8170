package jpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	stdjpeg "image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fuzzPixels bounds the pictures of fuzz tests.
const fuzzPixels = 1 << 16

// Differences from image/jpeg that are known: the texts of errors of files that only one of both reads.
var (
	// image/jpeg takes a missing table for zeros, ignores some codes that cannot be, or what ends a scan, and has no limit of scans.
	onlyTheirs = []string{
		"no quantization table", "invalid quantization table", "invalid Huffman table", "impossible code", "data of the JPEG file end early",
		"invalid progressive scan", "has marker", "more scans than",
	}
	// image/jpeg does not read four components without Adobe's segment, repeated 0xff in data, restarts in scans of one component with several
	// blocks in a unit, where it then finds wrong codes, and some tables and markers; of a marker without a segment it reads a length.
	onlyOurs = []string{
		"unknown color model", "missing 0xff00", "bad RST marker", "bad Huffman code", "too many coefficients", "short Huffman data", "excessive DC component",
		"zero length", "bad Td value", "bad Ta value", "bad Th value", "total sampling factors", "unknown marker", "short segment length",
	}
)

// FuzzDecode reads files. Nothing panics; what image/jpeg reads is read, with the same size, and what it refuses is refused, but for the known
// differences.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(files) == 0 {
		f.Fatal("no files", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(manyScans(40, 64, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data, fuzzPixels)
		if err == nil {
			row := make([]byte, 3*m.Width)
			for y := range m.Height {
				m.Row(y, row)
			}
		}
		if config, err := stdjpeg.DecodeConfig(bytes.NewReader(data)); err != nil || config.Width*config.Height > fuzzPixels || config.Width*config.Height == 0 {
			return
		}
		theirs, theirErr := stdjpeg.Decode(bytes.NewReader(data))
		contains := func(err error, known []string) bool {
			return slices.ContainsFunc(known, func(text string) bool { return strings.Contains(err.Error(), text) })
		}
		switch {
		case err == nil && theirErr == nil:
			if got := image.Pt(m.Width, m.Height); got != theirs.Bounds().Size() {
				t.Errorf("size %v, image/jpeg has %v", got, theirs.Bounds().Size())
			}
		case err == nil:
			if !contains(theirErr, onlyOurs) {
				t.Errorf("is read, image/jpeg: %v", theirErr)
			}
		case theirErr == nil:
			if !contains(err, onlyTheirs) {
				t.Errorf("%v, but image/jpeg reads it", err)
			}
		}
	})
}

// noise returns a picture with areas of one color and areas of noise.
func noise(rng *rand.Rand, w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			p := m.Pix[m.PixOffset(x, y):]
			p[0], p[1], p[2], p[3] = byte(3*x), byte(2*y), byte(x*y), 255
			if (x/16+y/16)%3 == 0 {
				p[0], p[1], p[2] = byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())
			}
		}
	}
	return m
}

// FuzzSamples decodes valid files. No sample differs from that of image/jpeg by more than 1: both round the same numbers.
func FuzzSamples(f *testing.F) {
	f.Add(uint64(1), byte(90), byte(40), byte(30), false)
	f.Add(uint64(2), byte(100), byte(17), byte(33), true)
	f.Add(uint64(3), byte(1), byte(8), byte(1), false)
	f.Fuzz(func(t *testing.T, seed uint64, quality, w, h byte, gray bool) {
		var img image.Image = noise(rand.New(rand.NewPCG(seed, 1)), 1+int(w)%64, 1+int(h)%64)
		if gray {
			g := image.NewGray(img.Bounds())
			for i := range g.Pix {
				g.Pix[i] = img.(*image.RGBA).Pix[4*i]
			}
			img = g
		}
		var file bytes.Buffer
		if err := stdjpeg.Encode(&file, img, &stdjpeg.Options{Quality: 1 + int(quality)%100}); err != nil {
			t.Fatal(err)
		}
		m, err := Decode(file.Bytes(), fuzzPixels)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := stdjpeg.Decode(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		switch p := theirs.(type) {
		case *image.Gray:
			checkSamples(t, m.parts[0], p.Pix, p.Stride)
		case *image.YCbCr:
			checkSamples(t, m.parts[0], p.Y, p.YStride)
			checkSamples(t, m.parts[1], p.Cb, p.CStride)
			checkSamples(t, m.parts[2], p.Cr, p.CStride)
		}
	})
}

func checkSamples(t *testing.T, c *component, want []byte, stride int) {
	t.Helper()
	for y := range c.height {
		for x, v := range c.sampleRow(y) {
			if d := int(v) - int(want[y*stride+x]); d < -1 || d > 1 {
				t.Fatalf("component %d at %d,%d is %d, image/jpeg has %d", c.id, x, y, v, want[y*stride+x])
			}
		}
	}
}

// manyScans is a gray progressive file whose scans say nothing, in a few bytes each.
func manyScans(n, width, height int) []byte {
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(height)), uint16(width))
	out := []byte{0xff, 0xd8, 0xff, markerQuant, 0, 67, 0}
	out = append(out, bytes.Repeat([]byte{1}, 64)...)
	out = append(append(append(out, 0xff, markerProgressive, 0, 11, 8), size...), 1, 1, 0x11, 0)
	out = append(append(out, 0xff, markerHuffman, 0, 20, 0x10, 1), make([]byte, 15)...)
	out = append(out, 0xe0) // the code 0, and 14 bits: so many blocks more than 16384 end
	for range n {
		out = append(out, 0xff, markerScan, 0, 8, 1, 1, 0, 1, 63, 0)
		for range (width*height/64 + 1<<15 - 2) / (1<<15 - 1) {
			out = append(out, 0x7f, 0xfe) // 0, 14 ones, and a bit that is not read
		}
	}
	return append(out, 0xff, markerEnd)
}

// A file may have some scans more than it needs, but not thousands.
func TestManyScans(t *testing.T) {
	if _, err := Decode(manyScans(30, 170, 170), fuzzPixels); err != nil {
		t.Error(err)
	}
	for _, n := range []int{33, 100_000} {
		if _, err := Decode(manyScans(n, 170, 170), fuzzPixels); !errors.Is(err, errTooLong) {
			t.Errorf("%d scans: %v, want %v", n, err, errTooLong)
		}
	}
}

// Files that image/jpeg refuses are refused too, before memory for the picture is allocated where it can be seen in the header.
func TestRefused(t *testing.T) {
	var file bytes.Buffer
	if err := stdjpeg.Encode(&file, noise(rand.New(rand.NewPCG(1, 1)), 40, 30), nil); err != nil {
		t.Fatal(err)
	}
	data := file.Bytes()
	frame, scan := bytes.Index(data, []byte{0xff, markerBaseline}), bytes.Index(data, []byte{0xff, markerScan})
	edit := func(at int, b byte) []byte {
		out := bytes.Clone(data)
		out[at] = b
		return out
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not a JPEG file"},
		{"12 bits", edit(frame+4, 12), "12 bits"},
		{"large", edit(frame+5, 0xff), "image of 40 x 65310 pixels"},
		{"no height", edit(frame+6, 0), "image of 40 x 0 pixels"},
		{"two components", edit(frame+9, 2), "frame header"},
		{"lossless", edit(frame+1, 0xc3), "marker 0xc3"},
		{"arithmetic", edit(frame+1, 0xc9), "marker 0xc9"},
		{"factor", edit(frame+11, 0x30), "sampling factors"},
		{"no component of this number", edit(scan+5, 9), "scan header"},
		{"no table", edit(scan+6, 0x22), "no Huffman table"},
		{"scan before the frame", slices.Concat(data[:2], data[scan:]), "before its frame"},
		{"two frames", slices.Concat(data[:scan], data[frame:]), "two frame headers"},
		{"no scan", slices.Concat(data[:scan], []byte{0xff, markerEnd}), "no picture"},
		{"end in a scan", slices.Concat(data[:len(data)/2+scan/2], []byte{0xff, markerEnd}), "end early"},
	} {
		if _, err := Decode(c.data, 1<<20); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for n := range data {
		if _, err := Decode(data[:n], 1<<20); err == nil {
			t.Fatalf("%d of %d bytes are read", n, len(data))
		}
	}
}

// BenchmarkDecode compares the decoder with image/jpeg: the samples, and for ours the rows of pixels too.
func BenchmarkDecode(b *testing.B) {
	var large bytes.Buffer
	if err := stdjpeg.Encode(&large, noise(rand.New(rand.NewPCG(1, 1)), 1280, 720), &stdjpeg.Options{Quality: 85}); err != nil {
		b.Fatal(err)
	}
	files := []struct {
		name string
		data []byte
	}{{"large", large.Bytes()}}
	for _, name := range []string{"half", "full", "progressive", "luma"} {
		data, err := os.ReadFile("../../torchserve/testdata/pictures/" + name + ".jpg")
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, struct {
			name string
			data []byte
		}{name, data})
	}
	for _, file := range files {
		b.Run(file.name+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(file.data, 1<<22); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(file.name+"/image-jpeg", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := stdjpeg.Decode(bytes.NewReader(file.data)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(file.name+"/rows", func(b *testing.B) {
			m, err := Decode(file.data, 1<<22)
			if err != nil {
				b.Fatal(err)
			}
			row := make([]byte, 3*m.Width)
			for b.Loop() {
				for y := range m.Height {
					m.Row(y, row)
				}
			}
		})
	}
}
