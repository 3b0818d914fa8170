//go:build unix

package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// collectionFile names test/postman/management_data.json of TorchServe's source, beside which its
// other collections are.
const collectionFile = "SWEETSPOT_TORCHSERVE_COLLECTION"

// postman is a collection of requests, as the program Postman writes it.
type postman struct {
	Item []postmanItem
}

type postmanItem struct {
	Name  string
	Event []struct {
		Script struct{ Exec []string }
	}
	Request struct {
		Method string
		URL    struct{ Raw string }
		Body   struct{ File struct{ Src string } }
	}
}

// The tests of a collection are scripts; these lines of them are read.
var (
	oneOf      = regexp.MustCompile(`response\.code\)\.to\.be\.oneOf\(\[([\d, ]+)\]\)`)
	haveStatus = regexp.MustCompile(`response\.to\.have\.status\((\d+)\)`)
	newRegExp  = regexp.MustCompile(`new RegExp\('(.*)'\)`)
)

// statuses returns those of which the answer must have one; nil if the script asks for none.
func (i postmanItem) statuses(t *testing.T) []int {
	t.Helper()
	var out []int
	for _, e := range i.Event {
		for _, line := range e.Script.Exec {
			list := ""
			if m := oneOf.FindStringSubmatch(line); m != nil {
				list = m[1]
			} else if m := haveStatus.FindStringSubmatch(line); m != nil {
				list = m[1]
			}
			for text := range strings.SplitSeq(list, ",") {
				if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
					out = append(out, n)
				} else if list != "" {
					t.Fatalf("%s: %s", i.Name, line)
				}
			}
		}
	}
	return out
}

