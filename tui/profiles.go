package tui

import (
	"cmp"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"sweetspot/profiles"
	"sweetspot/sweep/session"
)

// profilesState is the state of the Profiles view. Everything that needs the disk is read by
// actions.
type profilesState struct {
	list     []profiles.Summary
	loaded   bool
	problem  string // why the list could not be read
	selected string // ID; of none in the list: the first one is selected
	filter   string
	order    profileOrder
	panel    profilePanel
	removed  []string // IDs, the last one is restored first

	a, b    string // IDs, "" if not set
	force   bool   // also compare what is not comparable
	opened  *openedProfile
	compare *comparedProfiles // of a and b; nil before it was read
	stale   bool              // the list was not read yet, or a profile was completed since then
}

// profileOrder is the order of the list.
type profileOrder uint8

const (
	newestFirst profileOrder = iota
	byModel
	byThroughput
	profileOrderCount
)

var profileOrderNames = [profileOrderCount]string{"newest first", "by model", "by throughput"}

// profilePanel is the panel beside or below the list if not all fit.
type profilePanel uint8

const (
	comparePanel profilePanel = iota
	profilePanelDetail
	overlayPanel
	profilePanelCount
)

var profilePanelNames = [profilePanelCount]string{"compare", "details", "seconds"}

// openedProfile is the selected profile, read completely.
type openedProfile struct {
	id      string
	profile *profiles.Profile
	err     error
}

// comparedProfiles is the comparison of two profiles, or why they are not comparable.
type comparedProfiles struct {
	a, b   *profiles.Profile
	result profiles.Comparison
	err    error
}

// openedView prepares the view that was just opened.
func (m *model) openedView() tea.Cmd {
	if m.view != profilesView || m.ProfileDir == "" {
		return nil
	}
	return m.listProfiles()
}

// listProfiles reads the list again.
func (m *model) listProfiles() tea.Cmd {
	dir := m.ProfileDir
	var list []profiles.Summary
	return m.disk("profiles", func() (err error) {
		list, err = profiles.List(dir)
		return err
	}, func(err error) {
		s := &m.profiles
		s.loaded, s.list, s.problem, s.stale = true, list, "", false
		if err != nil {
			s.problem = err.Error()
		}
		s.dropOld()
		m.openSelected()
	})
}

// dropOld forgets the profile that was read if the list, which is newer, has other trials or another state of it.
func (s *profilesState) dropOld() {
	o := s.opened
	if o == nil || o.profile == nil {
		return
	}
	i := slices.IndexFunc(s.list, func(p profiles.Summary) bool { return p.ID == o.id })
	if i < 0 || s.list[i].Trials != len(o.profile.Trials) || s.list[i].State != o.profile.State() {
		s.opened = nil
	}
}

// noteCompleted marks the list as stale when a recording, a trial or a sweep has ended.
func (m *model) noteCompleted(old *session.Snapshot) {
	s := m.snap
	ended := s.Sweep != nil && s.Sweep.State.Ended() && (old.Sweep == nil || !old.Sweep.State.Ended() || old.Sweep.ID != s.Sweep.ID)
	trial := s.Sweep != nil && old.Sweep != nil && len(s.Sweep.Trials) != len(old.Sweep.Trials)
	m.profiles.stale = m.profiles.stale || ended || trial || old.Recording != nil && s.Recording == nil
}

// refreshProfiles reads the list again if it is shown and stale, and the selected profile if it is
// another one, as after a click.
func (m *model) refreshProfiles() tea.Cmd {
	switch {
	case m.view != profilesView || m.ProfileDir == "" || m.actionRunning:
		return nil
	case m.profiles.stale:
		m.profiles.stale = false
		return m.listProfiles()
	}
	return m.openSelected()
}

// disk enqueues an action that only reads or writes files; done shows its error.
func (m *model) disk(name string, run func() error, done func(err error)) tea.Cmd {
	return m.enqueue(action{
		name: name, quiet: true,
		run:  func() (session.Exported, error) { return session.Exported{}, run() },
		done: func(_ session.Exported, err error) { done(err) },
	})
}

// shownProfiles are the profiles that match the filter, in the order of the list.
func (m *model) shownProfiles() []profiles.Summary {
	s := m.profiles
	out := slices.DeleteFunc(slices.Clone(s.list), func(p profiles.Summary) bool { return !matches(s.filter, profileText(p)) })
	throughput := func(p profiles.Summary) float64 {
		if p.Best == nil {
			return -1
		}
		return p.Best.Throughput.Value.Or(-1)
	}
	slices.SortStableFunc(out, func(a, b profiles.Summary) int {
		switch s.order {
		case byModel:
			return cmp.Compare(a.Model, b.Model)
		case byThroughput:
			return -cmp.Compare(throughput(a), throughput(b))
		default:
			return 0
		}
	})
	return out
}

// profileText is the text of a profile for the filter.
func profileText(p profiles.Summary) string {
	best := ""
	if p.Best != nil {
		best = shortSettings(p.Best.Settings)
	}
	return strings.Join([]string{p.ID, p.Name, string(p.Kind), p.Model, string(p.State), best, p.Note, strings.Join(p.Tags, " ")}, " ")
}

// selectedProfile is the selected profile, nil if there is none.
func (m *model) selectedProfile() *profiles.Summary {
	list := m.shownProfiles()
	if len(list) == 0 {
		return nil
	}
	return &list[selectedProfileIndex(list, m.profiles.selected)]
}

