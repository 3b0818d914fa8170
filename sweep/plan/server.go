package plan

import (
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
)

// Command is the target of plans that have a Server.
const Command = "command"

// Server says how a server is started by a command, when it is ready, and where it gets its requests.
// Its texts may have placeholders: {NAME} is the value of a knob, {port} and {port_WORD} are free ports
// that are chosen at each start, and the name of one of Files is the path of the file that was written.
type Server struct {
	Command []string          // the program and its arguments; the program must stay in the foreground
	Env     map[string]string // added to the environment of this program
	Files   map[string]string // paths of templates, by the names of their placeholders
	Ready   Ready
	Request Request
	Live    []Call // change knobs of the running server; the other knobs need a new start
}

// Ready says when a server is ready.
type Ready struct {
	URL    string        // must answer 200; if "", the first request must be answered with 200-299
	Within time.Duration // longest time from the start
}

// Request is where the requests of the load are sent, with POST. Their bodies are the plan's input.
type Request struct {
	URL    string
	Header map[string]string
}

// Call is an HTTP request.
type Call struct {
	Method string
	URL    string
	Header map[string]string
	Body   string
}

// Defaults and limits of a server.
const (
	defaultWithin = time.Minute
	maxWithin     = time.Hour
	defaultMethod = "POST"
	maxCalls      = 16
	// Port is the placeholder of a free port. Others begin with portPrefix.
	Port       = "port"
	portPrefix = "port_"
)

