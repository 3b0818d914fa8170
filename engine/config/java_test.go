package config_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config"
)

// TestAgainstJava compares the parser and the writer with java.util.Properties, if Java is
// installed.
func TestAgainstJava(t *testing.T) {
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("no java in PATH")
	}
	var inputs [][]byte
	for _, c := range syntax {
		if c.name == "half a pair of surrogates" {
			continue // Java keeps the half; no Go string can
		}
		inputs = append(inputs, []byte(c.in))
	}
	for _, s := range awkward {
		inputs = append(inputs, []byte(s))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		inputs = append(inputs, noise(rng))
	}
	for range 200 {
		f := file(rng)
		inputs = append(inputs, f.Encode())
	}
	dir := t.TempDir()
	var paths, want []string
	for i, in := range inputs {
		path := filepath.Join(dir, fmt.Sprintf("%04d.properties", i))
		if err := os.WriteFile(path, in, 0o600); err != nil {
			t.Fatal(err)
		}
		paths, want = append(paths, path), append(want, dump(in))
	}
	cmd := exec.CommandContext(t.Context(), java, append([]string{"testdata/Load.java"}, paths...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("java cannot run a source file: %v", err)
	}
	got := strings.Split(string(out), "file\n")[1:]
	if len(got) != len(want) {
		t.Fatalf("java read %d files, want %d", len(got), len(want))
	}
	for i := range want {
		if diff := cmp.Diff(strings.TrimSpace(got[i]), want[i]); diff != "" {
			t.Errorf("%q: java (-) and Parse (+) differ:\n%s", inputs[i], diff)
		}
	}
}

// dump prints a file in the format of Load.java.
func dump(in []byte) string {
	f, err := config.Parse("f", in)
	if err != nil {
		return "error"
	}
	pairs := map[string]string{}
	for _, l := range f.Lines {
		if l.Kind == config.Pair {
			pairs[units(l.Key)] = units(l.Value)
		}
	}
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		lines = append(lines, k+"="+pairs[k])
	}
	return strings.Join(lines, "\n")
}

func units(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, "%04x", u)
	}
	return b.String()
}

// noise returns random text with many characters that matter in the syntax, but without
// escaped surrogates, for the same reason.
func noise(rng *rand.Rand) []byte {
	parts := []string{
		"a", "b", "key", "=", ":", " ", "\t", "\f", "\n", "\r", "\r\n", "\\", "\\\n", "\\\r\n", "\\\r",
		"#", "!", `\u0041`, `\u00`, `\t`, `\n`, `\\`, "\xe9", "1",
	}
	var b strings.Builder
	for range rng.IntN(14) {
		b.WriteString(parts[rng.IntN(len(parts))])
	}
	return []byte(b.String())
}

// file returns a file of random lines.
func file(rng *rand.Rand) *config.File {
	f := &config.File{Name: "f"}
	for range 1 + rng.IntN(6) {
		switch rng.IntN(5) {
		case 0:
			f.Note(text(rng))
		case 1:
			f.Gap()
		default:
			f.Lines = append(f.Lines, config.Line{Kind: config.Pair, Key: text(rng), Value: text(rng)})
		}
	}
	return f
}

func text(rng *rand.Rand) string {
	alphabet := []rune("ab =:#!\\\t\r\f u0é\u2028😀\x00\"{}")
	out := make([]rune, rng.IntN(8))
	for i := range out {
		out[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(out)
}
