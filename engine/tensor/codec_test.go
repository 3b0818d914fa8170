package tensor_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/tensor"
)

// The encoding is little endian, two's complement and IEEE 754.
func TestCodec(t *testing.T) {
	tests := []struct {
		typ  tensor.Type
		v    float64
		data string
	}{
		{tensor.Bool, 0, "\x00"},
		{tensor.Bool, 1, "\x01"},
		{tensor.Bool, 2, "\x02"}, // not a legal bool, and not checked here
		{tensor.Uint8, 255, "\xff"},
		{tensor.Int8, -1, "\xff"},
		{tensor.Uint16, 0xfffe, "\xfe\xff"},
		{tensor.Int16, -2, "\xfe\xff"},
		{tensor.Uint32, 0xfffffffe, "\xfe\xff\xff\xff"},
		{tensor.Int32, -2, "\xfe\xff\xff\xff"},
		{tensor.Uint64, 1 << 63, "\x00\x00\x00\x00\x00\x00\x00\x80"},
		{tensor.Int64, -1 << 63, "\x00\x00\x00\x00\x00\x00\x00\x80"},
		{tensor.Float16, 1.5, "\x00\x3e"},
		{tensor.Float16, math.Inf(1), "\x00\x7c"},
		{tensor.BFloat16, 1.5, "\xc0\x3f"},
		{tensor.BFloat16, math.Inf(-1), "\x80\xff"},
		{tensor.Float32, -0.5, "\x00\x00\x00\xbf"},
		{tensor.Float32, math.Inf(-1), "\x00\x00\x80\xff"},
		{tensor.Float64, 0.1, "\x9a\x99\x99\x99\x99\x99\xb9\x3f"},
	}
	for _, tc := range tests {
		one := tensor.Tensor{Type: tc.typ, Data: []byte("\x00\x00\x00\x00\x00\x00\x00\x00"[:tc.typ.Size()] + tc.data)}
		if got := tensor.At(tc.typ, one.Data, 1); got != tc.v {
			t.Errorf("At(%s, % x) = %v, want %v", tc.typ, tc.data, got, tc.v)
		}
		if diff := cmp.Diff([]float64{0, tc.v}, one.Numbers()); diff != "" {
			t.Errorf("Numbers of %s: (-want +got)\n%s", tc.typ, diff)
		}
		var got []byte
		switch {
		case tc.typ.IsFloat():
			got = tensor.AppendFloat(nil, tc.typ, tc.v)
		case tc.typ == tensor.Uint64: // at and above 2^63
			u := uint64(tc.v)
			got = tensor.AppendInt(nil, tc.typ, int64(u))
		default:
			got = tensor.AppendInt(nil, tc.typ, int64(tc.v))
		}
		if string(got) != tc.data {
			t.Errorf("%v as %s is % x, want % x", tc.v, tc.typ, got, tc.data)
		}
	}
}

func TestAppendFloatRounds(t *testing.T) {
	tests := []struct {
		typ     tensor.Type
		v, want float64
	}{
		{tensor.Float32, 16777217, 16777216},
		{tensor.Float32, 1e39, math.Inf(1)},
		{tensor.Float32, 1e-46, 0},
		{tensor.Float16, 2049, 2048},
		{tensor.Float16, 65504, 65504},
		{tensor.Float16, 65520, math.Inf(1)},
		{tensor.Float16, 1e-8, 0},
		{tensor.Float16, -1e-300, math.Copysign(0, -1)},
		{tensor.Float16, 65519.999, 65504},              // as FP32 it would be 65520
		{tensor.Float16, 1.00048828125, 1},              // halfway: to even
		{tensor.Float16, 1.00048828125001, 1 + 0x1p-10}, // as FP32 it would be halfway
		{tensor.Float16, 1.00146484374999, 1 + 0x1p-10},
		{tensor.Float16, -1.00048828125001, -1 - 0x1p-10},
		{tensor.Float16, 0x1.0000000001p-25, 0x1p-24},
		{tensor.BFloat16, 1.003906250001, 1 + 0x1p-7},
		{tensor.BFloat16, 0x1.0000000001p-134, 0x1p-133},
		{tensor.BFloat16, 0x1.feffffffffp127, 0x1.fep127},
		{tensor.Float16, 6e-8, 0x1p-24},
		{tensor.BFloat16, 257, 256},   // halfway: to even
		{tensor.BFloat16, 259, 260},   // halfway: to even
		{tensor.BFloat16, 258.1, 258}, // nearest
		{tensor.BFloat16, math.MaxFloat32, math.Inf(1)},
		{tensor.BFloat16, 1e-46, 0},
	}
	for _, tc := range tests {
		if got := tensor.At(tc.typ, tensor.AppendFloat(nil, tc.typ, tc.v), 0); got != tc.want {
			t.Errorf("%v as %s is %v, want %v", tc.v, tc.typ, got, tc.want)
		}
	}
}

