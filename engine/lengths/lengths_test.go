package lengths_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sweetspot/engine/lengths"
	"sweetspot/engine/tensor"
)

// files has the contents of files by name.
var files = map[string]string{"/home/me/a.txt": "9\n", "a.txt": "# lengths\n8\n\n 30 \n128\n", "bad": "8\nx\n", "empty": "\n"}

func read(name string) ([]byte, error) {
	text, ok := files[name]
	if !ok {
		return nil, errors.New("no such file")
	}
	return []byte(text), nil
}

func TestParseShape(t *testing.T) {
	for text, want := range map[string][2]int64{"64": {64, 64}, "0": {0, 0}, "8..128": {8, 128}, "7..7": {7, 7}, "@a.txt": {8, 128}} {
		s, err := lengths.ParseShape(text, read)
		if err != nil || len(s) != 1 {
			t.Errorf("ParseShape(%q) = %v, %v", text, s, err)
			continue
		}
		if low, high := s[0].Bounds(); [2]int64{low, high} != want {
			t.Errorf("ParseShape(%q) = %d..%d, want %v", text, low, high, want)
		}
	}
	for _, text := range []string{"", "x", "0..8", "-1", "8..", "..8", "9..8", "8..128x", "+8", "8..+9", "8...9", "99999999999", "@", "@none", "@bad", "@empty", "1e3"} {
		if s, err := lengths.ParseShape(text, read); err == nil {
			t.Errorf("ParseShape(%q) = %v, want an error", text, s)
		}
	}
	if _, err := lengths.ParseShape("@bad", read); err == nil || !strings.Contains(err.Error(), `bad: line 2: "x" is not a length`) {
		t.Errorf("a bad line: %v", err)
	}
}

func TestFixed(t *testing.T) {
	for text, want := range map[string]bool{"3x224x224": true, "3x200..224x224": false, "@a.txt": false} {
		s, err := lengths.ParseShape(text, read)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := s.Fixed(); got != want {
			t.Errorf("%s: fixed %t, want %t", text, got, want)
		}
	}
}

func TestParseFlag(t *testing.T) {
	for text, want := range map[string]string{"ids=8..128": "ids 8..128", "a=b=3x4": "a=b 3x4", "ids=@a.txt": "ids @a.txt"} {
		name, s, err := lengths.ParseFlag(text, read)
		if err != nil || name+" "+s.String() != want {
			t.Errorf("ParseFlag(%q) = %q, %v, %v; want %q", text, name, s, err, want)
		}
	}
	for _, text := range []string{"", "ids", "=8", "ids=", "ids=a"} {
		if _, _, err := lengths.ParseFlag(text, read); err == nil || !strings.Contains(err.Error(), "--shape "+text+":") {
			t.Errorf("ParseFlag(%q): %v, want an error that quotes it", text, err)
		}
	}
}

func texts() []tensor.Spec {
	return []tensor.Spec{
		{Name: "ids", Type: tensor.Int64, Shape: []int64{-1}, Dims: []string{"S"}},
		{Name: "image", Type: tensor.Float32, Shape: []int64{3, -1, -1}, Dims: []string{"", "H", "W"}},
		{Name: "mask", Type: tensor.Int64, Shape: []int64{-1}, Dims: []string{"S"}},
	}
}

func shapes(t *testing.T, texts ...string) map[string]lengths.Shape {
	out := map[string]lengths.Shape{}
	for _, text := range texts {
		name, s, err := lengths.ParseFlag(text, read)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

// sumOf is the beginning of the hash of a file.
func sumOf(name string) string {
	data, _ := read(name)
	return fmt.Sprintf("%x", sha256.Sum256(data))[:8]
}

func TestSampler(t *testing.T) {
	s, err := lengths.For(texts(), shapes(t, "mask=@a.txt", "image=3x4..5x6"), shapes(t, "ids=1", "image=9x9"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "ids, mask @a.txt (sha256 " + sumOf("a.txt") + "); image 4..5; image 6"; s.String() != want {
		t.Errorf("String() = %q, want %q", s, want)
	}
	if s, err := lengths.For(texts()[:1], shapes(t, "ids=@/home/me/a.txt"), nil); err != nil || s.String() != "ids @a.txt (sha256 "+sumOf("/home/me/a.txt")+")" || s.Shapes()["ids"] != "@/home/me/a.txt" {
		t.Errorf("a path: %q, %v, %v", s, s.Shapes(), err)
	}
	seen := map[int64]bool{}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		item := s.Item(rng)
		for i, spec := range texts() {
			if err := spec.Check(item[i]); err != nil {
				t.Fatal(err)
			}
		}
		if item[0].Shape[0] != item[2].Shape[0] || item[1].Shape[2] != 6 || item[1].Shape[1]/2 != 2 {
			t.Fatalf("shapes %v %v %v", item[0].Shape, item[1].Shape, item[2].Shape)
		}
		seen[item[0].Shape[0]] = true
	}
	if len(seen) != 3 || !seen[8] || !seen[30] || !seen[128] {
		t.Errorf("lengths %v, want 8, 30 and 128", seen)
	}
}

func TestSamplerErrors(t *testing.T) {
	for want, given := range map[string][]string{
		"no such input":                  {"id=8", "image=4"},
		"share a dimension (S), but are": {"ids=8", "mask=9", "image=4x4"},
		"does not fit":                   {"ids=8", "image=4"},
		"dimension 0 is fixed to 3":      {"ids=8", "image=1x4x4"},
		"has no length":                  {"ids=8"},
	} {
		_, err := lengths.For(texts(), shapes(t, given...), nil)
		if want == "has no length" {
			want = "has an open dimension and no length; add --shape image="
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", given, err, want)
		}
	}
	fixed := []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{4}}}
	s, err := lengths.For(fixed, nil, nil)
	if err != nil || s.Open() || len(s.Item(rand.New(rand.NewPCG(1, 1)))[0].Data) != 16 {
		t.Errorf("a model without open dimensions: %v", err)
	}
}

// FuzzParseFlag: a flag is refused, or its text reads back to the same shape.
func FuzzParseFlag(f *testing.F) {
	for _, text := range []string{"ids=8..128", "a=b=3x4", "ids=@a.txt", "x=", "=x", "a=1..1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, s, err := lengths.ParseFlag(text, read)
		if err != nil {
			return
		}
		again, s2, err := lengths.ParseFlag(name+"="+s.String(), read)
		if err != nil || again != name || s2.String() != s.String() {
			t.Errorf("%q: %q %v reads back as %q %v, %v", text, name, s, again, s2, err)
		}
	})
}

// FuzzFile: a file of lengths is refused, or has only legal lengths.
func FuzzFile(f *testing.F) {
	for _, text := range files {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := lengths.ParseShape("@f", func(string) ([]byte, error) { return []byte(text), nil })
		if err != nil {
			return
		}
		rng := rand.New(rand.NewPCG(1, 1))
		low, high := s[0].Bounds()
		if v := s[0].Draw(rng); low < 1 || v < low || v > high {
			t.Errorf("%q: drew %d from %d..%d", text, v, low, high)
		}
	})
}
