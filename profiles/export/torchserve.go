package export

import (
	"fmt"
	"strings"
	"time"

	"sweetspot/engine/knob"
)

// fitsTorchServe tells why s is no setting of TorchServe's.
func fitsTorchServe(s Source, force bool) error {
	if err := untold(s); err != nil {
		return err
	}
	limits := knob.Limits{Rule: knob.TorchServe, BatchAxis: s.Model.BatchAxis, BatchWhy: "see the profile's model"}
	if err := plainSettings(forTorchServe(s)).Validate(limits); err != nil {
		return err
	}
	if forTorchServe(s).Model.Name == "" {
		return fmt.Errorf("model name %q: TorchServe finds settings by name and wants letters, digits, _ - . in it", s.Model.Name)
	}
	if force {
		return nil
	}
	if s.Options.Rule == knob.Eager {
		return fmt.Errorf("measured under the eager rule, which batches otherwise than TorchServe, so its figures do not hold there; "+
			"measure again with --rule torchserve; %w", ErrRefused)
	}
	if forTorchServe(s).Settings != s.Settings {
		return fmt.Errorf("batch_delay_ms %s would become %s: TorchServe takes whole milliseconds from 1; %w",
			s.Settings.Get(knob.BatchDelay), forTorchServe(s).Settings.Get(knob.BatchDelay), ErrRefused)
	}
	return nil
}

// forTorchServe is s with what TorchServe can express: a delay in whole
// milliseconds and never 0, which it reads as unset, and a name it accepts.
func forTorchServe(s Source) Source {
	ms := (s.Settings.BatchDelay + time.Millisecond - 1).Truncate(time.Millisecond)
	s.Settings.BatchDelay = max(time.Millisecond, ms)
	if name := plainName(s.Model.Name); name != s.Model.Name {
		s.ownName, s.Model.Name = s.Model.Name, name
	}
	if s.Model.Version == "" {
		s.Model.Version = "1.0"
	}
	if s.ModelStore == "" {
		s.ModelStore = "model-store"
	}
	if s.ResponseTimeout <= 0 {
		s.ResponseTimeout = 120
	}
	return s
}

// plainName replaces what TorchServe's archiver allows in no name, and Triton's
// folders had better not have.
func plainName(name string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r) {
			return r
		}
		return '-'
	}, name)
	return strings.TrimLeft(out, "_-.")
}
