package sweep

import (
	"context"
	"fmt"

	"sweetspot/engine/knob"
)

// applyExactly applies s to the target. It returns an error if other settings are in
// force afterwards, because a measurement would then be recorded with wrong settings.
func applyExactly(ctx context.Context, t Target, s knob.Settings) (Applied, error) {
	done, err := t.Apply(ctx, s)
	if err == nil && done.Settings != s {
		err = fmt.Errorf("the settings %v were applied, but in force is %v", s, done.Settings)
	}
	return done, err
}
