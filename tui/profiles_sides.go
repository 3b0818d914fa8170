package tui

import (
	"errors"

	tea "charm.land/bubbletea/v2"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

func (m *model) setSide(side *string) tea.Cmd {
	*side = m.selectedProfile().ID
	m.profiles.force = false
	return m.compareProfiles()
}

func (m *model) cannotCompare() string {
	if m.profiles.a == "" || m.profiles.b == "" {
		return "nothing is compared: a and b choose two profiles"
	}
	return ""
}

// cannotForce is cannotCompare for the key that compares in any case.
func (m *model) cannotForce() string {
	if c := m.profiles.compare; c != nil && c.cannotForce() != "" {
		return c.cannotForce()
	}
	return m.cannotCompare()
}

// cannotSwap is cannotCompare for the key that swaps A and B.
func (m *model) cannotSwap() string {
	if m.profiles.b == inForceID {
		return "what is in force is always B"
	}
	return m.cannotCompare()
}

func (m *model) swapSides() tea.Cmd {
	s := &m.profiles
	s.a, s.b = s.b, s.a
	return m.compareProfiles()
}

func (m *model) forceComparison() tea.Cmd {
	m.profiles.force = !m.profiles.force
	return m.compareProfiles()
}

// inForceID is the ID of side B if it is what is in force now.
const inForceID = "in force"

func (m *model) cannotCompareInForce() string {
	switch {
	case m.Machine == nil:
		return "there is no live traffic to compare with"
	case m.profiles.a == "":
		return "a chooses the profile to compare with what is in force"
	}
	return ""
}

// compareInForce compares A with the live traffic until now.
func (m *model) compareInForce() tea.Cmd {
	s := &m.profiles
	s.b, s.compare = inForceID, nil
	path, force, info := profiles.Path(m.ProfileDir, s.a), s.force, m.snap.Info
	out := &comparedProfiles{}
	return m.disk("compare", func() error {
		t, err := m.Workbench.LiveTrial()
		if err != nil {
			out.err = err
			return nil
		}
		out.readInForce(path, t, info, m.Machine(info), force)
		return nil
	}, func(error) { m.profiles.compare = out })
}

// readInForce compares the choice of a profile with a live trial.
func (c *comparedProfiles) readInForce(path string, t trial.Trial, info sweep.Info, on profiles.Machine, force bool) {
	var err error
	if c.a, err = profiles.Read(path); c.a == nil {
		c.err = err
		return
	}
	if on.Class == "" {
		on = on.Complete()
	}
	t.N = 1
	header := profiles.Header{
		ID: inForceID, Kind: c.a.Header.Kind, Created: t.At, Machine: on,
		Model: profiles.Model{Name: info.Model.Name, SHA256: info.Model.SHA256},
	}
	c.b = &profiles.Profile{Header: header, Trials: []trial.Trial{t}, Choices: []trial.Choice{{N: 1, Settings: t.Settings}}}
	c.result, c.err = profiles.Compare(c.a, c.b, profiles.CompareOptions{Choice: true, Tolerance: profiles.DefaultTolerance, Force: force})
}

// compareProfiles reads A and B and compares them.
func (m *model) compareProfiles() tea.Cmd {
	s := &m.profiles
	s.compare = nil
	switch {
	case s.b == inForceID && s.a != "":
		return m.compareInForce()
	case s.a == "" || s.b == "":
		return nil
	case s.a == s.b:
		s.compare = &comparedProfiles{err: errors.New("both are the same profile: choose another one with a or b")}
		return nil
	}
	paths := [2]string{profiles.Path(m.ProfileDir, s.a), profiles.Path(m.ProfileDir, s.b)}
	force := s.force
	out := &comparedProfiles{}
	return m.disk("compare", func() error {
		out.read(paths, force)
		return nil
	}, func(error) { m.profiles.compare = out })
}

// read reads two profiles and compares their choices; those of recordings, which have none, by
// their equal settings.
func (c *comparedProfiles) read(paths [2]string, force bool) {
	var errA, errB error
	c.a, errA = profiles.Read(paths[0])
	c.b, errB = profiles.Read(paths[1])
	if c.a == nil || c.b == nil {
		c.err = errors.Join(errA, errB)
		return
	}
	c.result, c.err = profiles.Compare(c.a, c.b, profiles.CompareOptions{
		Choice:    c.a.Header.Kind == profiles.Sweep && c.b.Header.Kind == profiles.Sweep,
		Tolerance: profiles.DefaultTolerance, Force: force,
	})
}
