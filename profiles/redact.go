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

// redactor removes from texts who ran a sweep, and where: paths are cut to their last
// element, other hosts are replaced by "remote", and secrets by "***".
type redactor struct{ secrets []string }

var (
	urlIn  = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>|]*[^\s"'<>|:,;.)\]]`)
	pathIn = regexp.MustCompile(`(^|[\s"'(\[=,:])((?:~[\w.-]*|\.{1,2}|[A-Za-z]:)?[/\\][^\s"'<>|:,;)\]]*[/\\][^\s"'<>|:,;)\]]*)`)
)

// text redacts a text, such as an error message.
func (r redactor) text(t string) string {
	for _, secret := range r.secrets {
		if secret != "" {
			t = strings.ReplaceAll(t, secret, "***")
		}
	}
	t = urlIn.ReplaceAllStringFunc(t, shorten)
	return pathIn.ReplaceAllStringFunc(t, func(m string) string {
		parts := pathIn.FindStringSubmatch(m)
		if strings.HasPrefix(parts[2], "//") {
			return m // the rest of a URL, redacted above
		}
		return parts[1] + shorten(parts[2])
	})
}

func (r redactor) warnings(ws []trial.Warning) []trial.Warning {
	out := make([]trial.Warning, len(ws)) // never nil, because null means not measured
	for i, w := range ws {
		out[i] = trial.Warning{Kind: w.Kind, Text: r.text(w.Text)}
	}
	return out
}

// shorten cuts a path to its last element, and a URL to its scheme and port. A URL of
// the loopback interface identifies nobody and is kept with its path.
func shorten(s string) string {
	if strings.Contains(s, "://") {
		all := strings.Split(s, ",") // a fleet
		for i, at := range all {
			if !strings.Contains(at, "://") {
				return shortenURL(s)
			}
			all[i] = shortenURL(strings.TrimSpace(at))
		}
		return strings.Join(all, ",")
	}
	prefix := ""
	if name, ok := strings.CutPrefix(s, "sim:"); ok {
		prefix, s = "sim:", name
	}
	s = strings.TrimRight(s, `/\`)
	return prefix + s[strings.LastIndexAny(s, `/\`)+1:]
}

func shortenURL(s string) string {
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

// plan redacts all values of a plan.
func (r redactor) plan(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("{}"), nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // a float64 may not hold a seed exactly
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if m, ok := v.(map[string]any); ok {
		hideSecrets(m["server"])
	}
	return json.Marshal(r.value(v))
}

// Texts of a plan's server that may be secrets: an argument such as --api-key=..., or the argument
// after --api-key. A value that is only a placeholder is none.
var (
	secretFlag  = regexp.MustCompile(`(?i)^(-{0,2}[\w.-]*(token|secret|password|passwd|credential|key)[\w.-]*)(=.*)?$`)
	placeholder = regexp.MustCompile(`^\{[a-z0-9_.-]+\}$`)
)

// hideSecrets replaces all values of variables and headers in the server of a plan, and
// arguments that may be secrets. The server may be nil.
func hideSecrets(server any) {
	s, ok := server.(map[string]any)
	if !ok {
		return
	}
	hideValues(s["env"])
	calls, _ := s["live"].([]any)
	for _, c := range append(calls, s["request"]) {
		if c, ok := c.(map[string]any); ok {
			hideValues(c["headers"])
		}
	}
	words, _ := s["command"].([]any)
	for i, w := range words {
		text, _ := w.(string)
		m := secretFlag.FindStringSubmatch(text)
		switch {
		case m == nil:
		case m[3] != "" && !placeholder.MatchString(m[3][1:]):
			words[i] = m[1] + "=***"
		case m[3] == "" && i+1 < len(words) && strings.HasPrefix(text, "-"):
			if next, _ := words[i+1].(string); !placeholder.MatchString(next) {
				words[i+1] = "***"
			}
		}
	}
}

// hideValues replaces the values of a map that are more than a placeholder.
func hideValues(v any) {
	m, _ := v.(map[string]any)
	for n, value := range m {
		if text, ok := value.(string); !ok || !placeholder.MatchString(text) {
			m[n] = "***"
		}
	}
}

func (r redactor) value(v any) any {
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "gpu:") {
			return v // the name of a MIG slice of a GPU has slashes
		}
		return shorten(r.text(v))
	case []any:
		for i := range v {
			v[i] = r.value(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = r.value(v[k])
		}
	}
	return v
}

func (r redactor) header(h Header) (Header, error) {
	h.Created = timestamp(h.Created)
	h.Model.Source = shorten(h.Model.Source)
	h.Machine = h.Machine.Complete()
	var err error
	h.Plan, err = r.plan(h.Plan)
	return h, err
}

func (r redactor) trial(t trial.Trial) trial.Trial {
	t.At = timestamp(t.At)
	t.Reason, t.Error = r.text(t.Reason), r.text(t.Error)
	t.Load.File = shorten(t.Load.File)
	t.Verdict.Why = r.text(t.Verdict.Why)
	t.Use.GPU.Reason = r.text(t.Use.GPU.Reason)
	t.Warnings = r.warnings(t.Warnings)
	if t.Status == nil {
		t.Status = map[string]int{}
	}
	return t
}

func (r redactor) holdPeriod(p trial.HoldPeriod) trial.HoldPeriod {
	p.At = timestamp(p.At)
	p.Error, p.Verdict.Why, p.GPU.Reason = r.text(p.Error), r.text(p.Verdict.Why), r.text(p.GPU.Reason)
	p.Warnings = r.warnings(p.Warnings)
	return p
}

func (r redactor) hold(h trial.Hold) trial.Hold {
	h.At = timestamp(h.At)
	h.Load.File = shorten(h.Load.File)
	h.Why, h.Ended, h.ThrottledWhy = r.text(h.Why), r.text(h.Ended), r.text(h.ThrottledWhy)
	return h
}

func (r redactor) choice(c trial.Choice) trial.Choice {
	c.At = timestamp(c.At)
	c.Why.Text, c.Why.Limit = r.text(c.Why.Text), r.text(c.Why.Limit)
	c.Why.Lines = slices.Clone(c.Why.Lines)
	for i, l := range c.Why.Lines {
		c.Why.Lines[i].Text = r.text(l.Text)
	}
	skipped := make([]trial.Skip, len(c.Why.Skipped))
	for i, k := range c.Why.Skipped {
		skipped[i] = trial.Skip{Settings: k.Settings, Reason: r.text(k.Reason)}
	}
	c.Why.Skipped = skipped
	if c.Why.RunnersUp == nil {
		c.Why.RunnersUp = []int{}
	}
	return c
}
