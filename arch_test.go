// Package sweetspot_test holds the checks of the tree as a whole.
package sweetspot_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "sweetspot/"

// rooms lists every package of the module with what it may import of the
// others; "x/..." stands for x and all below it. A package without a line here
// is not allowed, a line without a package is a room not built yet. Floors, top
// to bottom: cmd, tui, profiles, sweep, engine; no line points up.
var rooms = map[string]string{
	// Values and pure rules.
	"engine/knob":        "",
	"engine/batching":    "",
	"engine/servicetime": "",
	"engine/latency":     "",
	"engine/cores":       "",
	"engine/tensor":      "",
	"engine/payload":     "engine/tensor",
	"engine/runs":        "engine/tensor engine/payload",
	"engine/lengths":     "engine/tensor",
	"engine/explain":     "engine/tensor",

	"engine":                         "engine/knob engine/batching engine/latency engine/tensor engine/payload engine/runs",
	"engine/enginetest":              "engine engine/knob engine/payload engine/handler",
	"engine/backend/onnx":            backend + " engine/onnxgraph engine/onnxgraph/onnxpb engine/onnxgraph/fp16 engine/backend/onnx/ortlib engine/backend/onnx/provider engine/gpu",
	"engine/backend/onnx/provider":   "",
	"engine/backend/onnx/ortlib":     "",
	"engine/backend/python":          backend + " engine/archive engine/config engine/gpu engine/backend/python/protocol engine/backend/python/worker",
	"engine/backend/python/peertest": "engine/payload engine/backend/python/protocol",
	"engine/backend/python/protocol": "engine/payload",
	"engine/backend/python/worker":   "engine/cores engine/payload engine/backend/python/protocol",
	"engine/backend/simulated":       backend,
	"engine/onnxgraph":               "engine/onnxgraph/onnxpb engine/tensor",
	"engine/onnxgraph/builder":       "engine/onnxgraph engine/onnxgraph/onnxpb engine/tensor",
	"engine/onnxgraph/builtin":       "engine/onnxgraph engine/onnxgraph/builder engine/onnxgraph/onnxpb",
	"engine/onnxgraph/fp16":          "engine/onnxgraph engine/onnxgraph/onnxpb engine/tensor",
	"engine/onnxgraph/onnxpb":        "",
	"engine/handler":                 "engine/tensor engine/payload engine/handler/picture",
	"engine/handler/picture":         "engine/handler/picture/jpeg",
	"engine/handler/picture/jpeg":    "",
	"engine/oip":                     "engine engine/tensor engine/payload engine/handler",
	"engine/handler/torchserve":      "engine engine/tensor engine/payload engine/explain engine/handler engine/handler/picture",
	"engine/archive":                 "",
	"engine/logfile":                 "",
	"engine/config":                  "engine/knob",
	"engine/config/check":            "engine/config engine/knob engine/archive",
	"engine/torchservetest":          "",
	"engine/gpu":                     "",
	"engine/monitor":                 "engine/gpu",
	"engine/catalog":                 "engine engine/knob engine/tensor engine/payload engine/runs engine/lengths engine/servicetime engine/backend/... engine/onnxgraph/... engine/handler/... engine/archive engine/config",
	"engine/api/predict":             "engine engine/tensor engine/payload engine/explain engine/handler",
	"engine/api/inference":           api,
	"engine/api/wire":                "",
	"engine/api/openapi":             "",
	"engine/api/management":          api,
	"engine/api/metrics":             api + " engine/logfile",
	"engine/api/grpc":                api + " engine/oip engine/api/inference engine/api/management engine/api/token engine/api/grpc/oippb engine/api/grpc/torchservepb",
	"engine/api/grpc/oippb":          "",
	"engine/api/grpc/torchservepb":   "",
	"engine/api/oip":                 api + " engine/oip engine/api/inference",
	"engine/api/token":               api,
	"engine/api/control":             api,
	"engine/server":                  "engine engine/knob engine/tensor engine/latency engine/api/... engine/server/http1 engine/catalog engine/config engine/handler engine/logfile engine/monitor",
	"engine/server/http1":            "",
	"sweep/load":                     "engine/latency",
	"sweep/trial":                    "engine/knob engine/latency sweep/load",
	"sweep/stat":                     "engine/latency",
	"sweep/stat/stattest":            "",
	"sweep/plan":                     "engine/knob engine/latency engine/lengths sweep/load sweep/trial",
	"sweep/predict":                  "engine/knob engine/latency engine/batching engine/servicetime sweep/load",
	"sweep/servercost":               "engine/knob engine/batching engine/servicetime",
	"sweep/rank":                     "engine/knob sweep/load sweep/trial sweep/plan sweep/stat",
	"sweep":                          "engine/knob engine/tensor engine/latency sweep/load sweep/trial sweep/stat sweep/plan sweep/predict sweep/rank sweep/servercost",
	"sweep/search":                   "engine/knob engine/latency engine/servicetime sweep/load sweep/trial sweep/stat sweep/plan sweep/predict sweep/rank sweep/search/gaussian",
	"sweep/search/gaussian":          "",
	"sweep/session":                  "engine/knob engine/tensor engine/latency sweep sweep/load sweep/trial sweep/stat sweep/plan sweep/predict sweep/rank sweep/search",
	"sweep/target/local":             target + " engine/batching",
	"sweep/target/torchserve":        target + " engine/archive sweep/target/process sweep/target/drive sweep/target/restorefile",
	"sweep/target/command":           target + " sweep/plan sweep/target/process sweep/target/drive",
	"sweep/target/process":           "",
	"sweep/target/drive":             "sweep sweep/load sweep/trial",
	"sweep/target/restorefile":       "",
	"sweep/target/oip":               target + " engine/oip engine/api/grpc/oippb sweep/target/drive sweep/target/restorefile",
	"sweep/target/remotetest":        target,
	"sweep/target/virtual":           target + " engine/batching engine/servicetime sweep/predict",
	"profiles":                       profile + " engine/servicetime sweep/predict",
	"profiles/export":                profile + " profiles sweep/servercost",
	"profiles/report":                profile + " profiles profiles/report/draw",
	"profiles/report/draw":           "",
	"profiles/replay":                profile + " profiles engine/servicetime",
	"tui":                            "engine/knob engine/latency sweep sweep/load sweep/plan sweep/trial sweep/rank sweep/search sweep/session profiles/... tui/chart",
	"tui/chart":                      "",
	"tui/tuitest":                    "",
	"docs/schemas":                   "",
	"cmd/sweetspot":                  "engine/... sweep/... profiles/... tui/... docs/schemas",
	"cmd/bench":                      "engine/... sweep/... profiles/... tui/... cmd/bench/judge",
	"cmd/bench/judge":                "sweep/stat",
	"cmd/ort":                        "engine/backend/onnx/ortlib",
	"cmd/fuzz":                       "",
}

