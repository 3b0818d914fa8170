package handler_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// FuzzNumber compares the numbers of all types that are not simply those of the standard library
// with exact arithmetic.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{
		"9007199254740993.0", "0.99999999999999999999", "1e18", "18446744073709551615.0", "-9.223372036854775808e18", "1e-5", "120.00e-1", "-0.0",
		"65519.999", "65520", "1.00048828125001", "1.00048828125", "1.00048828125000000000000000000000000001", "5.9604644775390625e-8", "2.98023223876953125e-8", "-2.98023223876953126e-8",
		"1.00390625", "3.38953138925153547590470800371487866880e38", "4.591774807899561e-41", "1e-60",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 60 || text != strings.Trim(text, " \t\r\n") || strings.ContainsAny(text, "_/xXpPoObB+") || !exponentIsSmall(text) {
			return
		}
		want, isNumber := new(big.Rat).SetString(text)
		for _, typ := range []tensor.Type{tensor.Int64, tensor.Uint64, tensor.Int8} {
			item, err := handler.Decode("application/json", []byte(text), []tensor.Spec{spec("x", typ)})
			if err != nil {
				if isNumber && isJSONNumber(text) && fitsInteger(typ, want) {
					t.Errorf("%s as %s: %v", text, typ, err)
				}
				continue
			}
			got := new(big.Rat).SetInt64(tensor.IntAt(typ, item[0].Data, 0))
			if typ == tensor.Uint64 {
				got.SetUint64(uint64(tensor.IntAt(typ, item[0].Data, 0)))
			}
			if !isNumber || got.Cmp(want) != 0 {
				t.Errorf("%s as %s is %v", text, typ, got)
			}
		}
		for _, typ := range []tensor.Type{tensor.Float16, tensor.BFloat16} {
			item, err := handler.Decode("application/json", []byte(text), []tensor.Spec{spec("x", typ)})
			if err == nil && isNumber {
				checkNearest(t, text, typ, item[0].Data, want)
			}
		}
	})
}

// exponentIsSmall keeps the exact arithmetic fast.
func exponentIsSmall(text string) bool {
	_, e, _ := strings.Cut(strings.ToLower(text), "e")
	return len(strings.TrimPrefix(e, "-")) <= 3
}

// isJSONNumber reports whether a number for package big is one of JSON, too.
func isJSONNumber(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	return digits != "" && digits[0] != '.' && !strings.Contains(digits, ".e") && !strings.Contains(digits, ".E") && !strings.HasSuffix(digits, ".") &&
		(digits[0] != '0' || len(digits) == 1 || strings.ContainsAny(digits[1:2], ".eE"))
}

func fitsInteger(typ tensor.Type, v *big.Rat) bool {
	switch {
	case !v.IsInt():
		return false
	case typ == tensor.Uint64:
		return v.Num().IsUint64()
	case typ == tensor.Int8:
		return v.Num().IsInt64() && int64(int8(v.Num().Int64())) == v.Num().Int64()
	}
	return v.Num().IsInt64()
}

// checkNearest checks that no neighbor of the half in data is nearer to want, and that it is even
// if one is as near.
func checkNearest(t *testing.T, text string, typ tensor.Type, data []byte, want *big.Rat) {
	t.Helper()
	at := func(bits uint16) *big.Rat {
		v := tensor.At(typ, []byte{byte(bits), byte(bits >> 8)}, 0)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return new(big.Rat).SetFloat64(v)
	}
	bits := uint16(data[0]) | uint16(data[1])<<8
	value := at(bits)
	if value == nil {
		t.Fatalf("%s as %s is % x", text, typ, data)
	}
	distance := func(v *big.Rat) *big.Rat { return new(big.Rat).Abs(new(big.Rat).Sub(v, want)) }
	for _, neighbor := range []uint16{bits - 1, bits + 1} {
		if bits&0x7fff == 0 && neighbor == bits-1 {
			neighbor = bits ^ 0x8001 // on the other side of 0
		}
		other := at(neighbor)
		if other == nil {
			continue
		}
		if c := distance(value).Cmp(distance(other)); c > 0 || c == 0 && bits&1 == 1 {
			t.Errorf("%s as %s is %v, but %v is nearer or even", text, typ, value.FloatString(12), other.FloatString(12))
		}
	}
}
