//go:build !unix

package main

// suspender does nothing: there is no SIGTSTP.
type suspender struct{ requested chan struct{} }

func startSuspender() *suspender { return &suspender{} }

func (*suspender) willStop() {}

func (*suspender) stop() {}
