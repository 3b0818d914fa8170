package main

import (
	"slices"
	"strings"
	"testing"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

func TestFolderNames(t *testing.T) {
	var plans []plan.Plan
	for _, name := range []string{"mnist eager_mode", "mnist eager_mode", "MNIST eager_mode", "../../etc x", "", "..", "bärt/x y", "mnist eager_mode-2"} {
		plans = append(plans, plan.Plan{Name: name})
	}
	want := []string{"mnist-eager_mode", "mnist-eager_mode-2", "MNIST-eager_mode-3", "_.._etc-x", "plan", "plan-2", "b_rt_x-y", "mnist-eager_mode-2-2"}
	if got := folderNames(plans); !slices.Equal(got, want) {
		t.Errorf("folderNames = %q, want %q", got, want)
	}
}

// TestWorseExit: the priorities are 1, 3, 2, 0, in any order of the arguments.
func TestWorseExit(t *testing.T) {
	order := []int{exitYes, exitNo, exitCannotTell, exitError}
	for i, a := range order {
		for j, b := range order {
			if got, want := worseExit(a, b), order[max(i, j)]; got != want {
				t.Errorf("worseExit(%d, %d) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"results": "results", "./a/b-c_1.2": "./a/b-c_1.2", "my results": "'my results'", "it's": `'it'\''s'`,
		"": "''", "-x": "'./-x'", "$HOME": "'$HOME'", "a*": "'a*'", "größe": "'größe'",
	} {
		if got := shellQuote(word); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", word, got, want)
		}
	}
}

// Question capacity has arrivals without a rate, and the screen sends a live load all the same.
func TestLiveLoad(t *testing.T) {
	for _, c := range []struct {
		given load.Spec
		want  load.Spec
		err   string
	}{
		{load.Spec{Concurrency: 4}, load.Spec{Concurrency: 4}, ""},
		{load.Spec{Mode: load.Open, Rate: 5, Arrivals: load.Constant}, load.Spec{Mode: load.Open, Rate: 5, Arrivals: load.Constant}, ""},
		{load.Spec{Mode: load.Open}, plan.Default().Loads[0], ""},
		{load.Spec{Mode: load.Open, Arrivals: load.Constant}, load.Spec{}, "constant arrivals and no rate"},
	} {
		p := plan.Default()
		p.Question, p.Loads = plan.Capacity, []load.Spec{c.given}
		got, err := liveLoad(p)
		switch {
		case err != nil && (c.err == "" || !strings.Contains(err.Error(), c.err)), err == nil && c.err != "":
			t.Errorf("%v: error %v, want %q", c.given, err, c.err)
		case err == nil && got.Loads[0] != c.want:
			t.Errorf("%v: %v, want %v", c.given, got.Loads[0], c.want)
		}
	}
}
