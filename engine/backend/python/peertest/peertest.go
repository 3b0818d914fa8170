// Package peertest is, for tests, a worker that speaks the protocol of TorchServe's Python
// worker, in Go: a process of its own that listens on a unix socket, prints the lines that the
// real one prints, and can crash, hang and answer nonsense.
//
// A test binary becomes the worker if its TestMain calls [Main] first and it was started with the
// command of [Args] and the environment of [Env].
//
// The handler of the archive decides how it loads:
//
//	missing.py   an exception while it is imported: no reply, exit status 1
//	runtime.py   the reply 500
//	slow.py      it never loads
//
// The part "body" of a request is a command:
//
//	text              the text in upper case, with the type text/plain
//	stream a b        a and b as pieces, then "."
//	status 418 text   the text, with a status
//	header a b        a header a with the value b
//	fail              the batch fails: 503 Prediction failed
//	raise             the same, after a traceback
//	die               a traceback, then exit status 3
//	kill              the worker is killed by signal 9
//	hang              no answer
//	garbage           an answer that is no message
//	stranger          an answer to another request
//	missing           no answer to this request
//	spawn             starts a process that outlives it, and answers its ID
//	env NAME          the environment variable
//	load              the request that loaded the model
//	batch             the number of requests of the batch
//
// It has no tests of its own: those of backend/python and backend/python/worker run each command
// in a process.
package peertest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/payload"
)

// Variable is the variable of the environment that makes a test binary a worker.
const Variable = "SWEETSPOT_TEST_PEER"

// Args returns the command that starts the worker.
func Args() []string { return []string{os.Args[0]} }

// Env returns the environment of the worker.
func Env() []string { return append(os.Environ(), Variable+"=worker") }

