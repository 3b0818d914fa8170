package torchserve

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// markup matches HTML tags and entities.
var markup = regexp.MustCompile(`<.*?>|&([a-z0-9]+|#[0-9]{1,6}|#x[0-9a-f]{1,6});`)

// Tokens splits a text into words as TorchServe's text_classifier does: without HTML tags and entities, in lower case, with
// contractions expanded, in ASCII without accents, without punctuation. What the tokenizer basic_english has to do after that is to
// make letters small that were none before (the sign for number becomes no), and to split at white space.
func Tokens(text string) []string {
	text = strings.ToLower(markup.ReplaceAllString(text, ""))
	if strings.Contains(text, "'") {
		text = expandContractions(text)
	}
	return strings.FieldsFunc(strings.ToLower(plainASCII(text)), isSpace)
}

// plainASCII returns the ASCII characters of a text, of letters with accents the letter, without punctuation.
func plainASCII(text string) string {
	if !isASCII(text) {
		text = norm.NFKD.String(text)
	}
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf || isPunctuation(r) {
			return -1
		}
		return r
	}, text)
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isPunctuation(r rune) bool {
	return r >= '!' && r <= '/' || r >= ':' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~'
}

// isSpace reports what is white space in Python.
func isSpace(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' || r >= 0x1c && r <= 0x1f }

// ngrams appends to the tokens their sequences of 2 to n, joined by blanks.
func ngrams(tokens []string, n int) []string {
	out := append(make([]string, 0, n*len(tokens)), tokens...)
	for size := 2; size <= n; size++ {
		for i := range len(tokens) - size + 1 {
			out = append(out, strings.Join(tokens[i:i+size], " "))
		}
	}
	return out
}
