//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sweetspot/engine/archive"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// sheet is a picture with large squares of random colors, in which the built-in detector finds objects.
func sheet(width, height int) *image.RGBA {
	rng := rand.New(rand.NewPCG(4, 0))
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := 0; y < height; y += 12 {
		for x := 0; x < width; x += 12 {
			c := color.RGBA{uint8(rng.Uint32()), uint8(rng.Uint32()), uint8(rng.Uint32()), 255}
			draw.Draw(img, image.Rect(x, y, x+12, y+12), &image.Uniform{C: c}, image.Point{}, draw.Src)
		}
	}
	return img
}

// sendDrawing sends a picture as the client of Animated Drawings does, and reads the JSON of the answer,
// whatever its content type is. A status of 300 or more is an error there.
func sendDrawing(t *testing.T, url string, img image.Image, answer any) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", `form-data; name="data"; filename="data"`)
	part, err := w.CreatePart(h)
	if err == nil {
		err = png.Encode(part, img)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	status, text := send(t, http.MethodPost, url, w.FormDataContentType(), body.Bytes())
	if status >= 300 {
		t.Fatalf("%s: %d %s", url, status, text)
	}
	if err := json.Unmarshal([]byte(text), answer); err != nil {
		t.Fatalf("%s: %v: %s", url, err, text)
	}
}

// The client of Animated Drawings: it sends a drawing to the detector, cuts out the box with the highest score, and
// sends that to the pose estimator, from which it reads the points of exactly one skeleton.
func TestAnimatedDrawingsClient(t *testing.T) {
	inference, _, log := startServerWithLog(t, "drawn_humanoid_detector=builtin:detector", "drawn_humanoid_pose_estimator=builtin:keypoints",
		"--handler=drawn_humanoid_detector=detection_list,threshold=0.2", "--handler=drawn_humanoid_pose_estimator=keypoint_list", "--batch-size=4", "--disable-token-auth")
	if !strings.Contains(log, "keypoints of x, y and score") {
		t.Errorf("the server does not say what its handlers answer:\n%s", log)
	}
	drawing := sheet(800, 600)
	var found []struct {
		BBox  []float64 `json:"bbox"`
		Score float64   `json:"score"`
	}
	sendDrawing(t, inference+"/predictions/drawn_humanoid_detector", drawing, &found)
	if len(found) == 0 {
		t.Fatal("nothing was detected")
	}
	slices.SortFunc(found, func(a, b struct {
		BBox  []float64 `json:"bbox"`
		Score float64   `json:"score"`
	},
	) int {
		return int(math.Copysign(1, b.Score-a.Score))
	})
	if len(found[0].BBox) != 4 || found[0].Score <= 0 {
		t.Fatalf("the first object is %+v", found[0])
	}
	box := [4]int{}
	for i, v := range found[0].BBox {
		box[i] = int(math.Round(v))
	}
	cropped := image.Rect(box[0], box[1], box[2], box[3])
	if cropped.Empty() || !cropped.In(drawing.Bounds()) {
		t.Fatalf("the box %v is not in the drawing", box)
	}
	var poses []struct {
		KeyPoints [][]float64 `json:"keypoints"`
	}
	sendDrawing(t, inference+"/predictions/drawn_humanoid_pose_estimator", drawing.SubImage(cropped), &poses)
	if len(poses) != 1 || len(poses[0].KeyPoints) != 17 {
		t.Fatalf("%d poses, want one with 17 points: %v", len(poses), poses)
	}
	// The input has black margins beside a picture of other proportions, where random weights may see a point.
	longest := 2 * float64(max(cropped.Dx(), cropped.Dy()))
	for i, p := range poses[0].KeyPoints {
		if len(p) < 2 || math.Abs(p[0]) > longest || math.Abs(p[1]) > longest {
			t.Errorf("point %d of a picture of %v is %v", i, cropped.Size(), p)
		}
	}
}

