package main

import (
	"testing"

	"sweetspot/sweep/trial"
)

func TestBestOfGrid(t *testing.T) {
	grid, _, _, err := openGrid()
	if err != nil {
		t.Fatal(err)
	}
	best := bestOfGrid(grid, 5)
	if len(best) != 5 {
		t.Fatalf("%d settings, want 5", len(best))
	}
	for i, r := range best {
		if r.Verdict.Result == trial.Fail || r.Role != trial.RoleLoad {
			t.Errorf("trial %d: %v, %s", r.N, r.Verdict.Result, r.Role)
		}
		if i > 0 && r.Throughput.Value.Or(0) > best[i-1].Throughput.Value.Or(0) {
			t.Errorf("trial %d comes after a slower one", r.N)
		}
	}
	if s := gridSeconds(grid); s < 96*5 {
		t.Errorf("the grid took %.0f s", s)
	}
}
