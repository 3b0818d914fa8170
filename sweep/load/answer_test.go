package load

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func reader(text string) *bufio.Reader {
	return bufio.NewReaderSize(strings.NewReader(text), maxLine)
}

func TestAnswerRead(t *testing.T) {
	const next = "HTTP/1.1 404 Next\r\n\r\n"
	tests := []struct {
		name, text string
		status     int
		close      bool
		left       string // what is not part of the answer
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" + next, 200, false, next},
		{"any case", "HTTP/1.1 200\r\ncOnTeNt-LeNgTh:3\r\nCONNECTION: Close\r\n\r\nabc", 200, true, ""},
		{"bare lines", "HTTP/1.1 200 OK\ncontent-length: 0\n\n" + next, 200, false, next},
		{"same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 200, false, ""},
		{"chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\nA;q=1\r\n0123456789\r\n1 \r\nx\r\n0\r\n\r\n" + next, 200, false, next},
		{"trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n" + next, 200, false, next},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n" + next, 204, false, next},
		{"early hints", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, false, ""},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nall of this", 200, true, ""},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, true, ""},
		{"1.0 kept", "HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive\r\nContent-Length: 0\r\n\r\n", 200, false, ""},
		{"error", "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx", 503, true, ""},
	}
	for _, c := range tests {
		r := reader(c.text)
		var a answer
		if err := a.read(r); err != nil || a.status != c.status || a.close != c.close {
			t.Errorf("%s: status %d, close %v, error %v, want %d, %v", c.name, a.status, a.close, err, c.status, c.close)
		}
		if left, _ := io.ReadAll(r); string(left) != c.left {
			t.Errorf("%s: %q was left, want %q", c.name, left, c.left)
		}
	}
}

func TestAnswerErrors(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct{ name, text, want string }{
		{"empty", "", "closed before its end"},
		{"other protocol", "ICY 200 OK\r\n\r\n", `status line "ICY 200 OK"`},
		{"no number", "HTTP/1.1 2x0 OK\r\n\r\n", "status line"},
		{"long number", "HTTP/1.1 2000 OK\r\n\r\n", "status line"},
		{"small number", "HTTP/1.1 020 OK\r\n\r\n", "status line"},
		{"switching", "HTTP/1.1 101 Switching\r\n\r\n", "101 switching"},
		{"no colon", ok + "nonsense\r\n\r\n", `header "nonsense" has no colon`},
		{"long line", ok + "A: " + strings.Repeat("x", maxLine) + "\r\n\r\n", "longer than 16384"},
		{"long head", ok + strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 70), "headers are longer than 65536"},
		{"length", ok + "Content-Length: -1\r\n\r\n", `content-length "-1"`},
		{"no length", ok + "Content-Length:\r\n\r\n", `content-length ""`},
		{"vast length", ok + "Content-Length: 99999999999999999999\r\n\r\n", "content-length"},
		{"two lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "content-length"},
		{"short body", ok + "Content-Length: 2\r\n\r\nx", "closed before its end"},
		{"encoding", ok + "Transfer-Encoding: gzip\r\n\r\n", `transfer-encoding "gzip"`},
		{"chunk size", ok + "Transfer-Encoding: chunked\r\n\r\nxy\r\n", `chunk "xy"`},
		{"no chunk size", ok + "Transfer-Encoding: chunked\r\n\r\n\r\n", `chunk ""`},
		{"vast chunk", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "chunk"},
		{"chunk end", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", "longer than its size"},
		{"short chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nxy", "closed before its end"},
	}
	for _, c := range tests {
		var a answer
		if err := a.read(reader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: read = %v, want %q", c.name, err, c.want)
		}
	}
}

// An endless answer is an error at maxAnswer.
func TestAnswerBound(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\n\r\n"), io.LimitReader(zeros{}, maxAnswer+2))
	var a answer
	if err := a.read(bufio.NewReaderSize(endless, maxLine)); err == nil || !strings.Contains(err.Error(), "more than 67108864 bytes") {
		t.Errorf("read of an endless answer = %v, want an error at the limit", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestTiming(t *testing.T) {
	const us = time.Microsecond
	tests := []struct {
		value string
		want  timing
	}{
		{"", timing{}},
		{
			"decode;dur=0.02, queue;dur=8.9, formation;dur=.4, execution;dur=9, encode;dur=0.03, batch;desc=8",
			timing{20 * us, 8900 * us, 400 * us, 9000 * us, 30 * us, 8},
		},
		{`queue;desc="in line";dur="1.5" , batch;desc="16"`, timing{queue: 1500 * us, batch: 16}},
		{"Queue ; DUR = 2", timing{queue: 2000 * us}},
		{"cache;dur=5, miss, queue", timing{}},
		{"queue;dur=x, execution;dur=-1, encode;dur=1e3, decode;dur=, batch;desc=many", timing{}},
		{"queue;dur=99999999999999999999", timing{}},
		{"queue;dur=0.0000019", timing{queue: 1}}, // cut off below a nanosecond
		{"queue;dur=., decode;dur=1.2.3", timing{}},
		{",;=,;;,", timing{}},
	}
	for _, c := range tests {
		var got timing
		got.parse([]byte(c.value))
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(timing{})); d != "" {
			t.Errorf("parse(%q) (-want +got):\n%s", c.value, d)
		}
	}
}

const typical = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: 1b2f\r\n" +
	"Server-Timing: decode;dur=0.02, queue;dur=8.9, formation;dur=0.4, execution;dur=9.0, encode;dur=0.03, batch;desc=8\r\n" +
	"Content-Length: 5\r\nconnection: keep-alive\r\n\r\n[0.5]"

func TestAnswerAllocates(t *testing.T) {
	src := strings.NewReader(typical)
	r := bufio.NewReaderSize(src, maxLine)
	var a answer
	n := testing.AllocsPerRun(100, func() {
		src.Reset(typical)
		r.Reset(src)
		if err := a.read(r); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("reading an answer allocates %g times, want 0", n)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		typical, "HTTP/1.0 200 OK\r\n\r\nbody",
		"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nconnection: close\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var a answer
		if err := a.read(bufio.NewReaderSize(bytes.NewReader(b), maxLine)); err != nil {
			return
		}
		if a.status < 200 || a.status > 999 {
			t.Errorf("status %d was accepted", a.status)
		}
		tm := a.timing
		for _, d := range []time.Duration{tm.decode, tm.queue, tm.formation, tm.execution, tm.encode} {
			if d < 0 || d > 24*time.Hour {
				t.Errorf("timing %+v was accepted", tm)
			}
		}
		// An accepted answer gives the same result byte by byte.
		var slow answer
		one := bufio.NewReaderSize(oneByte{bytes.NewReader(b)}, maxLine)
		err := slow.read(one)
		if err != nil || slow.status != a.status || slow.close != a.close || slow.timing != a.timing {
			t.Errorf("in single bytes: %+v, %v, want %+v", slow, err, a)
		}
	})
}

// oneByte reads one byte at a time.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.r.Read(b[:min(1, len(b))]) }

func BenchmarkAnswer(b *testing.B) {
	src := strings.NewReader(typical)
	r := bufio.NewReaderSize(src, maxLine)
	var a answer
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(typical)
		r.Reset(src)
		if err := a.read(r); err != nil {
			b.Fatal(err)
		}
	}
}
