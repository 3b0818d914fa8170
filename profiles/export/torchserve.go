package export

import (
	"fmt"
	"strings"
	"time"

	"sweetspot/engine/knob"
)

// checkTorchServe returns an error if TorchServe cannot have these settings or, without force,
// if the export would be misleading. Settings may lack the knobs in noKey, for which the file has no key.
func checkTorchServe(s Source, force bool, noKey ...knob.Name) error {
	if err := checkComplete(s, noKey...); err != nil {
		return err
	}
	limits := knob.Limits{Rule: knob.TorchServe, BatchAxis: s.mayBatch(), BatchWhy: "see the profile's model", Unreported: noKey}
	if err := commonSettings(forTorchServe(s)).Validate(limits); err != nil {
		return err
	}
	if forTorchServe(s).Model.Name == "" {
		return fmt.Errorf("model name %q: TorchServe accepts only names of letters, digits, . _ and -", s.Model.Name)
	}
	if force {
		return nil
	}
	if s.Options.Rule == knob.Eager {
		return fmt.Errorf("measured under the eager rule, which is not the batching rule of TorchServe, so that the figures do not apply to it; "+
			"measure again with --rule torchserve; %w", ErrRefused)
	}
	if forTorchServe(s).Settings != s.Settings {
		return fmt.Errorf("batch_delay_ms %s would become %s: TorchServe accepts only whole milliseconds from 1; %w",
			s.Settings.Get(knob.BatchDelay), forTorchServe(s).Settings.Get(knob.BatchDelay), ErrRefused)
	}
	return nil
}

// checkTorchServeFile is checkTorchServe for the files of TorchServe, which have no key for threads and
// precision. A measured TorchServe does not report them.
func checkTorchServeFile(s Source, force bool) error {
	return checkTorchServe(s, force, knob.Threads, knob.FP16)
}

// checkTorchServeScript is checkTorchServe for scripts, which set the threads.
func checkTorchServeScript(s Source, force bool) error { return checkTorchServe(s, force) }

// forTorchServe returns s with values that TorchServe accepts: a valid name, and a delay in
// whole milliseconds from 1, because TorchServe uses its default for 0.
func forTorchServe(s Source) Source {
	ms := (s.Settings.BatchDelay + time.Millisecond - 1).Truncate(time.Millisecond)
	s.Settings.BatchDelay = max(time.Millisecond, ms)
	if name := validName(s.Model.Name); name != s.Model.Name {
		s.originalName, s.Model.Name = s.Model.Name, name
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

// validName replaces characters that TorchServe's archiver does not allow in names and that
// are unsuitable for the folders of Triton.
func validName(name string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r) {
			return r
		}
		return '-'
	}, name)
	return strings.TrimLeft(out, "_-.")
}
