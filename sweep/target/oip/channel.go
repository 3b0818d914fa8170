package oip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "sweetspot/engine/api/grpc/oippb"
	protocol "sweetspot/engine/oip"
	"sweetspot/sweep/load"
)

// maxConns is the largest number of connections. Above it, requests share them.
const maxConns = 64

// channel is a client over gRPC: it describes the server, and it is the load.Client. Each request takes the connection
// with the fewest requests in flight. If all have one, there is a new connection, up to maxConns, so that
// requests do not wait for each other in one connection as long as there are few.
type channel struct {
	address string
	options []grpc.DialOption
	header  metadata.MD
	bodies  [][]byte // ModelInferRequest, encoded once

	growing sync.Mutex
	conns   atomic.Pointer[[]*link] // replaced, not changed
}

// link is a connection.
type link struct {
	*grpc.ClientConn
	inFlight atomic.Int64
}

// newChannel returns a client without connections.
func newChannel(c Config, at string) (*channel, error) {
	u, err := url.Parse(at)
	if err != nil || u.Port() == "" || u.Hostname() == "" {
		return nil, fmt.Errorf("%q: want grpc://HOST:PORT or grpcs://HOST:PORT", at)
	}
	secure := insecure.NewCredentials()
	if strings.HasPrefix(at, grpcsPrefix) {
		t := c.TLS
		if t == nil {
			t = &tls.Config{}
		}
		secure = credentials.NewTLS(t)
	}
	ch := &channel{address: "passthrough:///" + u.Host, header: metadata.MD{}}
	for _, h := range c.Header {
		ch.header.Append(h[0], h[1])
	}
	ch.options = []grpc.DialOption{
		grpc.WithTransportCredentials(secure), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer), grpc.MaxCallSendMsgSize(maxAnswer)),
	}
	ch.conns.Store(&[]*link{})
	return ch, nil
}

// grow adds a connection unless there are limit already, and returns all.
func (c *channel) grow(limit int) ([]*link, error) {
	c.growing.Lock()
	defer c.growing.Unlock()
	old := *c.conns.Load()
	if len(old) >= limit {
		return old, nil
	}
	conn, err := grpc.NewClient(c.address, c.options...)
	if err != nil {
		return old, err
	}
	all := append(old[:len(old):len(old)], &link{ClientConn: conn})
	c.conns.Store(&all)
	return all, nil
}

// dropBroken closes the connections that could not be made for the last time: they would wait before the
// next try.
func (c *channel) dropBroken() {
	c.growing.Lock()
	defer c.growing.Unlock()
	all := slices.Clone(*c.conns.Load())
	all = slices.DeleteFunc(all, func(l *link) bool {
		broken := l.GetState() == connectivity.TransientFailure
		if broken {
			_ = l.Close() // an error means that it is closed already
		}
		return broken
	})
	c.conns.Store(&all)
}

// Connect makes the connections and waits until they are ready.
func (c *channel) Connect(ctx context.Context, requests int) error {
	c.dropBroken()
	want := min(max(requests, 1), maxConns)
	var all []*link
	for len(all) < want {
		var err error
		if all, err = c.grow(want); err != nil {
			return err
		}
	}
	for _, l := range all {
		l.ClientConn.Connect()
	}
	for _, l := range all {
		for s := l.GetState(); s != connectivity.Ready; s = l.GetState() {
			if s == connectivity.TransientFailure {
				return c.unreachable(ctx, l)
			}
			if s == connectivity.Idle {
				l.ClientConn.Connect()
			}
			if !l.WaitForStateChange(ctx, s) {
				return c.unreachable(ctx, l)
			}
		}
	}
	return nil
}

// unreachable returns why a connection cannot be made.
func (c *channel) unreachable(ctx context.Context, l *link) error {
	_, err := pb.NewGRPCInferenceServiceClient(l).ServerLive(ctx, &pb.ServerLiveRequest{})
	if err == nil {
		err = errors.New("the connection was lost")
	}
	return fmt.Errorf("gRPC %s: %w", strings.TrimPrefix(c.address, "passthrough:///"), err)
}

// take returns the connection for a request, which release gives back.
func (c *channel) take() (*link, error) {
	all := *c.conns.Load()
	l := fewest(all)
	if l == nil || l.inFlight.Load() > 0 && len(all) < maxConns {
		grown, err := c.grow(min(len(all)+1, maxConns))
		if err != nil {
			return nil, err
		}
		l = fewest(grown)
	}
	l.inFlight.Add(1)
	return l, nil
}

func (l *link) release() { l.inFlight.Add(-1) }

func fewest(all []*link) *link {
	var best *link
	least := int64(0)
	for _, l := range all {
		if n := l.inFlight.Load(); best == nil || n < least {
			best, least = l, n
		}
	}
	return best
}