// A NaN whose bits are all in the half that is cut off stays a NaN.
func TestAppendBFloat16KeepsNaN(t *testing.T) {
	for _, bits := range []uint32{0x7f800001, 0xff800001, 0x7fffffff} {
		got := tensor.At(tensor.BFloat16, tensor.AppendBFloat16(nil, math.Float32frombits(bits)), 0)
		if !math.IsNaN(got) {
			t.Errorf("NaN %08x as BF16 is %v", bits, got)
		}
	}
}

// A number that is out of range reads back as another number.
func TestAppendIntKeepsLowBytes(t *testing.T) {
	for typ, outside := range map[tensor.Type][]int64{
		tensor.Bool: {-1, 256}, tensor.Uint8: {-1, 256}, tensor.Int8: {-129, 128},
		tensor.Uint16: {-1, 1 << 16}, tensor.Int16: {-1<<15 - 1, 1 << 15},
		tensor.Uint32: {-1, 1 << 32}, tensor.Int32: {-1<<31 - 1, 1 << 31},
	} {
		for _, v := range outside {
			data := tensor.AppendInt(nil, typ, v)
			if got := tensor.IntAt(typ, data, 0); got == v || len(data) != typ.Size() {
				t.Errorf("%d as %s is %d in %d bytes", v, typ, got, len(data))
			}
		}
	}
}

func TestCodecRefusesOtherTypes(t *testing.T) {
	for name, f := range map[string]func(){
		"FP32 is no integer type":         func() { tensor.IntAt(tensor.Float32, make([]byte, 8), 0) },
		"FP64 is no integer type":         func() { tensor.AppendInt(nil, tensor.Float64, 1) },
		"INT64 is no floating point type": func() { tensor.AppendFloat(nil, tensor.Int64, 1) },
		"INVALID is no integer type":      func() { tensor.At(tensor.Invalid, make([]byte, 8), 0) },
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.HasSuffix(text, name) {
					t.Errorf("panic %q, want %q", text, name)
				}
			}()
			f()
		}()
	}
}

// FuzzCodec reads any bytes as every type and writes them again: the bytes are
// the same, except for the payload of a NaN, and all ways to read one give the same value.
func FuzzCodec(f *testing.F) {
	f.Add([]byte("\x00\x00\x80\x7f\x00\x00\xc0\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x7c\x01\x00\xff\x7b\x00\x80\x00\x00\x00\x00\x00\x00\xf0\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for typ := tensor.Bool; typ <= tensor.Float64; typ++ {
			size := typ.Size()
			numbers := tensor.Tensor{Type: typ, Data: data}.Numbers()
			if len(numbers) != len(data)/size {
				t.Fatalf("%d bytes are %d numbers of %s", len(data), len(numbers), typ)
			}
			for i, v := range numbers {
				checkElement(t, typ, data, i, v)
			}
		}
	})
}

// checkElement compares element i, which is v, with its bytes.
func checkElement(t *testing.T, typ tensor.Type, data []byte, i int, v float64) {
	t.Helper()
	want := data[i*typ.Size():][:typ.Size()]
	var got []byte
	if typ.IsFloat() {
		got = tensor.AppendFloat(nil, typ, v)
		if again := tensor.At(typ, got, 0); math.IsNaN(v) && math.IsNaN(again) {
			return
		}
	} else {
		n := tensor.IntAt(typ, data, i)
		got = tensor.AppendInt(nil, typ, n)
		exact := float64(n)
		if typ == tensor.Uint64 {
			exact = float64(uint64(n))
		}
		if exact != v {
			t.Errorf("%s % x is %v as a number and %d as an integer", typ, want, v, n)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s % x is %v, which is % x", typ, want, v, got)
	}
}

// Reading and writing elements must not allocate: handlers do it for each request.
func BenchmarkAt(b *testing.B) {
	for _, typ := range []tensor.Type{tensor.Float32, tensor.Int64, tensor.Float16} {
		b.Run(typ.String(), func(b *testing.B) {
			data := make([]byte, 1000*typ.Size())
			b.ReportAllocs()
			sum := 0.0
			for b.Loop() {
				for i := range 1000 {
					sum += tensor.At(typ, data, i)
				}
			}
			if sum != 0 {
				b.Error(sum)
			}
		})
	}
}

func BenchmarkAppendFloat(b *testing.B) {
	for _, typ := range []tensor.Type{tensor.Float32, tensor.Float16} {
		b.Run(typ.String(), func(b *testing.B) {
			dst := make([]byte, 0, 1000*typ.Size())
			b.ReportAllocs()
			for b.Loop() {
				dst = dst[:0]
				for i := range 1000 {
					dst = tensor.AppendFloat(dst, typ, float64(i))
				}
			}
		})
	}
}
