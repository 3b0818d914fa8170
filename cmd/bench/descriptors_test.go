package main

import (
	"net"
	"runtime"
	"strings"
	"testing"
)

// A listener is one descriptor more, and is named with its state.
func TestDescriptors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc here")
	}
	before := descriptors()
	if len(before) == 0 {
		t.Fatal("no descriptor is open")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const listening = " LISTEN, 127.0.0.1:"
	if more := newDescriptors(before, descriptors()); !strings.Contains(more, listening) {
		t.Errorf("new descriptors are %q; want one with %q", more, listening)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if more := newDescriptors(before, descriptors()); strings.Contains(more, listening) {
		t.Errorf("new descriptors are still %q", more)
	}
}
