package cores

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCoreGroup(t *testing.T) {
	for name, tc := range map[string]struct {
		cores   []int
		threads map[int]int
		n       int
		want    []int
	}{
		"first":                {[]int{0, 1, 2, 3}, nil, 2, []int{0, 1}},
		"next":                 {[]int{0, 1, 2, 3}, map[int]int{0: 1, 1: 1}, 2, []int{2, 3}},
		"cores of a container": {[]int{5, 7, 9, 11}, map[int]int{5: 1}, 1, []int{7}},
		"all":                  {[]int{4, 5}, map[int]int{4: 2, 5: 2}, 2, []int{4, 5}},
		"a gap":                {[]int{0, 1, 2, 3}, map[int]int{0: 0, 1: 1, 2: 0, 3: 0}, 2, []int{2, 3}},
		"fewest threads":       {[]int{0, 1, 2}, map[int]int{0: 2, 1: 1, 2: 2}, 1, []int{1}},
		"none left":            {[]int{0}, nil, 2, nil},
	} {
		if diff := cmp.Diff(tc.want, coreGroup(tc.cores, tc.threads, tc.n)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCoresAreReleased(t *testing.T) {
	var p Pins
	all := []int{0, 1, 2, 3}
	a, b := p.Take(all, 2), p.Take(all, 2)
	p.Release(a)
	if c := p.Take(all, 2); !cmp.Equal(c, a) || cmp.Equal(a, b) {
		t.Errorf("groups %v, %v, and %v after the first was released", a, b, c)
	}
}
