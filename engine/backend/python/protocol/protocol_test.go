package protocol_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/payload"
)

// must returns the bytes of an Append function.
func must(t testing.TB) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// The bytes are those that the real worker was seen to take.
func TestLoadBytes(t *testing.T) {
	got := must(t)(protocol.AppendLoad(nil, protocol.Load{
		Name: "m", Dir: "/tmp/tsrun/model", BatchSize: 4, Handler: "handler.py", GPU: protocol.NoGPU, LimitPixels: true,
	}))
	const want = "4c" + "000000016d" + "000000102f746d702f747372756e2f6d6f64656c" + "00000004" +
		"0000000a68616e646c65722e7079" + "ffffffff" + "00000000" + "01"
	if hex.EncodeToString(got) != want {
		t.Errorf("load = %x, want %s", got, want)
	}
}

func examples() ([]*payload.Message, *protocol.Reply) {
	batch := []*payload.Message{
		{
			ID: "a", Header: []payload.Field{{Name: "Accept", Value: "*/*"}, {Name: "explain", Value: "False"}},
			Parts: []payload.Part{{Name: "body", Type: "image/png", Data: []byte("\x89PNG")}, {Name: "q", Data: nil}},
		},
		{ID: "b"},
		{ID: "", Parts: []payload.Part{{Name: "", Type: "", Data: []byte{7, 0, 255}}}},
	}
	reply := &protocol.Reply{Code: 200, Message: "Prediction success", Items: []protocol.Item{
		{ID: "a", Type: "text/plain", Status: 200, Header: []payload.Field{{Name: "ts_stream_next", Value: "true"}}, Body: []byte("é")},
		{ID: "b", Status: 418, Reason: "teapot"},
	}}
	return batch, reply
}

func TestRoundTrip(t *testing.T) {
	batch, reply := examples()
	load := protocol.Load{Name: "m", Dir: "/d", BatchSize: 8, Handler: "h.py:f", GPU: 3, Envelope: "json"}
	loaded := protocol.LoadReply{Code: 200, Message: "loaded model m"}
	b := must(t)(protocol.AppendLoad(nil, load))
	b = must(t)(protocol.AppendPredict(b, batch))
	b = must(t)(protocol.AppendLoadReply(b, loaded))
	b = must(t)(protocol.AppendReply(b, reply))
	r := protocol.NewReader(iotest.HalfReader(bytes.NewReader(b)), protocol.Limits{})
	if c, err := r.Command(); c != protocol.CommandLoad || err != nil {
		t.Fatalf("command %q, %v", c, err)
	}
	if got, err := r.Load(); err != nil || got != load {
		t.Errorf("load = %+v, %v; want %+v", got, err, load)
	}
	if c, err := r.Command(); c != protocol.CommandPredict || err != nil {
		t.Fatalf("command %q, %v", c, err)
	}
	got, err := r.Predict()
	if d := cmp.Diff(batch, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(payload.Message{}, "Stream")); d != "" || err != nil {
		t.Errorf("batch, %v:\n%s", err, d)
	}
	if got, err := r.LoadReply(); err != nil || got != loaded {
		t.Errorf("load reply = %+v, %v", got, err)
	}
	answer, err := r.Reply()
	if d := cmp.Diff(reply, answer, cmpopts.EquateEmpty()); d != "" || err != nil {
		t.Errorf("reply, %v:\n%s", err, d)
	}
	if !answer.More() {
		t.Error("the reply says that more pieces follow, and More is false")
	}
	if _, err := r.Reply(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last message: %v, want EOF", err)
	}
}

// A text of more than a chunk arrives in pieces of any size.
func TestLongText(t *testing.T) {
	want := bytes.Repeat([]byte{1, 2, 3}, 1<<20)
	data := must(t)(protocol.AppendReply(nil, &protocol.Reply{Code: 200, Items: []protocol.Item{{Body: want}}}))
	got, err := protocol.NewReader(iotest.HalfReader(bytes.NewReader(data)), protocol.Limits{}).Reply()
	if err != nil || !bytes.Equal(got.Items[0].Body, want) {
		t.Errorf("a body of %d bytes: %v", len(want), err)
	}
}

