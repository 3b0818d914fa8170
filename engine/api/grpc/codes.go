package grpc

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sweetspot/engine/api/predict"
	"sweetspot/engine/api/wire"
)

// kindCodes are the codes of the errors of predictions. A full queue is ResourceExhausted and
// not Unavailable, which clients of KServe repeat at once.
var kindCodes = map[predict.Kind]codes.Code{
	predict.Failed: codes.Internal, predict.BadInput: codes.InvalidArgument, predict.TooManyRows: codes.ResourceExhausted,
	predict.UnknownModel: codes.NotFound, predict.UnknownVersion: codes.NotFound, predict.NotAcceptable: codes.InvalidArgument,
	predict.Busy: codes.ResourceExhausted, predict.Unavailable: codes.Unavailable, predict.Expired: codes.DeadlineExceeded,
	predict.Cancelled: codes.Canceled, predict.Unsupported: codes.Unimplemented,
}

// statusCodes are the codes of the statuses of HTTP that handlers and the management API choose.
// The table is TorchServe's, but for Conflict and MethodNotAllowed, which is a model API that is
// off.
var statusCodes = map[int]codes.Code{
	http.StatusBadRequest: codes.InvalidArgument, http.StatusUnauthorized: codes.Unauthenticated, http.StatusForbidden: codes.PermissionDenied,
	http.StatusNotFound: codes.NotFound, http.StatusMethodNotAllowed: codes.PermissionDenied, http.StatusRequestTimeout: codes.DeadlineExceeded,
	http.StatusConflict: codes.AlreadyExists, http.StatusRequestEntityTooLarge: codes.ResourceExhausted,
	http.StatusRequestedRangeNotSatisfiable: codes.OutOfRange, http.StatusTooManyRequests: codes.ResourceExhausted, 499: codes.Canceled,
	http.StatusNotImplemented: codes.Unimplemented, http.StatusServiceUnavailable: codes.Unavailable, http.StatusGatewayTimeout: codes.DeadlineExceeded,
}

// codeOf returns the code of a status of HTTP that is an error.
func codeOf(httpStatus int) codes.Code {
	if c, ok := statusCodes[httpStatus]; ok {
		return c
	}
	if httpStatus >= http.StatusBadRequest && httpStatus < http.StatusInternalServerError {
		return codes.FailedPrecondition
	}
	return codes.Internal
}

// toStatus converts an error of a prediction or of the management API to an error with a code.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	if e, ok := errors.AsType[*predict.Error](err); ok {
		if e.Status != 0 {
			return status.Error(codeOf(e.Status), e.Message)
		}
		return status.Error(kindCodes[e.Kind], e.Message)
	}
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return status.Error(codeOf(e.Code), e.Message)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	return status.Error(codes.Internal, err.Error())
}

// callError is toStatus for the error of a call, which is that of its context if that has ended.
func callError(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return status.FromContextError(ended).Err()
	}
	return toStatus(err)
}

// noMemory converts the error of a reservation of memory: like a full queue, it is no reason to
// try again at once.
func noMemory(err error) error { return status.Error(codes.ResourceExhausted, err.Error()) }

// httpStatuses are the statuses of HTTP as which answers count.
var httpStatuses = map[codes.Code]int{
	codes.OK: http.StatusOK, codes.Canceled: 499, codes.InvalidArgument: http.StatusBadRequest,
	codes.DeadlineExceeded: http.StatusGatewayTimeout, codes.NotFound: http.StatusNotFound, codes.AlreadyExists: http.StatusConflict,
	codes.PermissionDenied: http.StatusForbidden, codes.ResourceExhausted: http.StatusServiceUnavailable,
	codes.FailedPrecondition: http.StatusBadRequest, codes.Aborted: http.StatusConflict, codes.OutOfRange: http.StatusBadRequest,
	codes.Unimplemented: http.StatusNotImplemented, codes.Unavailable: http.StatusServiceUnavailable, codes.Unauthenticated: http.StatusUnauthorized,
}

// httpStatus returns the status of HTTP as which an answer with a code counts.
func httpStatus(c codes.Code) int {
	if s, ok := httpStatuses[c]; ok {
		return s
	}
	return http.StatusInternalServerError
}