// What rooms of one kind share.
const (
	backend = "engine engine/cores engine/knob engine/tensor engine/payload engine/servicetime"
	api     = "engine engine/knob engine/tensor engine/payload engine/latency engine/handler engine/config engine/monitor engine/api/wire engine/api/openapi engine/api/predict"
	target  = "engine engine/knob engine/lengths engine/tensor engine/latency engine/api/control engine/config engine/handler engine/monitor sweep sweep/load sweep/trial sweep/stat"
	profile = "engine/knob engine/latency engine/config sweep sweep/load sweep/trial sweep/stat sweep/plan sweep/rank"
)

func TestImports(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		room, ours := strings.CutPrefix(words[0], module)
		if !ours {
			continue // the root holds only this test
		}
		allowed, known := rooms[room]
		if !known {
			t.Errorf("package %s is not in the table: give it a line here and in docs/architecture.md, or put the code in a room that is there", room)
			continue
		}
		for _, imported := range words[1:] {
			if name, ours := strings.CutPrefix(imported, module); ours && !mayImport(allowed, name) {
				t.Errorf("%s imports %s; allowed: [%s]", room, name, allowed)
			}
		}
	}
}

func mayImport(allowed, name string) bool {
	return slices.ContainsFunc(strings.Fields(allowed), func(a string) bool {
		tree, all := strings.CutSuffix(a, "/...")
		return name == tree || all && strings.HasPrefix(name, tree+"/")
	})
}

// TestFloors keeps the table itself honest: whoever edits it cannot let a lower
// floor look up, nor name a room that has no line.
func TestFloors(t *testing.T) {
	floors := []string{"engine", "sweep", "profiles", "tui", "cmd"}
	floor := func(room string) int {
		top, _, _ := strings.Cut(room, "/")
		return slices.Index(floors, top)
	}
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		for a := range strings.FieldsSeq(rooms[room]) {
			name := strings.TrimSuffix(a, "/...")
			if floor(name) > floor(room) {
				t.Errorf("the table lets %s import %s, a floor above it", room, a)
			}
			if _, known := rooms[name]; !known && name == a {
				t.Errorf("the table lets %s import %s, which has no line", room, a)
			}
		}
	}
}

// TestCgo keeps C, and with it all memory that Go does not own, in two rooms.
func TestCgo(t *testing.T) {
	allowed := []string{"engine/backend/onnx", "engine/monitor"}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(file) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		room := path.Dir(filepath.ToSlash(file))
		for _, imp := range f.Imports {
			if imp.Path.Value == `"C"` && !slices.Contains(allowed, room) {
				t.Errorf("%s uses cgo; only %s may", file, strings.Join(allowed, " and "))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