// A message that ends early is an error, wherever it ends, and never io.EOF: that would look
// like a connection that was closed between two messages.
func TestTruncated(t *testing.T) {
	batch, reply := examples()
	for name, tc := range map[string]struct {
		data []byte
		read func(*protocol.Reader) error
	}{
		"reply":      {must(t)(protocol.AppendReply(nil, reply)), func(r *protocol.Reader) error { _, err := r.Reply(); return err }},
		"batch":      {must(t)(protocol.AppendPredict(nil, batch[:2]))[1:], func(r *protocol.Reader) error { _, err := r.Predict(); return err }},
		"load reply": {must(t)(protocol.AppendLoadReply(nil, protocol.LoadReply{Code: 500, Message: "no"})), func(r *protocol.Reader) error { _, err := r.LoadReply(); return err }},
		"load":       {must(t)(protocol.AppendLoad(nil, protocol.Load{Name: "m", Dir: "d"}))[1:], func(r *protocol.Reader) error { _, err := r.Load(); return err }},
	} {
		for n := 1; n < len(tc.data); n++ {
			err := tc.read(protocol.NewReader(bytes.NewReader(tc.data[:n]), protocol.Limits{}))
			if err == nil || errors.Is(err, io.EOF) {
				t.Errorf("%s of %d bytes: %v", name, n, err)
			}
		}
		if err := tc.read(protocol.NewReader(bytes.NewReader(tc.data), protocol.Limits{})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLimits(t *testing.T) {
	_, reply := examples()
	data := must(t)(protocol.AppendReply(nil, reply))
	huge := []byte{0, 0, 0, 200, 0x7f, 0xff, 0xff, 0xff} // a message of 2 GB
	negative := []byte{0, 0, 0, 200, 0xff, 0xff, 0xff, 0xfe}
	for name, tc := range map[string]struct {
		data   []byte
		limits protocol.Limits
		want   string
	}{
		"bytes":         {data, protocol.Limits{Bytes: 20}, "bytes; all texts"},
		"items":         {data, protocol.Limits{Items: 1}, "more than 1 in a list"},
		"huge":          {huge, protocol.Limits{}, "2147483647 bytes"},
		"negative":      {negative, protocol.Limits{}, "the length -2"},
		"no UTF-8":      {[]byte("\x00\x00\x00\xc8\x00\x00\x00\x01\xff"), protocol.Limits{}, "not UTF-8"},
		"header counts": {bytes.Replace(data, []byte("\x00\x00\x00\x01\x00\x00\x00\x0ets_"), []byte("\xff\xff\xff\xf0\x00\x00\x00\x0ets_"), 1), protocol.Limits{}, "-16 headers"},
	} {
		_, err := protocol.NewReader(bytes.NewReader(tc.data), tc.limits).Reply()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if _, err := protocol.NewReader(strings.NewReader("X"), protocol.Limits{}).Command(); err == nil {
		t.Error("the command X was accepted")
	}
	if _, err := protocol.AppendLoad(nil, protocol.Load{BatchSize: 1 << 40}); err == nil {
		t.Error("a batch size of 41 bits was accepted")
	}
}

func TestParseMetric(t *testing.T) {
	const line = "[METRICS]PredictionTime.Milliseconds:0.18|#ModelName:m,Level:Model|#type:GAUGE|#hostname:vm,1795334374,id-1,id-2"
	want := protocol.Metric{
		Name: "PredictionTime", Unit: "Milliseconds", Value: .18, Type: "GAUGE", Host: "vm", Time: 1795334374, Requests: []string{"id-1", "id-2"},
		Dimensions: []protocol.Dimension{{Name: "ModelName", Value: "m"}, {Name: "Level", Value: "Model"}},
	}
	for _, text := range []string{line, "INFO > " + line} {
		got, err := protocol.ParseMetric(text)
		if d := cmp.Diff(want, got); d != "" || err != nil || !protocol.IsMetric(text) {
			t.Errorf("%s: %v\n%s", text, err, d)
		}
	}
	for _, bad := range []string{
		"", "[METRICS]", "[METRICS]a.b:1|#c:d|#type:GAUGE", "[METRICS]a:1|#c:d|#type:GAUGE|#hostname:h,1", "[METRICS]a.b:x|#c:d|#type:GAUGE|#hostname:h,1",
		"[METRICS]a.b:1|#c:d|#type:SUM|#hostname:h,1", "[METRICS]a.b:1|#c|#type:GAUGE|#hostname:h,1", "[METRICS]a.b:1|#c:d|#type:GAUGE|#hostname:h",
		"[METRICS]a.b:1|#c:d|#type:GAUGE|#hostname:h,now", "[METRICS]a.b:NaN|#c:d|#type:GAUGE|#hostname:h,1",
	} {
		if m, err := protocol.ParseMetric(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, m)
		}
	}
}

// What is read can be written again, to the same bytes.
func FuzzReply(f *testing.F) {
	_, reply := examples()
	f.Add(must(f)(protocol.AppendReply(nil, reply)))
	f.Add(must(f)(protocol.AppendReply(nil, &protocol.Reply{Code: 503, Message: "Prediction failed"})))
	f.Add([]byte{0, 0, 0, 200, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := protocol.NewReader(bytes.NewReader(data), protocol.Limits{Bytes: 1 << 20, Items: 64}).Reply()
		if err != nil {
			return
		}
		if again := must(t)(protocol.AppendReply(nil, got)); !bytes.HasPrefix(data, again) {
			t.Errorf("%x was read as %+v, which is %x", data, got, again)
		}
	})
}

func FuzzPredict(f *testing.F) {
	batch, _ := examples()
	f.Add(must(f)(protocol.AppendPredict(nil, batch[:2]))[1:])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := protocol.NewReader(bytes.NewReader(data), protocol.Limits{Bytes: 1 << 20, Items: 64}).Predict()
		if err != nil {
			return
		}
		if again := must(t)(protocol.AppendPredict(nil, got))[1:]; !bytes.HasPrefix(data, again) {
			t.Errorf("%x was read as %+v, which is %x", data, got, again)
		}
	})
}

func FuzzParseMetric(f *testing.F) {
	f.Add("[METRICS]a.b.Count:1|#c:d,e:f|#type:COUNTER|#hostname:h,1,x")
	f.Add("[METRICS]a.b:1e3|#|#type:GAUGE|#hostname:,1")
	f.Fuzz(func(t *testing.T, line string) {
		m, err := protocol.ParseMetric(line)
		if err == nil && (m.Name == "" || m.Value-m.Value != 0) {
			t.Errorf("%q was read as %+v", line, m)
		}
	})
}
