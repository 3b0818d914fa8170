package main

import (
	"testing"

	"sweetspot/sweep/trial"
)

func TestTopOfGrid(t *testing.T) {
	grid, _, _, err := openGrid()
	if err != nil {
		t.Fatal(err)
	}
	top := topOf(grid, 5)
	if len(top) != 5 {
		t.Fatalf("%d settings", len(top))
	}
	for i, r := range top {
		if r.Verdict.Result == trial.Fail || r.Role != trial.RoleLoad {
			t.Errorf("trial %d: %v, %s", r.N, r.Verdict.Result, r.Role)
		}
		if i > 0 && r.Throughput.Value.Or(0) > top[i-1].Throughput.Value.Or(0) {
			t.Errorf("trial %d stands below a slower one", r.N)
		}
	}
	if s := gridSeconds(grid); s < 96*5 {
		t.Errorf("the grid took %.0f s", s)
	}
}
