package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"sweetspot/profiles"
	"sweetspot/sweep/session"
)

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
