//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sweetspot/engine/tensor"
)

// runExample runs a curl command in a folder and returns what it prints. It knows the flags
// of docs/bodies.md, and behind a pipe head -c N and od -A n -t f4.
func runExample(t *testing.T, dir, command string) string {
	t.Helper()
	words := shellWords(t, command)
	var filter []string
	if i := slices.Index(words, "|"); i >= 0 {
		words, filter = words[:i], words[i+1:]
	}
	if words[0] != "curl" {
		t.Fatalf("%q is not curl", command)
	}
	c := curl{t: t, dir: dir, method: http.MethodGet, header: http.Header{}}
	for words = words[1:]; len(words) > 0; words = words[1:] {
		if flag := words[0]; strings.HasPrefix(flag, "-") && flag != "-s" {
			words = words[1:]
			c.flag(flag, words[0])
		} else if flag != "-s" {
			c.url = flag
		}
	}
	return filtered(t, c.do(), filter)
}

// shellWords splits a command at blanks outside quotes.
func shellWords(t *testing.T, command string) []string {
	t.Helper()
	var words []string
	word, quote, in := "", rune(0), false
	for _, r := range command {
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, in = r, true
		case quote == 0 && r == ' ' && in:
			words, word, in = append(words, word), "", false
		case quote == 0 && r == ' ':
		default:
			word, in = word+string(r), true
		}
	}
	if quote != 0 {
		t.Fatalf("%q: a quote is open", command)
	}
	return append(words, word)
}

// filtered is an answer behind a pipe.
func filtered(t *testing.T, answer []byte, filter []string) string {
	t.Helper()
	switch command := strings.Join(filter, " "); {
	case command == "":
		return string(answer)
	case strings.HasPrefix(command, "head -c "):
		n, err := strconv.Atoi(filter[2])
		if err != nil {
			t.Fatal(err)
		}
		return string(answer[:min(n, len(answer))])
	case command == "od -A n -t f4":
		return strings.Trim(fmt.Sprint(tensor.Tensor{Type: tensor.Float32, Data: answer}.Numbers()), "[]")
	default:
		t.Fatalf("unknown command behind a pipe: %s", command)
		return ""
	}
}

// curl is one request.
type curl struct {
	t        *testing.T
	dir      string
	method   string
	url      string
	header   http.Header
	body     []byte
	writeOut string
	form     *multipart.Writer
	parts    bytes.Buffer
}

// flag sets a flag of curl.
func (c *curl) flag(name, value string) {
	c.t.Helper()
	switch name {
	case "-H":
		key, text, _ := strings.Cut(value, ": ")
		c.header.Set(key, text)
	case "-w":
		c.writeOut = strings.ReplaceAll(value, `\n`, "\n")
	case "-T":
		c.method, c.body = http.MethodPut, c.file(value)
	case "-d", "--data-binary":
		c.method = http.MethodPost
		if c.header.Get("Content-Type") == "" {
			c.header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		c.body = []byte(value)
		if path, ok := strings.CutPrefix(value, "@"); ok {
			c.body = c.file(path)
		}
	case "-F":
		c.method = http.MethodPost
		c.part(value)
	default:
		c.t.Fatalf("unknown flag %s", name)
	}
}

func (c *curl) file(path string) []byte {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, path))
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

// part adds a part of a form: NAME=VALUE or NAME=@FILE, perhaps with ;type=TYPE.
func (c *curl) part(text string) {
	c.t.Helper()
	if c.form == nil {
		c.form = multipart.NewWriter(&c.parts)
	}
	name, value, _ := strings.Cut(text, "=")
	value, kind, _ := strings.Cut(value, ";type=")
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q", name))
	data := []byte(value)
	if path, ok := strings.CutPrefix(value, "@"); ok {
		h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", name, path))
		data = c.file(path)
		if kind == "" {
			kind = map[string]string{".png": "image/png"}[filepath.Ext(path)]
		}
		if kind == "" {
			kind = "application/octet-stream"
		}
	}
	if kind != "" {
		h.Set("Content-Type", kind)
	}
	w, err := c.form.CreatePart(h)
	if err == nil {
		_, err = w.Write(data)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// do sends the request and returns what curl prints.
func (c *curl) do() []byte {
	c.t.Helper()
	if c.form != nil {
		if err := c.form.Close(); err != nil {
			c.t.Fatal(err)
		}
		c.header.Set("Content-Type", c.form.FormDataContentType())
		c.body = c.parts.Bytes()
	}
	req, err := http.NewRequestWithContext(c.t.Context(), c.method, c.url, bytes.NewReader(c.body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = c.header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	text := strings.NewReplacer("%{http_code}", strconv.Itoa(resp.StatusCode), "%{content_type}", resp.Header.Get("Content-Type")).Replace(c.writeOut)
	return append(out, text...)
}
