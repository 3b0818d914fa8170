package main

import (
	"fmt"

	"sweetspot/sweep/load"
)

// requestError returns an error if a request of a load failed. A load without an answer is none: on a busy machine a short block
// may have none, and judge.Paired measures it again.
func requestError(res load.Result) error {
	t := load.Count(res.Samples)
	if failed := len(res.Samples) - t.OK; failed > 0 {
		return fmt.Errorf("%d of %d requests failed: status %v %s", failed, len(res.Samples), t.Status, res.Err)
	}
	return nil
}
