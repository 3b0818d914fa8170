package main

import (
	"context"
	"encoding/json"
	"io"
	"runtime"
	"testing"
	"time"

	"sweetspot/engine/tensor"
)

// The benchmarks run the code of the figures with server and client in one
// process. Use them for profiles.

func BenchmarkSubmit(b *testing.B) {
	eng := newEngine(runtime.NumCPU())
	b.Cleanup(func() {
		if err := eng.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	if err := eng.Load(b.Context(), spinModel("spin", 256), spinConfig(8, 0)); err != nil {
		b.Fatal(err)
	}
	service, err := eng.Find("spin", "")
	if err != nil {
		b.Fatal(err)
	}
	item := tensor.Item{{Type: tensor.Float32, Shape: []int64{64}, Data: make([]byte, 256)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := service.Submit(b.Context(), item); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHTTP(b *testing.B) {
	in, parent := io.Pipe()
	read, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- runOverheadServer(b.Context(), in, out) }()
	b.Cleanup(func() {
		_ = parent.Close() // always nil for a pipe
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	var a addrs
	if err := json.NewDecoder(read).Decode(&a); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, addr, model string }{
		{"empty", a.Empty, modelFor(256)},
		{"delay-0", a.Predict, modelFor(256)},
		{"delay-200us", a.Predict, modelWait},
	} {
		for _, n := range []struct {
			name    string
			clients int
		}{{"1", 1}, {"32", clients}} {
			b.Run(c.name+"/clients-"+n.name, func(b *testing.B) {
				b.ReportAllocs()
				if _, err := send(b.Context(), c.addr, c.model, 256, n.clients, time.Minute, b.N); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
