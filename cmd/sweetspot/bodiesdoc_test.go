//go:build unix

package main

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// update rewrites the files of testdata/bodies.
var update = flag.Bool("update", false, "rewrite the files that are made by tests")

// bodiesFolder has the models and bodies of docs/bodies.md.
const bodiesFolder = "../../testdata/bodies"

// The files of testdata/bodies are made here.
func TestBodiesFiles(t *testing.T) {
	files := map[string][]byte{
		"scale.onnx": scaleModel(t), "pair.onnx": pairModel(t), "photo.onnx": photoModel(t), "words.onnx": wordsModel(t),
		"four.raw": floats(1, 2, 3, 4), "four.json": []byte("[1, 2, 3, 4]\n"), "a.raw": floats(1.5, 2.5),
		"square.png": picture(t, 4, 4), "wide.png": picture(t, 8, 4),
	}
	for name, want := range files {
		path := filepath.Join(bodiesFolder, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from what this test makes (%v); run it with -update", path, err)
		}
	}
}

func floats(numbers ...float32) []byte {
	var out []byte
	for _, v := range numbers {
		out = tensor.AppendFloat32(out, v)
	}
	return out
}

// modelBytes encodes a model.
func modelBytes(t *testing.T, b *builder.Builder) []byte {
	t.Helper()
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const (
	floatType = onnxpb.TensorProto_FLOAT
	int64Type = onnxpb.TensorProto_INT64
)

var batchOf = onnxgraph.Open("N")

// scaleModel has y = 2 x of four numbers.
func scaleModel(t *testing.T) []byte {
	b := builder.New("scale", 1)
	x := b.Input("x", floatType, batchOf, onnxgraph.Dim{Size: 4})
	b.Output("y", b.Op("Mul", []string{x, b.Floats([]float32{2})}), floatType, batchOf, onnxgraph.Dim{Size: 4})
	return modelBytes(t, b)
}

// pairModel has scaled = n a of two numbers and an integer, and next = n + 1.
func pairModel(t *testing.T) []byte {
	b := builder.New("pair", 1)
	a := b.Input("a", floatType, batchOf, onnxgraph.Dim{Size: 2})
	n := b.Input("n", int64Type, batchOf, onnxgraph.Dim{Size: 1})
	factor := b.Op("Cast", []string{n}, onnxpb.AttrInt("to", int64(floatType)))
	b.Output("scaled", b.Op("Mul", []string{a, factor}), floatType, batchOf, onnxgraph.Dim{Size: 2})
	b.Output("next", b.Op("Add", []string{n, b.Ints([]int64{1})}), int64Type, batchOf, onnxgraph.Dim{Size: 1})
	return modelBytes(t, b)
}

// photoModel has the mean of each channel of an image of 4 x 4 pixels.
func photoModel(t *testing.T) []byte {
	b := builder.New("photo", 1)
	x := b.Input("x", floatType, append([]onnxgraph.Dim{batchOf}, onnxgraph.Fixed(3, 4, 4)...)...)
	mean := b.Op("ReduceMean", []string{x}, onnxpb.AttrInts("axes", 2, 3), onnxpb.AttrInt("keepdims", 0))
	b.Output("mean", mean, floatType, batchOf, onnxgraph.Dim{Size: 3})
	return modelBytes(t, b)
}

// wordsModel returns two texts as they are.
func wordsModel(t *testing.T) []byte {
	b := builder.New("words", 1)
	x := b.Input("x", onnxpb.TensorProto_STRING, batchOf, onnxgraph.Dim{Size: 2})
	b.Output("y", b.Op("Identity", []string{x}), onnxpb.TensorProto_STRING, batchOf, onnxgraph.Dim{Size: 2})
	return modelBytes(t, b)
}

// picture is a PNG whose left quarter is red and whose other part is blue.
func picture(t *testing.T, w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{B: 255, A: 255}
			if 4*x < w {
				c = color.RGBA{R: 255, A: 255}
			}
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// example is a command of docs/bodies.md with the answer behind it.
type example struct {
	line         int
	command, out string
}

// examples returns the commands of a page: lines that begin with "$ " in a block.
func examples(t *testing.T, name string) []example {
	t.Helper()
	page, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []example
	inBlock := false
	n := 0
	for text := range strings.Lines(string(page)) {
		n++
		command, isCommand := strings.CutPrefix(text, "$ ")
		switch {
		case strings.HasPrefix(text, "```"):
			inBlock = text == "```console\n"
		case inBlock && isCommand:
			out = append(out, example{line: n, command: strings.TrimSpace(command)})
		case inBlock && len(out) > 0:
			out[len(out)-1].out += text
		}
	}
	return out
}

func TestBodiesPage(t *testing.T) { checkPage(t, "bodies.md", 20) }

// The commands of a page answer what the page says, asked by the curl of this machine, if it has
// one, and by one of our own that knows the flags of the page. There are at least some commands.
func checkPage(t *testing.T, page string, some int) {
	_, noCurl := exec.LookPath("curl")
	if noCurl != nil {
		t.Log("no curl here: only our own asks")
	}
	address, asked := "", 0
	for _, e := range examples(t, page) {
		if args, ok := strings.CutPrefix(e.command, "sweetspot serve "); ok {
			address = serveExample(t, page, e, strings.Fields(args))
			continue
		}
		asked++
		command := strings.ReplaceAll(e.command, "http://127.0.0.1:8080", address)
		answers := map[string]string{"our own": runExample(t, bodiesFolder, command)}
		if noCurl == nil {
			shell := exec.Command("sh", "-c", command)
			shell.Dir = bodiesFolder
			out, err := shell.Output()
			if err != nil {
				t.Errorf("docs/%s:%d: %v", page, e.line, err)
			}
			answers["curl"] = string(out)
		}
		for by, got := range answers {
			if !sameAnswer(e.out, got) {
				t.Errorf("docs/%s:%d: %s\nasked by %s: -page +answer\n%s", page, e.line, e.command, by, cmp.Diff(e.out, got))
			}
		}
	}
	if asked < some {
		t.Errorf("%d commands were found in docs/%s", asked, page)
	}
}

// words are the numbers of an answer, and what is between them.
var words = regexp.MustCompile(`-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?|[^-0-9 \n]+|-`)

// sameAnswer compares an answer with that of the page. Blanks do not count, because od has
// others elsewhere, and numbers may differ in their last digits, because runtimes add in
// another order elsewhere.
func sameAnswer(page, answer string) bool {
	return slices.EqualFunc(words.FindAllString(page, -1), words.FindAllString(answer, -1), func(a, b string) bool {
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		return a == b || errX == nil && errY == nil && math.Abs(x-y) <= 1e-5*math.Abs(x)
	})
}

// serveExample starts the server of a page's command on free ports and compares what it says
// with the lines of the page that are not cut off by "...".
func serveExample(t *testing.T, page string, e example, args []string) (address string) {
	t.Helper()
	dir, err := filepath.Abs(bodiesFolder)
	if err != nil {
		t.Fatal(err)
	}
	address, _, said := startServerIn(t, dir, args...)
	for want := range strings.Lines(e.out) {
		if want = strings.TrimSpace(want); !strings.Contains(strings.Join(said, "\n"), want) {
			t.Errorf("docs/%s:%d: the server does not say %q but\n%s", page, e.line, want, strings.Join(said, "\n"))
		}
	}
	return address
}
