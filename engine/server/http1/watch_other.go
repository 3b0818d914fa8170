//go:build !linux

package http1

import (
	"errors"
	"syscall"
)

// watch is not there: net/http answers all requests.
type watch struct{}

type rawConn struct{}

func newWatch() (*watch, error) { return nil, errors.ErrUnsupported }

func (*watch) add(*conn, syscall.Conn) error { return errors.ErrUnsupported }

func (*watch) remove(*conn) {}

func (*watch) close() error { return nil }
