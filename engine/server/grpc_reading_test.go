package server_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/server"
)

// heldBody is a message whose last byte comes when it is released.
type heldBody struct {
	data     []byte
	sent     atomic.Int64
	released chan struct{}
}

func (b *heldBody) Read(p []byte) (int, error) {
	at := int(b.sent.Load())
	rest := b.data[at:]
	switch len(rest) {
	case 0:
		return 0, io.EOF
	case 1:
		<-b.released
	default:
		rest = rest[:len(rest)-1]
	}
	n := copy(p, rest)
	b.sent.Add(int64(n))
	return n, nil
}

// The library does not tell the size of a message before it has arrived. Therefore no more messages of the largest size
// arrive at the same time than the budget has room for, and of others only what HTTP/2 lets a client send at once.
func TestGRPCArrivingMessages(t *testing.T) {
	const largest, readers, calls = 1 << 20, 3, 9
	a, _ := grpcServer(t, func(c *server.Config) {
		c.MaxRequestSize, c.RequestMemory, c.BodyTime = largest, readers*largest, time.Minute
	})
	message, err := proto.Marshal(&pb.PredictionsRequest{ModelName: "words", Input: map[string][]byte{"data": bytes.Repeat([]byte("a"), largest-1000)}})
	if err != nil {
		t.Fatal(err)
	}
	data := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := http.Client{Transport: &http.Transport{Protocols: &protocols}}
	released := make(chan struct{})
	var all sync.WaitGroup
	bodies := make([]*heldBody, calls)
	for i := range bodies {
		bodies[i] = &heldBody{data: data, released: released}
		all.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.GRPC+pb.InferenceAPIsService_Predictions_FullMethodName, bodies[i])
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/grpc")
			req.Header.Set("TE", "trailers")
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
			// Each was read: some were refused then, because other requests had the memory.
			if code := resp.Trailer.Get("Grpc-Status") + resp.Header.Get("Grpc-Status"); code != "0" && code != "8" {
				t.Errorf("call %d has the status %s, %s", i, code, resp.Trailer.Get("Grpc-Message"))
			}
		})
	}
	arrived := func() (n int) {
		for _, b := range bodies {
			if b.sent.Load() >= int64(len(data)-1) {
				n++
			}
		}
		return n
	}
	for arrived() < readers {
		if t.Context().Err() != nil {
			t.Fatal("the messages do not arrive")
		}
		time.Sleep(time.Millisecond)
	}
	const held = 64<<10 + 64<<10 // the window of a call, and what the client has read to send it
	for i, b := range bodies {
		if n := b.sent.Load(); n > held && n < int64(len(data)-1) {
			t.Errorf("call %d has sent %d bytes of %d, want all or at most %d", i, n, len(data), held)
		}
	}
	if n := arrived(); n > readers {
		t.Errorf("%d messages have arrived, but for the last byte, want at most %d", n, readers)
	}
	close(released)
	all.Wait()
}