func selectedProfileIndex(list []profiles.Summary, id string) int {
	return max(slices.IndexFunc(list, func(p profiles.Summary) bool { return p.ID == id }), 0)
}

func (m *model) moveProfile(n int) tea.Cmd {
	list := m.shownProfiles()
	if len(list) == 0 {
		return nil
	}
	m.profiles.selected = list[min(max(selectedProfileIndex(list, m.profiles.selected)+n, 0), len(list)-1)].ID
	return m.openSelected()
}

// openSelected reads the selected profile.
func (m *model) openSelected() tea.Cmd {
	p := m.selectedProfile()
	if p == nil || m.profiles.opened != nil && m.profiles.opened.id == p.ID {
		return nil
	}
	id, path := p.ID, p.Path
	var read *profiles.Profile
	return m.disk("profiles", func() (err error) {
		read, err = profiles.Read(path)
		return err
	}, func(err error) { m.profiles.opened = &openedProfile{id, read, err} })
}

// cannotUseProfile is why the keys for profiles do not work now, or "".
func (m *model) cannotUseProfile() string {
	switch {
	case m.selectedProfile() != nil:
		return ""
	case m.ProfileDir == "":
		return "there is no folder of profiles"
	case m.profiles.filter != "" && len(m.profiles.list) > 0:
		return "no profile matches the filter: / changes it"
	}
	if m.Follow {
		return "no profiles yet"
	}
	return "no profiles yet: a sweep (s) or a recording (r) makes one"
}

// cannotStageProfile is why the settings of the selected profile cannot be loaded, or "".
func (m *model) cannotStageProfile() string {
	if why := m.cannotUseProfile(); why != "" {
		return why
	}
	if m.selectedProfile().Best == nil {
		return "no setting of this profile kept its promise"
	}
	return ""
}

func (m *model) stageProfile() tea.Cmd {
	p := m.selectedProfile()
	m.stage(p.Best.Settings, 0, "the best settings of "+profileName(*p))
	return nil
}

// profileName is the name of a profile for messages.
func profileName(p profiles.Summary) string {
	if p.Name != "" {
		return p.Name
	}
	return p.ID
}

// profileKeys are the keys of the Profiles view.
func (m *model) profileKeys() []binding {
	move := func(n int) func() tea.Cmd { return func() tea.Cmd { return m.moveProfile(n) } }
	s := &m.profiles
	order := func() tea.Cmd { s.order = (s.order + 1) % profileOrderCount; return nil }
	panel := func() tea.Cmd { s.panel = (s.panel + 1) % profilePanelCount; return nil }
	filter := func() tea.Cmd {
		m.dialog = &filterDialog{&s.filter, func() (int, int) { return len(m.shownProfiles()), len(s.list) }}
		return nil
	}
	const page, all = 10, 1 << 20
	const in, group = inProfiles, groupProfiles
	return []binding{
		{keys("↑↓", "select a profile", "up", "k"), in, group, "profile", m.cannotUseProfile, move(-1)},
		{secondKey("down", "j"), in, group, "", m.cannotUseProfile, move(1)},
		{keys("pgup pgdn", "ten profiles up or down", "pgup"), in, group, "", m.cannotUseProfile, move(-page)},
		{secondKey("pgdown"), in, group, "", m.cannotUseProfile, move(page)},
		{keys("home end", "first or last profile", "home"), in, group, "", m.cannotUseProfile, move(-all)},
		{secondKey("end"), in, group, "", m.cannotUseProfile, move(all)},
		{keys("enter", "make its best settings pending in Live", "enter"), in, group, "load in Live", m.cannotStageProfile, m.stageProfile},
		{keys("m", "show its settings in Frontier: chart and map", "m"), in, group, "frontier", m.cannotShowFrontier, m.showFrontier},
		{keys("a b", "compare it as A or as B", "a"), in, group, "set A/B", m.cannotUseProfile, func() tea.Cmd { return m.setSide(&s.a) }},
		{secondKey("b"), in, group, "", m.cannotUseProfile, func() tea.Cmd { return m.setSide(&s.b) }},
		{keys("i", "compare A with what is in force now", "i"), in, group, "in force", m.cannotCompareInForce, m.compareInForce},
		{keys("c", "swap A and B", "c"), in, group, "swap", m.cannotSwap, m.swapSides},
		{keys("F", "compare also what is not comparable, or not", "F", "shift+f"), in, group, "", m.cannotForce, m.forceComparison},
		{keys("v", "next panel: compare, details, seconds", "v"), in, group, "panel", m.cannotUseProfile, panel},
		{keys("=", "give it a name", "="), in, group, "name", m.cannotUseProfile, m.nameProfile},
		{keys("n", "write a note", "n"), in, group, "note", m.cannotUseProfile, m.noteProfile},
		{keys("d", "delete it (asks first)", "d"), in, group, "delete", m.cannotUseProfile, m.askRemove},
		{keys("u", "undo the last deletion", "u"), in, group, "undo", m.cannotRestore, m.restoreProfile},
		{keys("o", "next order: newest, model, throughput", "o"), in, group, "", m.cannotUseProfile, order},
		{keys("/", "filter the list", "/"), in, group, "filter", nil, filter},
		{keys("e", "export its choice", "e"), in, group, "export", m.cannotStageProfile, m.exportProfile},
	}
}
