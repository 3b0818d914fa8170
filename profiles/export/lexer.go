package export

import (
	"errors"
	"strings"
)

// quote returns text as one word for a POSIX shell, with quotes only if it needs them.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=@%+,", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// split parses shell commands into words, one list per line. It removes quotes and
// comments and joins continued lines. It does not expand anything: $name and $(...) are
// kept as part of their word. Operators are words.
func split(text string) ([][]string, error) {
	l := lexer{rest: text}
	for l.rest != "" {
		if err := l.step(); err != nil {
			return nil, err
		}
	}
	l.endLine()
	return l.commands, nil
}

// lexer is the state of split.
type lexer struct {
	rest     string
	word     strings.Builder
	inWord   bool // a word may be empty, as in ''
	words    []string
	commands [][]string
}

func (l *lexer) endWord() {
	if l.inWord {
		l.words = append(l.words, l.word.String())
	}
	l.word.Reset()
	l.inWord = false
}

func (l *lexer) endLine() {
	l.endWord()
	if len(l.words) > 0 {
		l.commands = append(l.commands, l.words)
	}
	l.words = nil
}

func (l *lexer) add(text string) {
	l.word.WriteString(text)
	l.inWord = true
}

// step consumes one character, or the quoted text, substitution or comment that it starts.
func (l *lexer) step() error {
	c := l.rest[0]
	switch {
	case strings.HasPrefix(l.rest, "\\\n"):
		l.rest = l.rest[2:]
		return nil
	case c == '\\' && len(l.rest) > 1:
		l.add(l.rest[1:2])
		l.rest = l.rest[2:]
		return nil
	case c == '\'':
		text, rest, ok := strings.Cut(l.rest[1:], "'")
		if !ok {
			return errors.New("missing closing quote '")
		}
		l.add(text)
		l.rest = rest
		return nil
	case c == '"':
		return l.doubleQuotes()
	case strings.HasPrefix(l.rest, "$("):
		return l.substitution()
	case c == '#' && !l.inWord:
		_, rest, _ := strings.Cut(l.rest, "\n")
		l.rest = "\n" + rest
		return nil
	}
	l.rest = l.rest[1:]
	switch c {
	case ' ', '\t':
		l.endWord()
	case '\n':
		l.endLine()
	default:
		l.add(string(c))
	}
	return nil
}

// doubleQuotes consumes a text in double quotes.
func (l *lexer) doubleQuotes() error {
	l.add("")
	for i := 1; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == '"':
			l.rest = l.rest[i+1:]
			return nil
		case c == '\\' && i+1 < len(l.rest) && strings.IndexByte("\"\\$`", l.rest[i+1]) >= 0:
			i++
			l.word.WriteByte(l.rest[i])
		default:
			l.word.WriteByte(c)
		}
	}
	return errors.New(`missing closing quote "`)
}

// substitution consumes $(...) unchanged. Brackets in quotes do not end it.
func (l *lexer) substitution() error {
	quoted := byte(0)
	for i := 2; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '\'' || c == '"':
			quoted = c
		case c == '\\':
			i++
		case c == ')':
			l.add(l.rest[:i+1])
			l.rest = l.rest[i+1:]
			return nil
		}
	}
	return errors.New("missing closing ) of $(")
}
