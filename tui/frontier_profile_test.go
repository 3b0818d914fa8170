package tui

import (
	"strings"
	"testing"
)

// m in Profiles shows the settings of the selected profile in Frontier; what needs the sweep of this session says so, and
// esc goes back.
func TestFrontierOfProfile(t *testing.T) {
	sc := profilesOnDisk(t)
	sc.press("4")
	list := sc.shownProfiles()
	for i, p := range list {
		if p.Best != nil {
			sc.profiles.selected = list[i].ID
		}
	}
	p := *sc.selectedProfile()
	if p.Best == nil {
		t.Fatal("no profile has a best setting")
	}
	sc.press("m")
	if sc.view != frontierView {
		t.Fatalf("the view is %v", viewNames[sc.view])
	}
	sc.requireFrame("profile "+cutTo(profileName(p), 24), "★", "esc back to Profiles", shortSettings(p.Best.Settings))
	for _, key := range []string{"R", "]", "="} {
		sc.press(key)
		if !strings.Contains(sc.status(), "a profile is only shown") {
			t.Errorf("%s: status %q", key, sc.status())
		}
	}
	if len(sc.workbench.calls) > 0 {
		t.Errorf("calls %v", sc.workbench.calls)
	}
	sc.press("e", "enter")
	if got := strings.Join(sc.workbench.calls, "; "); !strings.HasPrefix(got, "export of ") {
		t.Errorf("the export is %q", got)
	}
	sc.press("enter")
	if sc.view != liveView || sc.stagedN != 0 {
		t.Errorf("enter: view %v, trial %d", viewNames[sc.view], sc.stagedN)
	}
	sc.press("3", "esc")
	if sc.view != profilesView || sc.frontier.profile != nil {
		t.Errorf("esc: view %v, profile %v", viewNames[sc.view], sc.frontier.profile)
	}
	sc.press("3")
	sc.requireFrame("no sweep yet")
}
