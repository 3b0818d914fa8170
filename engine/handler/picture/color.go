package picture

import (
	"image"
	"image/color"
)

// rowsOf returns the function that writes the rows of an image.
func rowsOf(img image.Image) func(y int, dst []byte) {
	switch m := img.(type) {
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
