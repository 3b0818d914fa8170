package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"sweetspot/engine/config"
	"sweetspot/engine/server"
)

// The keys of gRPC in config.properties, and the flags that have priority.
func TestGRPCKeys(t *testing.T) {
	const file = `grpc_inference_address=0.0.0.0
grpc_inference_port=9090
grpc_management_port=9091
grpc_inference_max_connection_age_ms=60000
grpc_inference_max_connection_age_grace_ms=500
grpc_management_max_connection_age_ms=9223372036854775807
enable_grpc_ssl=true
`
	const longest = 9223372036854 * time.Millisecond
	age := server.GRPC{Secure: true, InferenceAge: server.Age{Max: time.Minute, Grace: 500 * time.Millisecond}, ManagementAge: server.Age{Max: longest}}
	for _, tt := range []struct {
		file                  string
		flags                 []string
		inference, management string
		want                  server.GRPC
	}{
		{"", nil, "127.0.0.1:7070", "127.0.0.1:7071", server.GRPC{}},
		{file, nil, "0.0.0.0:9090", "127.0.0.1:9091", age},
		{file, []string{"--grpc=127.0.0.1:5"}, "127.0.0.1:5", "127.0.0.1:9091", age},
		{file, []string{"--grpc=", "--grpc-management=127.0.0.1:0"}, "", "127.0.0.1:0", age},
		{file, []string{"--grpc=unix:/run/s"}, "unix:/run/s", "127.0.0.1:9091", age},
	} {
		var f serveFlags
		fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		f.bind(fs)
		if err := fs.Parse(tt.flags); err != nil {
			t.Fatal(err)
		}
		parsed, err := config.Parse("f", []byte(tt.file))
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err = parsed.Resolve(func(string) (string, bool) { return "", false }, f.overrides(fs, bodyFlags{})); err != nil {
			t.Fatal(err)
		}
		ts, _, err := parsed.TorchServe()
		if err != nil {
			t.Fatal(err)
		}
		if unused := parsed.Unused(); len(unused) > 0 {
			t.Errorf("unused: %q", unused)
		}
		var sc server.Config
		f.applyGRPC(fs, ts.GRPC, &sc)
		if f.grpc != tt.inference || f.grpcManage != tt.management {
			t.Errorf("%q: %s, %s; want %s, %s", tt.flags, f.grpc, f.grpcManage, tt.inference, tt.management)
		}
		if diff := cmp.Diff(tt.want, sc.GRPC); diff != "" {
			t.Errorf("%q: %s", tt.flags, diff)
		}
	}
}
