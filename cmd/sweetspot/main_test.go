package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sweetspot/engine/backend/onnx/ortlib"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == probeModelCommand { // a child of a test that calls run
		main()
	}
	testscript.Main(m, map[string]func(){"sweetspot": mainChecked})
}

// TestScript runs the program on its command line. Scripts that need ONNX Runtime have
// [!ort] skip; they run if `make ort` found it. [short] is testing.Short(), with smaller
// sweeps.
//
// UPDATE=1 go test . updates the expected outputs in the scripts.
func TestScript(t *testing.T) { runScripts(t, "testdata/script") }

// runScripts runs the scripts of a folder.
func runScripts(t *testing.T, folder string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	commandFolder, err := filepath.Abs("../../testdata/command")
	if err != nil {
		t.Fatal(err)
	}
	studies, err := filepath.Abs("../../testdata/case-study")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := filepath.Abs("../../tools")
	if err != nil {
		t.Fatal(err)
	}
	swiftShader := os.Getenv("SWEETSPOT_SWIFTSHADER")
	if swiftShader == "" {
		swiftShader = filepath.Join(cache, "sweetspot", "swiftshader-147.0.0")
	}
	lib, libErr := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if libErr != nil {
		t.Logf("scripts that run a model are skipped: %v", libErr)
	}
	testscript.Run(t, testscript.Params{
		Dir:           folder,
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_DATA_HOME", e.WorkDir+"/data")
			e.Setenv("XDG_STATE_HOME", e.WorkDir+"/state")
			e.Setenv("XDG_CACHE_HOME", e.WorkDir+"/cache")
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Setenv("COMMAND", commandFolder)
			e.Setenv("STUDIES", studies)
			e.Setenv("TOOLS", tools)
			e.Setenv("SWIFTSHADER", swiftShader)
			if libErr == nil {
				e.Setenv(ortlib.EnvVar, lib.Path)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			_, err := os.Stat(filepath.Join(swiftShader, "libvk_swiftshader.so"))
			return cond == "ort" && libErr == nil || cond == "swiftshader" && err == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"killed": cmdKilled, "crashed": cmdCrashed, "listen": cmdListen,
		},
	})
}
