package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"sweetspot/profiles"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// shownProfile is a profile in the Frontier view, in place of the sweep of this session. Its points are measured; a
// profile has no predictions of the others.
type shownProfile struct {
	name   string
	path   string
	sweep  *session.Sweep
	points []settingPoint
}

// SweepOf is the sweep that a profile has recorded, as the screen shows it. Its state is not set. The best row is that
// of the choice, or without one the best by the rules of its plan.
func SweepOf(p *profiles.Profile) *session.Sweep {
	out := &session.Sweep{ID: p.Header.ID, Path: p.Path, Plan: p.Plan(), Trials: p.Trials, Best: -1, Unconfirmed: -1, Events: p.Events}
	k := rank.New(rank.RulesOf(out.Plan), p.Trials)
	if best, ok := k.Best(); ok {
		out.Best = best.Representative
	}
	if r, ok := k.Unconfirmed(); ok {
		out.Unconfirmed = r.Representative
	}
	if c, ok := p.Choice(); ok {
		out.Choice, out.Skipped = &c, c.Why.Skipped
		for i := range p.Trials {
			if p.Trials[i].N == c.N {
				out.Best = i
			}
		}
	}
	return out
}

// frontierSweep is the sweep in the Frontier view: the one of this session, or that of a profile. It may be nil.
func (m *model) frontierSweep() *session.Sweep {
	if p := m.frontier.profile; p != nil {
		return p.sweep
	}
	return m.snap.Sweep
}

// measuredPoints are the points of that sweep.
func (m *model) measuredPoints() []settingPoint {
	if p := m.frontier.profile; p != nil {
		return p.points
	}
	return m.points
}

// cannotShowFrontier is why the selected profile cannot be shown in the Frontier view, or "".
func (m *model) cannotShowFrontier() string {
	if why := m.cannotUseProfile(); why != "" {
		return why
	}
	if m.selectedProfile().Trials == 0 {
		return "no setting was measured in this profile"
	}
	return ""
}

// showFrontier shows the selected profile in the Frontier view.
func (m *model) showFrontier() tea.Cmd {
	p := *m.selectedProfile()
	if o := m.profiles.opened; o != nil && o.id == p.ID && o.profile != nil {
		m.showProfile(p, o.profile)
		return nil
	}
	var read *profiles.Profile
	return m.disk("profiles", func() (err error) {
		read, err = profiles.Read(p.Path)
		return err
	}, func(err error) {
		if read == nil {
			m.report(session.Error, true, err.Error())
			return
		}
		m.showProfile(p, read)
	})
}

func (m *model) showProfile(p profiles.Summary, read *profiles.Profile) {
	w := SweepOf(read)
	w.State = session.Done
	running := m.frontier.whatIf.running
	m.frontier.whatIf = whatIf{running: running}
	m.frontier.profile = &shownProfile{profileName(p), p.Path, w, settingPoints(w)}
	if i := slices.IndexFunc(m.frontier.profile.points, m.frontier.profile.chosen); i >= 0 {
		m.frontier.selected = m.frontier.profile.points[i].key()
	}
	m.view = frontierView
}

// chosen reports whether a point has the settings that an export of the profile writes.
func (p *shownProfile) chosen(o settingPoint) bool {
	switch w := p.sweep; {
	case w.Choice != nil:
		return o.settings == w.Choice.Settings
	case w.Best >= 0:
		return o.likely == trial.Pass && o.settings == w.Trials[w.Best].Settings
	}
	return false
}

// cannotLeave is why there is nothing to leave in the Frontier view, or "".
func (m *model) cannotLeave() string {
	switch {
	case m.frontier.profile != nil:
		return ""
	case m.Follow:
		return "this is the profile that the screen follows"
	}
	return m.cannotLeaveWhatIf()
}

// leaveFrontier leaves the profile, for the Profiles view, or the what-if load.
func (m *model) leaveFrontier() tea.Cmd {
	if m.frontier.profile == nil {
		return m.leaveWhatIf()
	}
	m.frontier.profile = nil
	m.view = profilesView
	return m.openedView()
}

// ofProfile is why a key does not work on the points of a profile; "" if none is shown.
func (m *model) ofProfile() string {
	if m.frontier.profile == nil {
		return ""
	}
	return "a profile is only shown: esc goes back, then 3 is the sweep of this session"
}

// cannotExportPoint is why the selected point cannot be exported, or "".
func (m *model) cannotExportPoint() string {
	switch why := m.cannotUsePoint(); {
	case why != "" || m.frontier.profile == nil:
		return why
	case m.Follow:
		return "this screen exports only from the profile that it follows"
	case m.frontier.profile.chosen(*m.selectedPoint()):
		return ""
	}
	return "only the choice of a profile is exported: enter loads this setting in Live"
}
