package tui

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
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
		m.openSelected()
	})
}

// noteCompleted marks the list as stale when a recording or a sweep has ended.
func (m *model) noteCompleted(old *session.Snapshot) {
	s := m.snap
	ended := s.Sweep != nil && s.Sweep.State.Ended() && (old.Sweep == nil || !old.Sweep.State.Ended() || old.Sweep.ID != s.Sweep.ID)
	m.profiles.stale = m.profiles.stale || ended || old.Recording != nil && s.Recording == nil
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
	m.stage(p.Best.Settings, "the best settings of "+profileName(*p))
	return nil
}

// profileName is the name of a profile for messages.
func profileName(p profiles.Summary) string {
	if p.Name != "" {
		return p.Name
	}
	return p.ID
}

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
	c.result, c.err = profiles.Compare(c.a, c.b, profiles.CompareOptions{Choice: true, Force: force})
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
	o := profiles.CompareOptions{Choice: c.a.Header.Kind == profiles.Sweep && c.b.Header.Kind == profiles.Sweep, Force: force}
	c.result, c.err = profiles.Compare(c.a, c.b, o)
}

// annotate adds a name or a note to the selected profile.
func (m *model) annotate(what string, a func(text string) profiles.Annotation, text string, longest int) tea.Cmd {
	p := m.selectedProfile()
	path, name := p.Path, profileName(*p)
	m.dialog = &input{
		heading: strings.ToUpper(what[:1]) + what[1:] + " of " + name, title: what, text: text, effect: "writes it into the profile", longest: longest,
		then: func(text string) (tea.Cmd, error) {
			if strings.TrimSpace(text) == "" {
				return nil, fmt.Errorf("type a %s", what)
			}
			now := m.now
			return m.disk(what, func() error { return profiles.Annotate(path, now, a(text)) }, func(err error) {
				m.profiles.opened = nil
				m.changedProfile(what+" of "+name+": "+text, err)
			}), nil
		},
	}
	return nil
}

func (m *model) nameProfile() tea.Cmd {
	const longest = 40
	return m.annotate("name", func(t string) profiles.Annotation { return profiles.Annotation{Name: t} }, m.selectedProfile().Name, longest)
}

func (m *model) noteProfile() tea.Cmd {
	const longest = 200
	return m.annotate("note", func(t string) profiles.Annotation { return profiles.Annotation{Note: t} }, m.selectedProfile().Note, longest)
}

// changedProfile reports a change of a profile or its error, and reads the list again.
func (m *model) changedProfile(text string, err error) {
	if err != nil {
		m.report(session.Error, true, err.Error())
		return
	}
	m.report(session.Note, true, text)
	m.listProfiles() // waits for the end of this action
}

// askRemove asks before the selected profile is deleted.
func (m *model) askRemove() tea.Cmd {
	p := *m.selectedProfile()
	dir := m.ProfileDir
	m.dialog = &confirm{
		title: "Delete the profile?",
		text:  fmt.Sprintf("%s, with %s, moves to %s. u undoes it.", profileName(p), plural(p.Trials, "trial"), profiles.RemovedDir(dir)),
		yes:   "delete", no: "keep",
		onYes: func() tea.Cmd {
			return m.disk("delete", func() error { return profiles.Remove(dir, p.ID) }, func(err error) {
				if err == nil {
					m.profiles.removed = append(m.profiles.removed, p.ID)
				}
				m.changedProfile("deleted "+profileName(p)+"; u undoes it", err)
			})
		},
	}
	return nil
}

func (m *model) cannotRestore() string {
	if len(m.profiles.removed) == 0 {
		return "no profile was deleted since the start"
	}
	return ""
}

// restoreProfile undoes the last deletion.
func (m *model) restoreProfile() tea.Cmd {
	s := &m.profiles
	dir, id := m.ProfileDir, s.removed[len(s.removed)-1]
	return m.disk("undo", func() error { return profiles.Restore(dir, id) }, func(err error) {
		if err == nil {
			s.removed = s.removed[:len(s.removed)-1]
			s.selected = id
		}
		m.changedProfile("restored "+id, err)
	})
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
		{keys("a b", "compare it as A or as B", "a"), in, group, "set A/B", m.cannotUseProfile, func() tea.Cmd { return m.setSide(&s.a) }},
		{secondKey("b"), in, group, "", m.cannotUseProfile, func() tea.Cmd { return m.setSide(&s.b) }},
		{keys("i", "compare A with what is in force now", "i"), in, group, "in force", m.cannotCompareInForce, m.compareInForce},
		{keys("c", "swap A and B", "c"), in, group, "swap", m.cannotSwap, m.swapSides},
		{keys("F", "compare also what is not comparable, or not", "F", "shift+f"), in, group, "", m.cannotCompare, m.forceComparison},
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
