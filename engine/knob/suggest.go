package knob

import (
	"fmt"
	"strings"
)

// Suggest returns "; did you mean X?" for the known name nearest to s, or, when
// none is near, "; known: ..." with all of them. It ends error texts.
func Suggest(s string, known []string) string {
	if best, near := Nearest(s, known); near {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; known: " + strings.Join(known, ", ")
}

// Nearest is the known name nearest to s, and whether it is near enough to be what
// was meant.
func Nearest(s string, known []string) (best string, near bool) {
	least := 1 << 30
	for _, k := range known {
		if d := distance(normalize(s), normalize(k)); d < least {
			best, least = k, d
		}
	}
	return best, best != "" && least <= max(2, len(s)/3)
}

// normal drops what people get wrong most: case, dashes, underscores.
func normalize(s string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diag, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diag+cost)
		}
	}
	return row[len(b)]
}
