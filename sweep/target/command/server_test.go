//go:build unix

package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/command"
	"sweetspot/sweep/target/process"
	"sweetspot/sweep/target/remotetest"
)

// The test binary is also the supervisor, the server, and a program that is killed while it has a
// server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "supervise":
			if err := process.Supervise(context.Background(), os.Stdin, os.NewFile(3, "reports"), os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "server":
			os.Exit(serve(os.Args[2:]))
		case "hold":
			hold(os.Args[2])
		}
	}
	os.Exit(m.Run())
}

// serve runs the server of package remotetest on a port. With a mode it fails in a certain way.
func serve(args []string) int {
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	port := fs.String("port", "", "")
	instances := fs.Int("instances", 1, "")
	batch := fs.Int("max-batch-size", 1, "")
	mode := fs.String("mode", "ok", "")
	config := fs.String("config", "", "a JSON file with instances and max_batch_size")
	pids := fs.String("pids", "", "a file that gets the process IDs")
	address := fs.String("address", "", "a file that gets the address")
	if fs.Parse(args) != nil {
		return 2
	}
	switch *mode {
	case "flag":
		return serve([]string{"-no-such-flag"})
	case "memory": // as the kernel does when the memory is used up
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "crash":
		fmt.Fprintln(os.Stderr, "loading\nno such model: cat")
		return 3
	case "slow":
		return serveSlowStart(*port, *instances)
	case "never":
		time.Sleep(time.Hour)
	case "port":
		*port = os.Getenv("TAKEN_PORT")
	}
	if *pids != "" {
		child := exec.Command("sleep", "600")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			return 1
		}
		_ = os.WriteFile(*pids, fmt.Appendf(nil, "%d %d\n", os.Getpid(), child.Process.Pid), 0o600)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+*port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if *address != "" { // a file is replaced as a whole
		if os.WriteFile(*address+".new", []byte(l.Addr().String()), 0o600) != nil || os.Rename(*address+".new", *address) != nil {
			return 1
		}
	}
	s := remotetest.NewServer(false)
	knobs := fmt.Appendf(nil, `{"instances":%d,"max_batch_size":%d}`, *instances, *batch)
	if *config != "" {
		if knobs, err = os.ReadFile(*config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	req, _ := http.NewRequest(http.MethodPut, s.URL+"/knobs", bytes.NewReader(knobs))
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, "knobs refused", err)
		return 1
	}
	var n atomic.Int64
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" {
			return
		}
		if *mode == "load" && n.Add(1) > 20 {
			fmt.Fprintln(os.Stderr, "panic: too many requests")
			os.Exit(7)
		}
		s.Config.Handler.ServeHTTP(w, r)
	}))
	return 1
}

// serveSlowStart serves requests of 10 ms, as many at a time as there are instances. The first 200 take three times as
// long.
func serveSlowStart(port string, instances int) int {
	var n atomic.Int64
	free := make(chan struct{}, instances)
	_ = http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" {
			return
		}
		free <- struct{}{}
		defer func() { <-free }()
		time.Sleep(10 * time.Millisecond)
		if n.Add(1) <= 200 {
			time.Sleep(20 * time.Millisecond)
		}
	}))
	return 1
}

// hold opens a target and waits until it is killed.
func hold(pids string) {
	p := serverPlan("-pids", pids)
	if _, err := command.Open(context.Background(), config(p)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("open")
	time.Sleep(time.Hour)
}

// serverPlan returns a plan for the server with further arguments. Its knobs are arguments; calls
// change max_batch_size.
func serverPlan(args ...string) plan.Plan {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p := plan.Default()
	p.Target = plan.Command
	p.Server = &plan.Server{
		Command: append([]string{self, "server", "-port", "{port}", "-instances", "{instances}", "-max-batch-size", "{max_batch_size}"}, args...),
		Ready:   plan.Ready{URL: "http://127.0.0.1:{port}/ready", Within: time.Minute},
		Request: plan.Request{URL: "http://127.0.0.1:{port}/v2/infer", Header: map[string]string{"Authorization": "Bearer word"}},
		Live: []plan.Call{{
			Method: http.MethodPut, URL: "http://127.0.0.1:{port}/knobs", Body: `{"instances":{instances},"max_batch_size":{max_batch_size}}`,
		}},
	}
	p.Knobs = map[knob.Name]string{"instances": "1-2", "max_batch_size": "1,8"}
	return p
}

func config(p plan.Plan) command.Config {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return command.Config{
		Plan: p, Supervisor: []string{self, "supervise"}, Env: os.Environ(),
		Bodies: []load.Body{{Type: "application/json", Data: []byte(`{"x":1}`)}},
	}
}

func open(t *testing.T, p plan.Plan) *command.Target {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	d, err := command.Open(t.Context(), config(p))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// knobsOf asks the server that wrote its address to a file which knobs are in force.
func knobsOf(t *testing.T, file string) string {
	t.Helper()
	address, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + string(address) + "/knobs")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var v struct {
		Instances int `json:"instances"`
		Batch     int `json:"max_batch_size"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return "instances=" + strconv.Itoa(v.Instances) + " max_batch_size=" + strconv.Itoa(v.Batch)
}

// withAddress makes the server of a plan write its address to a file, and returns the file.
func withAddress(t *testing.T, p *plan.Plan) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "address")
	p.Server.Command = append(p.Server.Command, "-address", file)
	return file
}
