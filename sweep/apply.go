package sweep

import (
	"context"
	"fmt"

	"sweetspot/engine/knob"
)

// applyExactly has the target apply s. It is an error if something else is in force
// then: what is measured would be recorded as what it is not.
func applyExactly(ctx context.Context, t Target, s knob.Settings) (Applied, error) {
	done, err := t.Apply(ctx, s)
	if err == nil && done.Settings != s {
		err = fmt.Errorf("asked for %v, in force is %v", s, done.Settings)
	}
	return done, err
}
