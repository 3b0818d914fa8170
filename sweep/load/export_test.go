package load

import (
	"context"
	"errors"
	"time"
)

// RunPooled is Run with a pool, as on systems without a driver.
func RunPooled(ctx context.Context, c Config) (Result, error) {
	return runWith(ctx, c, func(*run, int) (func([]time.Duration), error) { return nil, errors.ErrUnsupported })
}
