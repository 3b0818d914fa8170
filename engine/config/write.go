package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Encode writes the file: lines in order, key=value, ASCII but for comments,
// LF. A value of models or model_snapshot that is a JSON object is laid out over
// several lines, each but the last ending in a backslash, as TorchServe's own
// examples have it; parsed again it is the same JSON. Every other value comes
// back byte for byte.
func (f *File) Encode() []byte {
	var b bytes.Buffer
	for _, l := range f.Lines {
		switch l.Kind {
		case Comment:
			b.Write(comment(l.Text))
		case Pair:
			escape(&b, l.Key, true)
			b.WriteByte('=')
			if block, ok := layout(l.Key, l.Value); ok {
				b.Write(block)
			} else {
				escape(&b, l.Value, false)
			}
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// layout is the many-line form of a JSON value.
func layout(key, value string) ([]byte, bool) {
	if key != keyModels && key != keySnapshot || !strings.HasPrefix(value, "{") {
		return nil, false
	}
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(value), "", "  ") != nil {
		return nil, false
	}
	var b bytes.Buffer
	for line := range strings.Lines(strings.TrimRight(indented.String(), " \t\r\n")) {
		text, more := strings.CutSuffix(line, "\n")
		body := strings.TrimLeft(text, " ")
		b.WriteString(text[:len(text)-len(body)])
		escape(&b, body, false)
		if more {
			b.WriteString("\\\n")
		}
	}
	return b.Bytes(), true
}

// escape writes text so that Java reads it back. Blanks count in a key, and at
// both ends of a value; an escaped blank at the end can be seen.
func escape(b *bytes.Buffer, text string, key bool) {
	body := strings.TrimRight(text, " ")
	for i, r := range text {
		switch {
		case r == ' ' && i >= len(body) && i > 0:
			b.WriteString(`\u0020`)
		case r == ' ' && (key || i == 0), r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case key && (r == '=' || r == ':' || i == 0 && (r == '#' || r == '!')):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		default:
			escapeRare(b, r)
		}
	}
}

func escapeRare(b *bytes.Buffer, r rune) {
	if i := strings.IndexRune("\t\n\r\f", r); i >= 0 {
		b.WriteByte('\\')
		b.WriteByte("tnrf"[i])
		return
	}
	if r < 0x10000 {
		fmt.Fprintf(b, `\u%04X`, r)
		return
	}
	high, low := utf16.EncodeRune(r)
	fmt.Fprintf(b, `\u%04X\u%04X`, high, low)
}

// comment is a comment line in ISO-8859-1: comments know no escapes, so what
// does not fit becomes a question mark.
func comment(text string) []byte {
	if text == "" || text[0] != '#' && text[0] != '!' {
		text = "# " + text
	}
	out := make([]byte, 0, len(text))
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r':
			out = append(out, ' ')
		case r > 0xFF:
			out = append(out, '?')
		default:
			out = append(out, byte(r))
		}
	}
	return out
}
