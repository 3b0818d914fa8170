package jpeg

// noAdobe means that a file has no segment of Adobe's, which says how its colors are stored.
const noAdobe = -1

// colors is what the components of a file are.
type colors uint8

const (
	gray colors = iota
	ycbcr
	rgb
	cmyk
	ycck // as ycbcr, with cyan, magenta and yellow as 255 minus red, green and blue, and black
)

// findColors returns what the components are. Files do not always say it; the order of the rules is libjpeg's.
func (d *decoder) findColors() colors {
	switch len(d.parts) {
	case 1:
		return gray
	case 4:
		if d.adobe == noAdobe || d.adobe == 0 {
			return cmyk
		}
		return ycck
	}
	switch ids := string([]byte{d.parts[0].id, d.parts[1].id, d.parts[2].id}); {
	case d.jfif:
		return ycbcr
	case d.adobe != noAdobe && d.adobe == 0:
		return rgb
	case d.adobe == noAdobe && ids == "RGB":
		return rgb
	}
	return ycbcr
}

// Row writes row y of the picture to dst: Width pixels of three bytes, red, green and blue.
func (m *Image) Row(y int, dst []byte) {
	dst = dst[:3*m.Width]
	var lines [4][]byte
	for i, c := range m.parts {
		lines[i] = c.line(y)[:m.Width]
	}
	switch m.colors {
	case gray:
		for x, v := range lines[0] {
			dst[3*x], dst[3*x+1], dst[3*x+2] = v, v, v
		}
	case rgb:
		for x, v := range lines[0] {
			dst[3*x], dst[3*x+1], dst[3*x+2] = v, lines[1][x], lines[2][x]
		}
	case cmyk:
		for x, v := range lines[0] {
			dst[3*x], dst[3*x+1], dst[3*x+2] = v, lines[1][x], lines[2][x]
		}
		withBlack(dst, lines[3])
	case ycbcr:
		convert(dst, lines[0], lines[1], lines[2])
	case ycck:
		convert(dst, lines[0], lines[1], lines[2])
		for i := range dst {
			dst[i] = 255 - dst[i]
		}
		withBlack(dst, lines[3])
	}
}

// convert writes the pixels of brightness and colors.
func convert(dst, luma, cb, cr []byte) {
	const half = 1 << 15
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for x, v := range luma {
		light, blue, red := int32(v), int32(cb[x])-128, int32(cr[x])-128
		out := dst[3*x : 3*x+3 : 3*x+3]
		out[0] = clip(light + (91881*red+half)>>16)             // 1.402
		out[1] = clip(light + (-22554*blue-46802*red+half)>>16) // .34414, .71414
		out[2] = clip(light + (116130*blue+half)>>16)           // 1.772
	}
}

// withBlack converts pixels of cyan, magenta and yellow to colors. As PIL does, it takes all four for
// inverted: 255 is no ink.
func withBlack(dst, black []byte) {
	for x, k := range black {
		for i := 3 * x; i < 3*x+3; i++ {
			ink := uint32(255-dst[i])*uint32(k) + 128
			dst[i] = k - byte((ink+ink>>8)>>8)
		}
	}
}
