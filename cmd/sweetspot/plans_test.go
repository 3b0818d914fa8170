package main

import (
	"slices"
	"testing"

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