var (
	placeholderIn = regexp.MustCompile(`\{([a-z0-9_.-]+)\}`)
	fileName      = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	envName       = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	methodName    = regexp.MustCompile(`^[A-Z]+$`)
	headerName    = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

// Placeholders returns the names of the placeholders in texts, sorted, without duplicates.
func Placeholders(texts ...string) []string {
	var out []string
	for _, t := range texts {
		for _, m := range placeholderIn.FindAllStringSubmatch(t, -1) {
			out = append(out, m[1])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// IsPort reports whether a placeholder is a free port.
func IsPort(name string) bool { return name == Port || strings.HasPrefix(name, portPrefix) }

// Fill returns text with the placeholders replaced that have a value.
func Fill(text string, values map[string]string) string {
	return placeholderIn.ReplaceAllStringFunc(text, func(m string) string {
		if v, ok := values[m[1:len(m)-1]]; ok {
			return v
		}
		return m
	})
}

// startTexts returns all texts that are needed to start the server: the command and the environment.
func (s *Server) startTexts() []string {
	return append(slices.Clone(s.Command), slices.Collect(maps.Values(s.Env))...)
}

// Secrets returns the values of variables and headers that may be secrets: those of at least 8 bytes
// that are more than a placeholder. The server may be nil.
func (s *Server) Secrets() []string {
	if s == nil {
		return nil
	}
	all := slices.Concat(slices.Collect(maps.Values(s.Env)), slices.Collect(maps.Values(s.Request.Header)))
	for _, c := range s.Live {
		all = append(all, slices.Collect(maps.Values(c.Header))...)
	}
	var out []string
	for _, v := range all {
		if word, ok := strings.CutPrefix(v, "Bearer "); ok {
			v = word
		}
		if len(v) >= 8 && len(Placeholders(v)) == 0 {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Texts returns the texts of the call.
func (c Call) Texts() []string {
	return append([]string{c.URL, c.Body}, slices.Collect(maps.Values(c.Header))...)
}

// OwnKnobs describes the knobs of the plan that are none of the seven, by their ranges: a list
// of values has them in this order, and a range of numbers has its ends.
func (p Plan) OwnKnobs() []knob.Knob {
	var out []knob.Knob
	for _, n := range p.ownNames() {
		k := knob.Knob{Name: n, Label: string(n), Help: "a change starts the server again", Cost: knob.Reload}
		if p.Server != nil && p.Server.isLive(n) {
			k.Cost, k.Help = knob.Hot, "changed by an HTTP call to the server"
		}
		parts := strings.Split(p.Knobs[n], ",")
		if low, high, fractions, ok := numericRange(parts); ok && low < high {
			k.Min, k.Max, k.Fractions = low, high, fractions
		} else {
			k.Values = parts
		}
		out = append(out, k)
	}
	return out
}

// isLive reports whether a call can change the knob, and the start does not need it: a knob in both is
// started with its value and then changed by calls.
func (s *Server) isLive(n knob.Name) bool {
	return slices.ContainsFunc(s.Live, func(c Call) bool { return slices.Contains(Placeholders(c.Texts()...), string(n)) })
}

// numericRange returns the ends of numbers and ranges of numbers; ok is false if there is another
// value, or no range.
func numericRange(parts []string) (low, high float64, fractions, ok bool) {
	ranges := false
	for i, part := range parts {
		ends := []string{part}
		if at := strings.Index(part, "-"); at > 0 {
			top, step, _ := cutAny(part[at+1:], "*+")
			ends, ranges = []string{part[:at], top}, true
			fractions = fractions || strings.Contains(step, ".")
		}
		for _, end := range ends {
			v, err := strconv.ParseFloat(end, 64)
			if err != nil || v-v != 0 {
				return 0, 0, false, false
			}
			if i == 0 && end == ends[0] {
				low, high = v, v
			}
			low, high = min(low, v), max(high, v)
			fractions = fractions || strings.Contains(end, ".")
		}
	}
	return low, high, fractions, ranges
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// checkServer checks the server of a plan, and that its texts and the knobs fit each other.
func (p Plan) checkServer(c *fieldErrors) {
	s := p.Server
	switch {
	case s == nil && p.Target == Command:
		c.add("target", "command: the plan must say under server how to start it; see docs/targets.md")
		return
	case s == nil:
		return
	case p.Target != Command:
		c.add("server", "target %s starts no command; use target: command, or leave out server", p.Target)
		return
	}
	s.checkStart(c)
	if s.Ready.Within <= 0 || s.Ready.Within > maxWithin {
		c.add("server: ready: within", "%v: want more than 0s, at most %v", s.Ready.Within, maxWithin)
	}
	if s.Ready.URL != "" {
		p.checkURL(c, "server: ready: url", s.Ready.URL)
	}
	p.checkURL(c, "server: request: url", s.Request.URL)
	checkHeader(c, "server: request: headers", s.Request.Header)
	if len(s.Live) > maxCalls {
		c.add("server: live", "%d calls: want at most %d", len(s.Live), maxCalls)
	}
	for _, call := range s.Live {
		p.checkURL(c, "server: live: url", call.URL)
		checkHeader(c, "server: live: headers", call.Header)
		if !methodName.MatchString(call.Method) {
			c.add("server: live: method", "%q: want GET, POST, PUT or another method in capitals", call.Method)
		}
		c.checkLines("server: live: body", call.Body)
		p.checkPlaceholders(c, "server: live", call.Texts()...)
	}
	p.checkPlaceholders(c, "server: command", s.Command...)
	p.checkPlaceholders(c, "server: env", slices.Collect(maps.Values(s.Env))...)
	p.checkPlaceholders(c, "server: request", append(slices.Collect(maps.Values(s.Request.Header)), s.Request.URL)...)
	p.checkPlaceholders(c, "server: ready", s.Ready.URL)
	p.checkUsed(c)
}

// checkStart checks the command, the environment and the files.
func (s *Server) checkStart(c *fieldErrors) {
	if len(s.Command) == 0 || s.Command[0] == "" {
		c.add("server: command", "there is no program; write command: python3 server.py --port {port}")
	}
	for _, word := range s.Command {
		c.checkLines("server: command", word)
	}
	for _, n := range slices.Sorted(maps.Keys(s.Env)) {
		if !envName.MatchString(n) {
			c.add("server: env", "%q is not the name of a variable", n)
		}
		c.checkLines("server: env: "+n, s.Env[n])
	}
	for _, n := range slices.Sorted(maps.Keys(s.Files)) {
		if !fileName.MatchString(n) || IsPort(n) {
			c.add("server: files", "%q: want a name of a-z, digits and _, other than port and port_...", n)
		}
		if s.Files[n] == "" {
			c.add("server: files: "+n, "there is no path of a template")
		}
		c.checkText("server: files: "+n, s.Files[n])
	}
}

// checkLines checks a text that may have several lines.
func (c *fieldErrors) checkLines(path, v string) {
	c.checkText(path, strings.NewReplacer("\n", "", "\t", "").Replace(v))
}

func checkHeader(c *fieldErrors, path string, header map[string]string) {
	for _, n := range slices.Sorted(maps.Keys(header)) {
		if !headerName.MatchString(n) {
			c.add(path, "%q is not the name of a header", n)
		}
		c.checkText(path+": "+n, header[n])
	}
}

// checkURL checks a URL whose placeholders are replaced. Its host must be this machine, where the
// command runs.
func (p Plan) checkURL(c *fieldErrors, path, text string) {
	u, err := url.Parse(placeholderIn.ReplaceAllString(text, "1"))
	switch {
	case text == "":
		c.add(path, "there is none; write http://127.0.0.1:{port}/PATH")
		return
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		c.add(path, "%q: want printable ASCII without blanks", text)
		return
	case err != nil || u.Scheme != "http" || u.Hostname() == "" || u.User != nil:
		c.add(path, "%q: want http://127.0.0.1:{port}/PATH", text)
		return
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.add(path, "%q: the command runs on this machine: want 127.0.0.1, [::1] or localhost", text)
	}
}

// checkPlaceholders reports placeholders that nothing replaces.
func (p Plan) checkPlaceholders(c *fieldErrors, path string, texts ...string) {
	known := append(slices.Collect(maps.Keys(p.Server.Files)), Port)
	for n := range p.Knobs {
		if !IsPort(string(n)) {
			known = append(known, string(n))
		}
	}
	slices.Sort(known)
	for _, n := range Placeholders(texts...) {
		if !slices.Contains(known, n) && !IsPort(n) {
			c.add(path, "{%s}: there is no such knob under knobs, and no such file%s", n, knob.Suggest(n, known))
		}
	}
}

// checkUsed reports knobs and files that the server does not get. Files may have any knob, and
// only the target reads them.
func (p Plan) checkUsed(c *fieldErrors) {
	s := p.Server
	texts := append(s.startTexts(), s.Request.URL)
	for _, call := range s.Live {
		texts = append(texts, call.Texts()...)
	}
	used := Placeholders(texts...)
	for _, n := range slices.Sorted(maps.Keys(s.Files)) {
		if _, isKnob := p.Knobs[knob.Name(n)]; isKnob {
			c.add("server: files", "%q is a knob too; use another name", n)
		}
		if !slices.Contains(used, n) {
			c.add("server: files: "+n, "the server does not get the file: write {%s} in command or env", n)
		}
	}
	if slices.Contains(Placeholders(s.Request.URL), Port) && len(s.Files) == 0 && !slices.Contains(Placeholders(s.startTexts()...), Port) {
		c.add("server: request: url", "%q: the server does not get its port: write {port} in command or env too", s.Request.URL)
	}
	for _, n := range slices.Sorted(maps.Keys(p.Knobs)) {
		if len(s.Files) == 0 && !slices.Contains(used, string(n)) {
			c.add(join("knobs", string(n)), "the server does not get it: write {%s} in command, env, files or live", n)
		}
		if _, isSeven := knob.Get(n); !isSeven && p.Knobs[n] == knob.Auto {
			c.add(join("knobs", string(n)), "auto needs a target that reports its values; write values or a range")
		}
		if IsPort(string(n)) {
			c.add("knobs", "%s is a free port of the server; use another name", n)
		}
	}
}
