package session

import (
	"errors"
	"fmt"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// ExportOptions say what Export writes, and how. The zero value writes the settings in force to
// the usual file.
type ExportOptions struct {
	Trial    int            // number of a trial of the sweep, or of Profile; 0 is none
	Settings *knob.Settings // without a Trial: other settings than those in force, such as pending ones
	Profile  string         // path of a profile: its choice, or its Trial, is exported

	Format    string // "" is the usual format of the target
	Path      string // "" is the usual file
	Preview   bool   // only return what would be written
	Overwrite bool   // also write over a file with other content
	Force     bool   // also write what would be misleading
}

// ExportRequest is the input of Config.Export. Trial joins the figures of all Runs of the
// settings; it has the live figures if no trial measured them but they are in force, and is nil if
// nothing did.
type ExportRequest struct {
	ExportOptions
	Info     sweep.Info
	Settings knob.Settings
	Options  knob.Options
	SLA      trial.SLA
	Measured *trial.Trial
	Runs     int
	Searched bool   // no validation has confirmed Measured
	Sweep    string // ID of the profile with the trial

	OtherLoads []string // under which other loads the settings were not measured, not validated, or fail
}

// Exported is the result of an export or of its preview. Each note is a sentence about a setting
// that has no key in the file's format, and what to do instead. The file contains the notes too.
type Exported struct {
	Path    string
	Notes   []string
	Written bool // false for a preview

	Format   string
	Formats  []string // all that exist
	Text     string   // content of the file
	Existing string   // content of the file before, if Exists
	Exists   bool
	Diff     string // from Existing to Text; "" if they are equal or the file does not exist
	Refused  string // why it would be misleading; Force writes it
	Source   string // in words: trial 5 of a sweep, the settings in force
	Verdict  trial.Verdict
}

// Export writes the settings that o selects, or previews the file. It waits for the disk.
func (s *Session) Export(o ExportOptions) (Exported, error) {
	r, err := s.exportRequest(o)
	if err != nil {
		return Exported{}, err
	}
	out, err := s.cfg.Export(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && !o.Preview:
		s.addMessage(Error, "export: %v", err)
	case err == nil && !o.Preview:
		s.addMessage(Note, "exported %v to %s", r.Settings, out.Path)
	}
	if err != nil {
		return Exported{}, err
	}
	return out, nil
}

// exportRequest finds the settings of o and their figures.
func (s *Session) exportRequest(o ExportOptions) (ExportRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := ExportRequest{ExportOptions: o, Info: s.state.Info, Settings: s.state.Settings, SLA: s.state.SLA, Options: s.state.Info.Options}
	if s.state.Phase == Starting {
		return r, errors.New("the engine is still starting: nothing to export yet")
	}
	if o.Profile != "" {
		return r, nil
	}
	if o.Settings != nil {
		r.Settings = *o.Settings
	}
	var trials []trial.Trial
	var rules rank.Rules
	if s.sweeping != nil {
		st := s.sweeping.sweeper.State()
		trials, rules, r.Sweep = st.Trials, rank.RulesOf(st.Plan), st.ID
	}
	for i := range trials {
		if trials[i].N == o.Trial || o.Trial == 0 && trials[i].Settings == r.Settings {
			row := rank.RowOf(trials, i) // the verdict of one run alone may be better than that of its setting
			r.Measured, r.Settings, r.Runs, r.Searched = &row.Joined, trials[i].Settings, len(row.Runs), !row.Validated
			r.OtherLoads = rank.New(rules, trials).DescribeOtherLoads(row)
		}
	}
	switch {
	case o.Trial > 0 && r.Measured == nil:
		return r, fmt.Errorf("there is no trial %d", o.Trial)
	case o.Trial == 0 && r.Settings == s.state.Settings && s.state.Phase == Serving:
		if t, ok := s.liveTrial(); ok { // what is measured now counts more than an earlier trial
			r.Measured, r.Runs, r.Searched, r.Sweep, r.OtherLoads = &t, 1, false, "", nil
		}
	}
	return r, nil
}

// LiveTrial returns the live traffic since the last change as a trial. The error says why there are no
// figures.
func (s *Session) LiveTrial() (trial.Trial, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Phase != Serving {
		return trial.Trial{}, errors.New("there is no live traffic now")
	}
	if t, ok := s.liveTrial(); ok {
		return t, nil
	}
	return trial.Trial{}, fmt.Errorf("fewer than %d answers since the last change: wait a moment", minAnswers)
}

// liveTrial returns the live traffic since the last change as a trial; false if there are too few
// answers. The lock is held.
func (s *Session) liveTrial() (trial.Trial, bool) {
	if s.ring.current.Answers < minAnswers {
		return trial.Trial{}, false
	}
	out := trial.Trial{
		At: s.now().UTC(), Role: trial.RoleLive, Reason: "live traffic", Settings: s.state.Settings, Options: s.state.Info.Options,
		Load: s.state.Load.For(s.state.Settings.Workers * s.state.Settings.BatchSize), Result: s.ring.result(),
	}
	s.judgeSilence(&out.Verdict)
	return out, true
}