// Send sends a request that prepare has encoded.
func (c *channel) Send(ctx context.Context, body int) load.Answer {
	l, err := c.take()
	if err != nil {
		return load.Answer{Err: err}
	}
	defer l.release()
	var head, tail metadata.MD
	var reply []byte
	if len(c.header) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, c.header)
	}
	err = l.Invoke(ctx, pb.GRPCInferenceService_ModelInfer_FullMethodName, c.bodies[body], &reply,
		grpc.ForceCodecV2(bytesCodec{}), grpc.Header(&head), grpc.Trailer(&tail))
	if err == nil {
		a := load.Answer{Status: http.StatusOK, Data: reply}
		for _, md := range []metadata.MD{head, tail} {
			if v := md.Get("server-timing"); len(v) > 0 {
				a.Timing = []byte(v[0])
			}
		}
		return a
	}
	if len(head) == 0 && len(tail) == 0 { // the server has sent nothing: gRPC reports a broken connection with a code too
		return load.Answer{Err: err}
	}
	return load.Answer{Status: httpStatus(status.Code(err))}
}

// httpStatus returns the HTTP status that means the same as a code, as google.rpc.Code lists them.
func httpStatus(c codes.Code) int {
	switch c {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.Aborted, codes.AlreadyExists:
		return http.StatusConflict
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Canceled:
		return 499
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// try sends the first request.
func (c *channel) try(ctx context.Context) error {
	if err := c.Connect(ctx, 1); err != nil {
		return err
	}
	all := *c.conns.Load()
	var reply []byte
	if len(c.header) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, c.header)
	}
	if err := all[0].Invoke(ctx, pb.GRPCInferenceService_ModelInfer_FullMethodName, c.bodies[0], &reply, grpc.ForceCodecV2(bytesCodec{})); err != nil {
		return fmt.Errorf("the server does not answer a request: %w", err)
	}
	return proto.Unmarshal(reply, &pb.ModelInferResponse{})
}

// prepare encodes the requests, all with raw contents.
func (c *channel) prepare(name, version string, requests []protocol.Request) error {
	for _, r := range requests {
		m := &pb.ModelInferRequest{ModelName: name, ModelVersion: version, Id: r.ID}
		for _, in := range r.Inputs {
			m.Inputs = append(m.Inputs, &pb.ModelInferRequest_InferInputTensor{Name: in.Name, Datatype: in.Type.String(), Shape: in.Shape})
			m.RawInputContents = append(m.RawInputContents, in.Data)
		}
		for _, o := range r.Outputs {
			m.Outputs = append(m.Outputs, &pb.ModelInferRequest_InferRequestedOutputTensor{Name: o.Name})
		}
		data, err := proto.Marshal(m)
		if err != nil {
			return err
		}
		c.bodies = append(c.bodies, data)
	}
	return nil
}

// bytesCodec sends and receives messages that are encoded already.
type bytesCodec struct{}

// Name is that of the codec whose messages they are.
func (bytesCodec) Name() string { return "proto" }

// Marshal returns the bytes.
func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("message of type %T: want bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal copies the bytes.
func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("message of type %T: want bytes", v)
	}
	*into = data.Materialize()
	return nil
}

// service returns the service over a connection, and the context for a call.
func (c *channel) service(ctx context.Context) (context.Context, context.CancelFunc, pb.GRPCInferenceServiceClient, error) {
	all, err := c.grow(1)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, c.header), callTime)
	return ctx, cancel, pb.NewGRPCInferenceServiceClient(all[0]), nil
}

func (c *channel) server(ctx context.Context) (protocol.ServerMetadata, error) {
	ctx, cancel, s, err := c.service(ctx)
	if err != nil {
		return protocol.ServerMetadata{}, err
	}
	defer cancel()
	m, err := s.ServerMetadata(ctx, &pb.ServerMetadataRequest{})
	return protocol.ServerMetadata{Name: m.GetName(), Version: m.GetVersion(), Extensions: m.GetExtensions()}, err
}

func (c *channel) model(ctx context.Context, name, version string) (protocol.ModelMetadata, error) {
	ctx, cancel, s, err := c.service(ctx)
	if err != nil {
		return protocol.ModelMetadata{}, err
	}
	defer cancel()
	m, err := s.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: name, Version: version})
	tensors := func(all []*pb.ModelMetadataResponse_TensorMetadata) []protocol.TensorMetadata {
		var out []protocol.TensorMetadata
		for _, t := range all {
			out = append(out, protocol.TensorMetadata{Name: t.GetName(), Datatype: t.GetDatatype(), Shape: t.GetShape()})
		}
		return out
	}
	return protocol.ModelMetadata{
		Name: m.GetName(), Versions: m.GetVersions(), Platform: m.GetPlatform(), Inputs: tensors(m.GetInputs()), Outputs: tensors(m.GetOutputs()),
	}, err
}

// models is not in the protocol.
func (c *channel) models(context.Context) ([]string, error) {
	return nil, errors.New("its gRPC service has no call for it")
}

func (c *channel) close() {
	for _, l := range *c.conns.Load() {
		_ = l.Close() // an error means that it is closed already
	}
	c.conns.Store(&[]*link{})
}