// A picture that cannot be decoded fails alone: those that are sent with it are answered as if they were alone.
func TestBadPicturesFailAlone(t *testing.T) {
	inference, _ := startServer(t, "c="+filepath.Join(mustAbs(t, bodiesFolder), "photo.onnx"), "--handler=image_classifier,top_k=2", "--batch-size=8", "--batch-delay=20ms", "--disable-token-auth")
	good := picture(t, 8, 4)
	_, want := send(t, http.MethodPost, inference+"/predictions/c", "image/png", good)
	if !strings.HasPrefix(want, `{"2":`) {
		t.Fatalf("alone: %s", want)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		body, status, text := good, 200, want
		if i%2 == 1 {
			body, status, text = good[:len(good)-20], 400, "BadRequestException"
		}
		wg.Go(func() {
			if s, answer := send(t, http.MethodPost, inference+"/predictions/c", "image/png", body); s != status || !strings.Contains(answer, text) {
				t.Errorf("request %d: %d %s, want %d %s", i, s, answer, status, text)
			}
		})
	}
	wg.Wait()
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// bagModel classifies texts as TorchServe's example does: the mean of the embeddings of its tokens, here one for each class.
func bagModel(t *testing.T) []byte {
	t.Helper()
	const int64s = onnxpb.TensorProto_INT64
	b := builder.New("bag", 1)
	text := b.Input("text", int64s, onnxgraph.Open("T"))
	offsets := b.Input("offsets", int64s, onnxgraph.Dim{Size: 1})
	rows := b.Op("Gather", []string{b.Floats([]float32{0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4}, 4, 3), text}, onnxpb.AttrInt("axis", 0))
	mean := b.Op("ReduceMean", []string{rows}, onnxpb.AttrInts("axes", 0), onnxpb.AttrInt("keepdims", 1))
	zero := b.Op("Cast", []string{offsets}, onnxpb.AttrInt("to", int64(onnxpb.TensorProto_FLOAT)))
	b.Output("y", b.Op("Add", []string{mean, zero}), onnxpb.TensorProto_FLOAT, onnxgraph.Dim{Size: 1}, onnxgraph.Dim{Size: 3})
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// writeArchive writes a .mar with a handler, a model and files, and returns its path.
func writeArchive(t *testing.T, name, handler string, model []byte, texts map[string]string) string {
	t.Helper()
	files := []archive.Content{archive.Text("model.onnx", string(model))}
	for _, file := range slices.Sorted(mapKeys(texts)) {
		files = append(files, archive.Text(file, texts[file]))
	}
	path := filepath.Join(t.TempDir(), name+".mar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := archive.Manifest{Model: archive.Model{Name: name, Version: "2.0", Handler: handler, Serialized: "model.onnx"}}
	if err := archive.Create(f, archive.Zip, m, files); err != nil {
		t.Fatal(err)
	}
	return path
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Archives with an ONNX model and the name of one of TorchServe's handlers have that handler, with the labels and the
// vocabulary of the archive, behind the envelope of the configuration and on the routes of KServe v1.
func TestArchivesWithHandlers(t *testing.T) {
	labels := `{"0": "World", "1": "Sports", "2": "Sci/Tec"}`
	text := writeArchive(t, "news", "text_classifier", bagModel(t), map[string]string{
		"index_to_name.json": labels, "vocab.json": `{"<unk>": 0, "peace": 1, "ball": 2, "the ball": 3}`,
	})
	photo, err := os.ReadFile(filepath.Join(bodiesFolder, "photo.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	colors := writeArchive(t, "colors", "image_classifier", photo, map[string]string{"index_to_name.json": `{"0": ["n0", "red"], "1": "green", "2": "blue"}`})
	inference, _, log := startServerWithLog(t, text, colors, "--disable-token-auth")
	if !strings.Contains(log, "4 tokens in the vocabulary") || strings.Contains(log, "is not run") {
		t.Errorf("the log is\n%s", log)
	}
	for _, tt := range []struct {
		path, media, body string
		status            int
		want              string
	}{
		{"/predictions/news", "text/plain", "Peace, <b>peace</b>!", 200, `{"World":0.8`},
		{"/predictions/news/2.0", "application/json", `"the ball"`, 200, `"Sci/Tec":0.`},
		{"/v1/models/news:predict", "application/json", `{"instances": ["peace", {"data": "ball"}]}`, 200, `{"predictions":[{"World":0.9`},
		{"/v1/models/news:predict", "application/json", `{"instances": ["peace", 3]}`, 400, `instance 1: the input is not a text`},
		{"/predictions/news", "", "", 400, "empty body"},
		{"/predictions/colors", "image/png", string(picture(t, 8, 4)), 200, `{"blue":0.9`},
		{"/predictions/colors", "", "GIF89a", 400, "neither a JPEG or PNG file"},
	} {
		if status, answer := send(t, http.MethodPost, inference+tt.path, tt.media, []byte(tt.body)); status != tt.status || !strings.Contains(answer, tt.want) {
			t.Errorf("%s %.40q: %d %s, want %d %s", tt.path, tt.body, status, answer, tt.status, tt.want)
		}
	}
}

// What does not fit is said before anything is served, with what to do.
func TestHandlersThatCannotBeServed(t *testing.T) {
	pickled := writeArchive(t, "news", "text_classifier", bagModel(t), map[string]string{"source_vocab.pt": "PK"})
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{pickled}, "export it once and pack vocab.json"},
		{[]string{"builtin:mlp", "--handler=image_classifier"}, "is no picture"},
		{[]string{"builtin:mlp", "--handler=classify"}, "there is no handler"},
		{[]string{"builtin:mlp", "--labels=x.json"}, "--handler"},
		{[]string{"builtin:resnet18", "--handler=image_classifier", "--labels=none.json"}, "none.json"},
		{[]string{"builtin:mlp", "--handler=base_handler", "--handler=base_handler"}, "given twice"},
	} {
		if text := serveFails(t, tt.args...); !strings.Contains(text, tt.want) {
			t.Errorf("serve %v: %s, want %q", tt.args, text, tt.want)
		}
	}
}

// serveFails returns what serve writes when it cannot start.
func serveFails(t *testing.T, args ...string) string {
	t.Helper()
	cmd := programWithRuntime(t, append([]string{"serve", "--listen=127.0.0.1:0", "--management=127.0.0.1:0", "--metrics=127.0.0.1:0", "--disable-token-auth"}, args...)...)
	out, err := cmd.CombinedOutput()
	if exitCode(err) != 1 {
		t.Errorf("serve %v ended with %v", args, err)
	}
	return string(out)
}
