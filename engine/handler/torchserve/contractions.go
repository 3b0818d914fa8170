package torchserve

import (
	"maps"
	"regexp"
	"strings"
)

// contractionRules are the contractions that text_classifier expands, by their ending: the words
// before it, and what stands for the ending. A word with = has an expansion of its own. Longer forms such as
// can't've have no effect in TorchServe, because its pattern finds can't first; so they are left out.
var contractionRules = []struct{ ending, words, means string }{
	{"n't", "are could did does do had has have is may might must need ought should was were would ai=as sha=shall wo=will", " not"},
	{"'ve", "could might must should so to what when where who why will would i they we you", " have"},
	{"'d", "he i it she that there they we you how=how+did where=where+did", " would"},
	{"'ll", "he how i it she they we what who you", " will"},
	{"'s", "he how it she that there what when where who why let=let+us so=so+as", " is"},
	{"'re", "they we what you", " are"},
	{"'m", "i", " am"},
}

// contractionWords are contractions without such an ending. TorchServe keeps the first character, which is why
// ain't becomes as not and 'cause ecause.
var contractionWords = map[string]string{
	"'cause": "ecause", "can't": "cannot", "ma'am": "madam", "o'clock": "of the clock", "sha'n't": "shall not", "y'all": "you all",
}

// contractions has what stands for each contraction, and pattern finds them, also inside of words.
var contractions, pattern = compileContractions()

func compileContractions() (map[string]string, *regexp.Regexp) {
	all := map[string]string{}
	maps.Copy(all, contractionWords)
	for _, rule := range contractionRules {
		for word := range strings.FieldsSeq(rule.words) {
			short, long, own := strings.Cut(word, "=")
			switch {
			case strings.Contains(long, "+"):
				long = strings.ReplaceAll(long, "+", " ")
			case own:
				long += rule.means
			default:
				long = word + rule.means
			}
			all[short+rule.ending] = long
		}
	}
	var alternatives []string
	for short := range all {
		alternatives = append(alternatives, regexp.QuoteMeta(short))
	}
	return all, regexp.MustCompile(strings.Join(alternatives, "|"))
}

// expandContractions expands the contractions of a text in lower case and removes all other apostrophes.
func expandContractions(text string) string {
	text = pattern.ReplaceAllStringFunc(text, func(short string) string { return contractions[short] })
	return strings.ReplaceAll(text, "'", "")
}