// pattern returns the expression that the body must match; nil is none.
func (i postmanItem) pattern(t *testing.T) *regexp.Regexp {
	t.Helper()
	for _, e := range i.Event {
		for _, line := range e.Script.Exec {
			if m := newRegExp.FindStringSubmatch(line); m != nil {
				re, err := regexp.Compile(strings.ReplaceAll(m[1], `\\`, `\`))
				if err != nil {
					t.Fatal(err)
				}
				return re
			}
		}
	}
	return nil
}

// checksBody reports whether the script compares the body with that of the data.
func (i postmanItem) checksBody() (member string, ok bool) {
	for _, e := range i.Event {
		for _, line := range e.Script.Exec {
			for _, name := range []string{"expected_explain", "expected"} {
				if strings.Contains(line, `iterationData.get("`+name+`")`) {
					return name, true
				}
			}
		}
	}
	return "", false
}

// bodyOK compares a body as the scripts do: as text, or as JSON; the numbers of a classification
// within a tolerance in percent.
func bodyOK(row map[string]any, expected any, body string) bool {
	switch row["content-type"] {
	case "text/plain":
		return body == expected
	case "application/json":
	default:
		return true // it is not compared
	}
	var got any
	if json.Unmarshal([]byte(body), &got) != nil {
		return false
	}
	if row["validator"] != "image_classification" {
		return reflect.DeepEqual(got, expected)
	}
	a, ok := got.(map[string]any)
	want, _ := expected.(map[string]any)
	tolerance, _ := row["tolerance"].(float64)
	if !ok || len(a) != len(want) {
		return false
	}
	for label, p := range want {
		x, ok := a[label].(float64)
		y, _ := p.(float64)
		if !ok || math.Abs(x-y) >= y*tolerance/100 {
			return false
		}
	}
	return true
}

// The reasons why a request of the collections does not get what its project expects.
const (
	whyWeights   = "the weights cannot be had: a model made here answers its own numbers, and no labels"
	whyText      = "no handler cuts a text into words, and a model that takes texts takes them as JSON"
	whyExplain   = "the explanation is by occlusion and not by integrated gradients, of a model made here: other numbers"
	whyProtocol2 = "the tensors of the Open Inference Protocol are those of the model, and these are those of a handler: 400; explanations are not in the protocol: 404"
)

// collectionDifferences has the requests that differ, by collection: the request, and of the rows of
// data the models.
var collectionDifferences = map[string]map[string]struct{ why, models string }{
	"inference": {"Model Zoo - Inference Model": {whyWeights, `squeezenet1_1 squeezenet1_1_scripted densenet161 alexnet alexnet_scripted
		resnet-18 resnet-18_scripted vgg16 vgg16_scripted mnist mnist_scripted resnet152 resnet-152-batch_scripted`}},
	"inference, texts":  {"Model Zoo - Inference Model": {whyText, "bert_token_classification_no_torchscript bert_seqc_without_torchscript"}},
	"increased timeout": {"Model Zoo - Inference Model": {whyWeights, "densenet161_scripted"}},
	"kf": {
		"Model Zoo - Inference Model":    {whyWeights, "mnist"},
		"Model Zoo - Explanations Model": {whyExplain, "mnist"},
	},
	"kfv2": {
		"Model Zoo - Inference Model":    {whyProtocol2, "mnist"},
		"Model Zoo - Explanations Model": {whyProtocol2, "mnist"},
	},
	"kfv2 https": {
		"HTTPS - Inference - Mnist_KF":     {whyProtocol2, ""},
		"HTTPS - Explanations - Mnist_KF ": {whyProtocol2, ""},
	},
	"explanation": {"Model Zoo - Explanations Model": {whyExplain, "mnist"}},
}

// collectionReasons returns the differences by COLLECTION, REQUEST and MODEL.
func collectionReasons() map[[3]string]string {
	out := map[[3]string]string{}
	for collection, requests := range collectionDifferences {
		collection, _, _ = strings.Cut(collection, ",")
		for request, d := range requests {
			models := strings.Fields(d.models)
			if len(models) == 0 {
				models = []string{""}
			}
			for _, model := range models {
				out[[3]string{collection, request, model}] = d.why
			}
		}
	}
	return out
}

// kindOf says what a model of the collections takes and returns, by the name of its archive.
func kindOf(file string) string {
	for _, k := range [][2]string{{"mnist", "digit"}, {"rcnn", "boxes"}, {"fcn", "pixels"}, {"deeplab", "pixels"}, {"bert_qa", "question"}, {"bert", "text"}} {
		if strings.Contains(file, k[0]) {
			return k[1]
		}
	}
	return "classes"
}

// collectionModels are models with the inputs and outputs of TorchServe's examples.
var collectionModels = map[string]func(b *builder.Builder){
	// 224 x 224 pixels to the probabilities of ImageNet's classes.
	"classes": func(b *builder.Builder) {
		x := photoInput(b, 3, 224)
		mean := b.Op("ReduceMean", []string{x}, onnxpb.AttrInts("axes", 2, 3), onnxpb.AttrInt("keepdims", 0))
		y := b.Op("Softmax", []string{b.Op("MatMul", []string{mean, b.Random(1, 3, 1000)})}, onnxpb.AttrInt("axis", 1))
		b.Output("probabilities", y, floatType, batchOf, onnxgraph.Dim{Size: 1000})
	},
	// A picture of 28 x 28 grey pixels to its digit.
	"digit": func(b *builder.Builder) {
		x := b.Op("Flatten", []string{photoInput(b, 1, 28)}, onnxpb.AttrInt("axis", 1))
		y := b.Op("ArgMax", []string{b.Op("MatMul", []string{x, b.Random(1, 28*28, 10)})}, onnxpb.AttrInt("axis", 1), onnxpb.AttrInt("keepdims", 0))
		b.Output("digit", y, int64Type, batchOf)
	},
	// A picture to ten boxes with scores.
	"boxes": func(b *builder.Builder) {
		x := photoInput(b, 3, 320)
		mean := b.Op("ReduceMean", []string{x}, onnxpb.AttrInts("axes", 2, 3), onnxpb.AttrInt("keepdims", 0))
		flat := b.Op("MatMul", []string{mean, b.Random(1, 3, 40)})
		b.Output("boxes", b.Op("Reshape", []string{flat, b.Ints([]int64{0, 10, 4}, 3)}), floatType, append([]onnxgraph.Dim{batchOf}, onnxgraph.Fixed(10, 4)...)...)
		b.Output("scores", b.Op("Sigmoid", []string{b.Op("MatMul", []string{mean, b.Random(1, 3, 10)})}), floatType, batchOf, onnxgraph.Dim{Size: 10})
	},
	// A picture to the class of each pixel, and its probability.
	"pixels": func(b *builder.Builder) {
		y := b.Op("Conv", []string{photoInput(b, 3, 224), b.Random(1, 21, 3, 1, 1)})
		y = b.Op("Softmax", []string{y}, onnxpb.AttrInt("axis", 1))
		class := b.Op("Cast", []string{b.Op("ArgMax", []string{y}, onnxpb.AttrInt("axis", 1))}, onnxpb.AttrInt("to", int64(floatType)))
		both := b.Op("Concat", []string{class, b.Op("ReduceMax", []string{y}, onnxpb.AttrInts("axes", 1))}, onnxpb.AttrInt("axis", 1))
		b.Output("pixels", b.Op("Transpose", []string{both}, onnxpb.AttrInts("perm", 0, 2, 3, 1)), floatType, append([]onnxgraph.Dim{batchOf}, onnxgraph.Fixed(224, 224, 2)...)...)
	},
	// A question about a text to a text.
	"question": func(b *builder.Builder) {
		one := []onnxgraph.Dim{batchOf, {Size: 1}}
		q, c := b.Input("question", onnxpb.TensorProto_STRING, one...), b.Input("context", onnxpb.TensorProto_STRING, one...)
		both := b.Op("Concat", []string{q, c}, onnxpb.AttrInt("axis", 1))
		b.Output("answer", both, onnxpb.TensorProto_STRING, batchOf, onnxgraph.Dim{Size: 2})
	},
	// A text to a text.
	"text": func(b *builder.Builder) {
		x := b.Input("text", onnxpb.TensorProto_STRING, batchOf, onnxgraph.Dim{Size: 1})
		b.Output("answer", b.Op("Identity", []string{x}), onnxpb.TensorProto_STRING, batchOf, onnxgraph.Dim{Size: 1})
	},
}

func photoInput(b *builder.Builder, channels, side int64) string {
	return b.Input("x", floatType, append([]onnxgraph.Dim{batchOf}, onnxgraph.Fixed(channels, side, side)...)...)
}

// collectionStore packs a model of each kind as sweetspot archive does, and returns a store with
// the archives that the collections name.
func collectionStore(t *testing.T, files []string) string {
	t.Helper()
	store, kinds := t.TempDir(), t.TempDir()
	for kind, build := range collectionModels {
		b := builder.New(kind, 1)
		build(b)
		file := filepath.Join(kinds, kind+".onnx")
		if err := os.WriteFile(file, modelBytes(t, b), 0o600); err != nil {
			t.Fatal(err)
		}
		packed(t, kinds, file, kind)
	}
	for _, name := range files {
		if err := os.Link(filepath.Join(kinds, kindOf(name)+".mar"), filepath.Join(store, name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	return store
}

// collectionRun is a collection with its data, as TorchServe's project runs it.
type collectionRun struct {
	name, requests, data string
	config               string // of the server
	secure               bool
}

var collectionRuns = []collectionRun{
	{"inference", "inference_api_test_collection.json", "inference_data.json", "metrics_mode=prometheus\n", false},
	{"increased timeout", "inference_api_test_collection.json", "increased_timeout_inference.json", "default_response_timeout=300\nmetrics_mode=prometheus\n", false},
	{"https", "https_test_collection.json", "", "install_py_dep_per_model=true\n", true},
	{"kf", "kf_api_test_collection.json", "kf_inference_data.json", "service_envelope=kserve\nmetrics_mode=prometheus\n", false},
	{"kf https", "kf_https_test_collection.json", "", "service_envelope=kserve\n", true},
	{"kfv2", "kfv2_api_test_collection.json", "kfv2_inference_data.json", "service_envelope=kservev2\nmetrics_mode=prometheus\n", false},
	{"kfv2 https", "kfv2_https_test_collection.json", "", "service_envelope=kservev2\n", true},
	{"explanation", "explanation_api_test_collection.json", "explanation_data.json", "metrics_mode=prometheus\n", false},
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestTorchServeInferenceCollections runs the collections of TorchServe's project for predictions
// against our server. Their archives are made here, with models that take and return the same, and
// are registered from a model store and not by their URLs.
func TestTorchServeInferenceCollections(t *testing.T) {
	first := os.Getenv(collectionFile)
	if first == "" {
		t.Skipf("needs TorchServe's source: %s=.../test/postman/management_data.json", collectionFile)
	}
	folder, err := filepath.Abs(filepath.Dir(first))
	if err != nil {
		t.Fatal(err)
	}
	var environment struct {
		Values []struct{ Key, Value string }
	}
	readJSON(t, filepath.Join(folder, "environment.json"), &environment)
	variables, files := map[string]string{}, []string(nil)
	for _, v := range environment.Values {
		variables[v.Key] = v.Value
		if strings.HasSuffix(v.Value, ".mar") {
			files = append(files, v.Value)
		}
	}
	rows := map[string][]map[string]any{}
	for _, run := range collectionRuns {
		rows[run.name] = []map[string]any{{}}
		if run.data == "" {
			continue
		}
		var all []map[string]any
		readJSON(t, filepath.Join(folder, run.data), &all)
		for _, row := range all {
			if file := path.Base(fmt.Sprint(row["url"])); strings.HasSuffix(file, ".mar") {
				row["url"] = file // of the store
				files = append(files, file)
			}
		}
		rows[run.name] = all
	}
	store := collectionStore(t, files)
	reasons, same, total := collectionReasons(), 0, 0
	for _, run := range collectionRuns {
		s, n := run.against(t, folder, store, variables, rows[run.name], reasons)
		t.Logf("%s: %d of %d requests get what is expected", run.name, s, n)
		same, total = same+s, total+n
	}
	for difference := range reasons {
		t.Errorf("there is no difference %q", difference)
	}
	t.Logf("%d of %d requests get what is expected, %d others as listed", same, total, total-same)
}

// against sends a collection, once for each row of its data, to a server of its own. It deletes the
// reasons that it needs.
func (r collectionRun) against(t *testing.T, folder, store string, variables map[string]string, rows []map[string]any, reasons map[[3]string]string) (same, total int) {
	t.Helper()
	var requests postman
	readJSON(t, filepath.Join(folder, r.requests), &requests)
	text, scheme := "disable_token_authorization=true\nenable_model_api=true\n"+r.config, "http"
	if r.secure {
		scheme = "https"
		text += "private_key_file=" + filepath.Join(folder, "../resources/key.pem") + "\ncertificate_file=" + filepath.Join(folder, "../resources/certs.pem") + "\n"
	}
	dir := writeFiles(t, map[string]string{"config.properties": text})
	any0 := scheme + "://127.0.0.1:0"
	inference, management, printed := startServerIn(t, dir, "--ts-config=config.properties", "--model-store="+store, "--listen="+any0, "--management="+any0, "--metrics="+any0)
	address := regexp.MustCompile(`metrics (https?://[^\s,]+)`).FindStringSubmatch(strings.Join(printed, "\n"))
	if address == nil {
		t.Fatalf("no metrics address: %q", printed)
	}
	// The collections have fixed ports.
	hosts := map[string]string{"8080": inference, "8443": inference, "8081": management, "8444": management, "8082": address[1], "8445": address[1]}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // as its project does
	defer client.CloseIdleConnections()
	for _, row := range rows {
		for _, item := range requests.Item {
			total++
			status, answer := item.send(t, client, folder, hosts, func(text string) string { return fillIn(text, variables, row) })
			model, _ := row["model_name"].(string)
			wrong := item.wrong(t, row, status, answer)
			at := [3]string{r.name, item.Name, model}
			why := reasons[at]
			onlyBody := why == whyWeights || why == whyExplain
			switch {
			case wrong == "":
				same++
			case why == "", onlyBody && status != http.StatusOK:
				t.Errorf("%s: %s %s: %s", r.name, item.Name, model, wrong)
			default:
				delete(reasons, at)
			}
		}
	}
	return same, total
}

// send sends a request, with the file that it names as its body. fill replaces names by values.
func (i postmanItem) send(t *testing.T, client *http.Client, folder string, hosts map[string]string, fill func(string) string) (int, string) {
	t.Helper()
	u, err := url.Parse(fill(i.Request.URL.Raw))
	if err != nil {
		t.Fatal(err)
	}
	var body []byte
	if src := i.Request.Body.File.Src; src != "" {
		if body, err = os.ReadFile(filepath.Join(folder, "..", fill(src))); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), i.Request.Method, hosts[u.Port()]+u.RequestURI(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// wrong says what a request does not get of what is expected; "" if it gets all.
func (i postmanItem) wrong(t *testing.T, row map[string]any, status int, body string) string {
	t.Helper()
	want, pattern := i.statuses(t), i.pattern(t)
	member, compares := i.checksBody()
	switch {
	case want == nil && pattern == nil:
		t.Fatalf("%s: the script is not understood", i.Name)
	case want != nil && !slices.Contains(want, status):
		return fmt.Sprintf("%d, want %v: %.300s", status, want, body)
	case pattern != nil && !pattern.MatchString(body):
		return fmt.Sprintf("the body does not match %s", pattern)
	case compares && !bodyOK(row, row[member], body):
		return fmt.Sprintf("%.300s, want %.300v", body, row[member])
	}
	return ""
}

var doubleBraces = regexp.MustCompile(`\{\{([^{}]+)\}\}`)

// fillIn replaces {{NAME}} by the value of the data or of the environment.
func fillIn(text string, variables map[string]string, row map[string]any) string {
	for range 2 { // a value may have a name in it
		text = doubleBraces.ReplaceAllStringFunc(text, func(name string) string {
			name = strings.Trim(name, "{}")
			if v, ok := row[name]; ok {
				return fmt.Sprint(v)
			}
			return variables[name]
		})
	}
	return text
}
