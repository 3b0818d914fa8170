package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Encode writes the lines in order as key=value with LF, in ASCII except for comments. It
// writes a value of models or model_snapshot that is a JSON object on several lines with
// continuations, as in TorchServe's examples; it parses to the same JSON. Every other value
// parses to the same bytes.
func (f *File) Encode() []byte {
	var b bytes.Buffer
	for _, l := range f.Lines {
		switch l.Kind {
		case Comment:
			b.Write(comment(l.Text))
		case Pair:
			escape(&b, l.Key, true)
			b.WriteByte('=')
			if block, ok := indentedJSON(l.Key, l.Value); ok {
				b.Write(block)
			} else {
				escape(&b, l.Value, false)
			}
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// indentedJSON returns a JSON value on several continued lines.
func indentedJSON(key, value string) ([]byte, bool) {
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

// escape writes text so that Java reads the same text. It escapes the blanks of a key, and
// those at both ends of a value, so that a blank at the end is visible.
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

// comment encodes a comment line in ISO-8859-1. Comments have no escapes, so other characters
// become question marks.
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
