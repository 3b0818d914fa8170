package runs

import (
	"slices"

	"sweetspot/engine/tensor"
)

// pad copies src into the low corner of dst, whose dimensions are at least as large, and
// fills the rest with value.
func pad(dst, src tensor.Tensor, value float64) {
	var memory [8]byte
	one := memory[:0]
	if src.Type.IsFloat() {
		one = tensor.AppendFloat(one, src.Type, value)
	} else {
		one = tensor.AppendInt(one, src.Type, int64(value))
	}
	fill(dst.Data, one)
	copyCorner(dst.Data, dst.Shape, src.Data, src.Shape)
}

// fill repeats one over b.
func fill(b, one []byte) {
	for n := copy(b, one); n > 0 && n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// copyCorner copies the elements that both tensors have: the low corner of the larger one.
func copyCorner(dst []byte, dstShape []int64, src []byte, srcShape []int64) {
	if len(src) == 0 || len(dst) == 0 {
		return
	}
	if len(dstShape) == 0 || slices.Equal(dstShape[1:], srcShape[1:]) { // both are contiguous
		copy(dst, src)
		return
	}
	step, srcStep := len(dst)/int(dstShape[0]), len(src)/int(srcShape[0])
	for i := range int(min(dstShape[0], srcShape[0])) {
		copyCorner(dst[i*step:(i+1)*step], dstShape[1:], src[i*srcStep:(i+1)*srcStep], srcShape[1:])
	}
}

// cut returns t with one dimension cut to size. It shares t's memory if the elements that
// remain are contiguous.
func cut(t tensor.Tensor, axis int, size int64) tensor.Tensor {
	if axis >= len(t.Shape) || size >= t.Shape[axis] {
		return t
	}
	out := tensor.Tensor{Type: t.Type, Shape: slices.Clone(t.Shape)}
	out.Shape[axis] = size
	if t.Type == tensor.String {
		out.Data = cutTexts(t, out.Shape)
		return out
	}
	n := int(tensor.Elements(out.Shape)) * t.Type.Size()
	if tensor.Elements(t.Shape[:axis]) == 1 {
		out.Data = t.Data[:n:n]
		return out
	}
	out.Data = make([]byte, n)
	copyCorner(out.Data, out.Shape, t.Data, t.Shape)
	return out
}

// cutTexts returns the low corner of t, which has texts of different lengths.
func cutTexts(t tensor.Tensor, shape []int64) []byte {
	texts, _ := tensor.Texts(t.Data)
	at := make([]byte, 0, 4*len(texts)) // the position of each text, which all have one length
	for i := range texts {
		at = tensor.AppendInt(at, tensor.Int32, int64(i))
	}
	kept := make([]byte, 4*tensor.Elements(shape))
	copyCorner(kept, shape, at, t.Shape)
	out := []byte{}
	for i := range len(kept) / 4 {
		out = tensor.AppendText(out, texts[tensor.IntAt(tensor.Int32, kept, i)])
	}
	return out
}
