package tensor_test

import (
	"slices"
	"testing"

	"sweetspot/engine/tensor"
)

func TestTexts(t *testing.T) {
	want := []string{"", "a", "größe\x00"}
	data := tensor.JoinTexts(want)
	got, ok := tensor.Texts(data)
	if !ok || !slices.Equal(got, want) || tensor.Count(tensor.String, data) != 3 {
		t.Errorf("Texts(% x) = %q, %t", data, got, ok)
	}
	for n := range len(data) {
		count := tensor.Count(tensor.String, data[:n])
		if _, ok := tensor.Texts(data[:n]); ok != (count >= 0) || ok != (n == 0 || n == 4 || n == 9) {
			t.Errorf("%d of %d bytes: %t, %d elements", n, len(data), ok, count)
		}
	}
	if n := tensor.Count(tensor.Float32, make([]byte, 8)); n != 2 {
		t.Errorf("8 bytes are %d FP32", n)
	}
	if n := tensor.Count(tensor.Float32, make([]byte, 7)); n != -1 {
		t.Errorf("7 bytes are %d FP32", n)
	}
}

func TestTextsAreChecked(t *testing.T) {
	s := tensor.Spec{Name: "s", Type: tensor.String, Shape: []int64{2}}
	v := tensor.Sample(s, rng())
	if err := s.Check(v); err != nil {
		t.Error(err)
	}
	v.Data = v.Data[:len(v.Data)-1]
	if err := s.Check(v); err == nil {
		t.Error("half a text passes")
	}
	v.Data = tensor.JoinTexts([]string{"one"})
	if err := s.Check(v); err == nil {
		t.Error("one text passes for two")
	}
}

// FuzzTexts: no bytes panic, and what is accepted is what JoinTexts makes.
func FuzzTexts(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00a"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if texts, ok := tensor.Texts(data); ok && string(tensor.JoinTexts(texts)) != string(data) {
			t.Errorf("%q joins to other bytes than % x", texts, data)
		}
	})
}
