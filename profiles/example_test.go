package profiles_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "profiles")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	id := profiles.NewID(time.Now())
	w, err := profiles.Create(profiles.Path(dir, id), profiles.Header{
		ID: id, Kind: profiles.Sweep, Created: time.Now(), Tool: "sweetspot 0.1.0",
		Machine: profiles.ReadMachine(os.DirFS("/"), 2),
		Model:   profiles.Model{Name: "net", Source: filepath.Join(dir, "net.onnx")},
	}, profiles.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, err := range []error{w.Event(trial.Event{At: time.Now(), What: "started"}), w.End(profiles.Done, 0), w.Close()} {
		if err != nil {
			fmt.Println(err)
		}
	}
	p, err := profiles.Open(dir, profiles.Last)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.State(), p.Header.Model.Source, p.Events[0].What)
	// Output: done net.onnx started
}