// Main is the worker, if this process is one; else it returns.
func Main() {
	switch os.Getenv(Variable) {
	case "":
		return
	case "sleeper":
		time.Sleep(time.Hour)
		os.Exit(0)
	}
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(args []string) error {
	i := slices.Index(args, "--sock-name")
	if i < 0 || i+1 == len(args) {
		return errors.New("want --sock-name PATH")
	}
	l, err := net.Listen("unix", args[i+1])
	if err != nil {
		return err
	}
	fmt.Printf("[PID]%d\nTorch worker started.\nPython runtime: none\n", os.Getpid())
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	w := &worker{conn: conn, read: protocol.NewReader(conn, protocol.Limits{})}
	for {
		switch c, err := w.read.Command(); {
		case errors.Is(err, io.EOF):
			fmt.Println("Frontend disconnected.")
			return nil
		case err != nil:
			return err
		case c == protocol.CommandLoad:
			err = w.load()
			if err != nil {
				return err
			}
		default:
			if err := w.predict(); err != nil {
				return err
			}
		}
	}
}

type worker struct {
	conn   net.Conn
	read   *protocol.Reader
	loaded protocol.Load
}

func (w *worker) send(b []byte, err error) error {
	if err == nil {
		_, err = w.conn.Write(b)
	}
	return err
}

func (w *worker) load() (err error) {
	if w.loaded, err = w.read.Load(); err != nil {
		return err
	}
	fmt.Printf("model_name: %s, batchSize: %d\n", w.loaded.Name, w.loaded.BatchSize)
	switch w.loaded.Handler {
	case "missing.py":
		fmt.Print("Backend worker process died.\nTraceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n    import detectron2\n",
			"ModuleNotFoundError: No module named 'detectron2'\n\nDuring handling of the above exception, another exception occurred:\n\n",
			"Traceback (most recent call last):\n  File \"y.py\", line 2, in load\n    raise\nModuleNotFoundError: No module named 'ts.torch_handler.missing'\n")
		os.Exit(1)
	case "runtime.py":
		fmt.Print("Failed to load model\nTraceback (most recent call last):\n  File \"x.py\", line 1\n    x\nRuntimeError: no weights\n")
		if err := w.send(protocol.AppendLoadReply(nil, protocol.LoadReply{Code: 500, Message: "Unknown exception"})); err != nil {
			return err
		}
		os.Exit(1)
	case "slow.py":
		select {}
	}
	return w.send(protocol.AppendLoadReply(nil, protocol.LoadReply{Code: 200, Message: "loaded model " + w.loaded.Name}))
}

func (w *worker) predict() error {
	batch, err := w.read.Predict()
	if err != nil {
		return err
	}
	fmt.Printf("Backend received inference at: %d\n", time.Now().Unix())
	r := &protocol.Reply{Code: 200, Message: "Prediction success"}
	for _, m := range batch {
		part, _ := m.Part("body")
		it := protocol.Item{ID: m.ID, Status: 200}
		skip, err := w.run(&it, string(part.Data), batch, r)
		if err != nil {
			return err
		}
		if !skip {
			r.Items = append(r.Items, it)
		}
	}
	fmt.Printf("[METRICS]PredictionTime.Milliseconds:0.25|#ModelName:%s,Level:Model|#type:GAUGE|#hostname:peer,%d,%s\n",
		w.loaded.Name, time.Now().Unix(), batch[0].ID)
	return w.send(protocol.AppendReply(nil, r))
}

// run executes the command of one request. skip leaves it without an answer.
func (w *worker) run(it *protocol.Item, command string, batch []*payload.Message, r *protocol.Reply) (skip bool, err error) {
	word, rest, _ := strings.Cut(command, " ")
	switch word {
	case "stream":
		return false, w.stream(it, rest, batch)
	case "status":
		code, text, _ := strings.Cut(rest, " ")
		it.Status, err = strconv.Atoi(code)
		it.Body = []byte(text)
		return false, err
	case "header":
		name, value, _ := strings.Cut(rest, " ")
		it.Header = append(it.Header, payload.Field{Name: name, Value: value})
	case "raise":
		fmt.Print("Invoking custom service failed.\nTraceback (most recent call last):\n  File \"h.py\", line 7, in handle\n    raise\nValueError: bad picture\n")
		r.Code, r.Message = 503, "Prediction failed"
	case "fail":
		r.Code, r.Message = 503, "Prediction failed"
	case "die":
		fmt.Print("Traceback (most recent call last):\n  File \"h.py\", line 7, in handle\n    exit\nMemoryError: no memory\n")
		os.Exit(3)
	case "kill":
		p, err := os.FindProcess(os.Getpid())
		if err != nil {
			return false, err
		}
		if err := p.Kill(); err != nil {
			return false, err
		}
		select {}
	case "hang":
		select {}
	case "garbage":
		return false, w.send([]byte("\x00\x00\x00\xc8\xff\xff\xff\x00 this is no message"), nil)
	case "stranger":
		it.ID = "stranger"
	case "missing":
		return true, nil
	case "spawn":
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), Variable+"=sleeper")
		cmd.Stdout = os.Stdout // it keeps the pipe open
		if err := cmd.Start(); err != nil {
			return false, err
		}
		it.Body = []byte(strconv.Itoa(cmd.Process.Pid))
	case "env":
		it.Body = []byte(os.Getenv(rest))
	case "load":
		it.Body = fmt.Appendf(nil, "%+v", w.loaded)
	case "batch":
		it.Body = []byte(strconv.Itoa(len(batch)))
	default:
		it.Type, it.Body = "text/plain", []byte(strings.ToUpper(command))
	}
	return false, nil
}

// stream sends pieces for all requests of the batch; those of the others are empty.
func (w *worker) stream(it *protocol.Item, words string, batch []*payload.Message) error {
	for word := range strings.SplitSeq(words, " ") {
		r := &protocol.Reply{Code: 200, Message: "Intermediate prediction success"}
		for _, m := range batch {
			piece := protocol.Item{ID: m.ID, Status: 200, Type: "text/plain", Header: []payload.Field{{Name: "ts_stream_next", Value: "true"}}}
			if m.ID == it.ID {
				piece.Body = []byte(word)
			}
			r.Items = append(r.Items, piece)
		}
		if err := w.send(protocol.AppendReply(nil, r)); err != nil {
			return err
		}
	}
	it.Type, it.Body = "text/plain", []byte(".")
	it.Header = append(it.Header, payload.Field{Name: "ts_stream_next", Value: "false"})
	return nil
}
