package profiles

import (
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sweetspot/sweep/trial"
)

// scrubber takes out of texts what tells who ran a sweep, and where: paths are
// cut to their last part, foreign hosts become "remote", secrets "***".
type scrubber struct{ secrets []string }

var (
	urlIn  = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>|]*[^\s"'<>|:,;.)\]]`)
	pathIn = regexp.MustCompile(`(^|[\s"'(\[=,:])((?:~[\w.-]*|\.{1,2}|[A-Za-z]:)?[/\\][^\s"'<>|:,;)\]]*[/\\][^\s"'<>|:,;)\]]*)`)
)

// text scrubs prose, such as an error.
func (s scrubber) text(t string) string {
	for _, secret := range s.secrets {
		if secret != "" {
			t = strings.ReplaceAll(t, secret, "***")
		}
	}
	t = urlIn.ReplaceAllStringFunc(t, place)
	return pathIn.ReplaceAllStringFunc(t, func(m string) string {
		parts := pathIn.FindStringSubmatch(m)
		if strings.HasPrefix(parts[2], "//") {
			return m // the rest of a URL, scrubbed above
		}
		return parts[1] + place(parts[2])
	})
}

func (s scrubber) warnings(ws []trial.Warning) []trial.Warning {
	out := make([]trial.Warning, len(ws)) // never nil: null would read as unknown
	for i, w := range ws {
		out[i] = trial.Warning{Kind: w.Kind, Text: s.text(w.Text)}
	}
	return out
}

// place shortens a source, a file or a URL: to the last part of a path, or to
// scheme and port of a URL. A loopback URL tells nothing and keeps its path.
func place(s string) string {
	if strings.Contains(s, "://") {
		return placeURL(s)
	}
	prefix := ""
	for _, p := range []string{"sim:", "@"} { // of models, and of files of lengths
		if name, ok := strings.CutPrefix(s, p); ok {
			prefix, s = p, name
		}
	}
	s = strings.TrimRight(s, `/\`)
	return prefix + s[strings.LastIndexAny(s, `/\`)+1:]
}

func placeURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "remote"
	}
	host, rest := u.Hostname(), u.Path
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		host, rest = "remote", ""
	}
	if port := u.Port(); port != "" {
		host = net.JoinHostPort(host, port)
	}
	return u.Scheme + "://" + host + rest
}

// plan shortens every place in a plan's values.
func (s scrubber) plan(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("{}"), nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // a seed may not fit a float
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(s.value(v))
}

func (s scrubber) value(v any) any {
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "gpu:") {
			return v // a slice of a GPU has slashes in its name
		}
		return place(s.text(v))
	case []any:
		for i := range v {
			v[i] = s.value(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = s.value(v[k])
		}
	}
	return v
}

func (s scrubber) header(h Header) (Header, error) {
	h.Created = stamp(h.Created)
	h.Model.Source = place(h.Model.Source)
	h.Machine = h.Machine.Complete()
	var err error
	h.Plan, err = s.plan(h.Plan)
	return h, err
}

func (s scrubber) trial(t trial.Trial) trial.Trial {
	t.At = stamp(t.At)
	t.Reason, t.Error = s.text(t.Reason), s.text(t.Error)
	t.Load.File = place(t.Load.File)
	t.Verdict.Why = s.text(t.Verdict.Why)
	t.Use.GPU.Reason = s.text(t.Use.GPU.Reason)
	t.Warnings = s.warnings(t.Warnings)
	if t.Status == nil {
		t.Status = map[string]int{}
	}
	return t
}

func (s scrubber) choice(c trial.Choice) trial.Choice {
	c.At = stamp(c.At)
	c.Why.Text, c.Why.Limit = s.text(c.Why.Text), s.text(c.Why.Limit)
	c.Why.Lines = slices.Clone(c.Why.Lines)
	for i, l := range c.Why.Lines {
		c.Why.Lines[i].Text = s.text(l.Text)
	}
	skipped := make([]trial.Skip, len(c.Why.Skipped))
	for i, k := range c.Why.Skipped {
		skipped[i] = trial.Skip{Settings: k.Settings, Reason: s.text(k.Reason)}
	}
	c.Why.Skipped = skipped
	if c.Why.RunnersUp == nil {
		c.Why.RunnersUp = []int{}
	}
	return c
}
