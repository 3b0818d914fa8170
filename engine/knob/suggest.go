package knob

import (
	"fmt"
	"strings"
)

// Suggest returns the end of an error text about the unknown name s: "; did you mean X?" with the
// most similar known name, or, if no name is similar, "; known: ..." with all of them.
func Suggest(s string, known []string) string {
	if best, similar := Nearest(s, known); similar {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; known: " + strings.Join(known, ", ")
}

// Nearest returns the known name with the smallest edit distance to s, and whether it is similar
// enough to be a misspelling.
func Nearest(s string, known []string) (best string, similar bool) {
	smallest := 1 << 30
	for _, k := range known {
		if d := distance(normalize(s), normalize(k)); d < smallest {
			best, smallest = k, d
		}
	}
	return best, best != "" && smallest <= max(2, len(s)/3)
}

// normalize removes the most frequent differences: case, dashes, underscores and blanks.
func normalize(s string) string { return separators.Replace(strings.ToLower(s)) }

var separators = strings.NewReplacer("-", "", "_", "", " ", "")

// distance returns the Levenshtein distance in bytes.
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
