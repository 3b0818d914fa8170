package config

import (
	"fmt"
	"regexp"
	"strings"
)

// addf adds a finding about a pair. sub is the part of its value; "" is the whole.
func (v *checker) addf(s Severity, l Line, sub string, fix func() []edit, write, format string, a ...any) {
	key := l.Key
	if sub != "" {
		key += "." + sub
	}
	v.add(s, l.Number, key, fmt.Sprintf(format, a...), write, fix)
	v.list[len(v.list)-1].origin = l.from
}

// cutComment cuts a value before a # after a blank, which looks like a comment, and cuts blanks.
func cutComment(value string) (text, comment string, ok bool) {
	for i := 1; i < len(value); i++ {
		if value[i] == '#' && (value[i-1] == ' ' || value[i-1] == '\t') {
			return strings.TrimSpace(value[:i]), strings.TrimSpace(value[i+1:]), true
		}
	}
	return strings.TrimSpace(value), "", false
}

// setPair is the fix that gives a pair another value.
func setPair(l Line, value string) func() []edit {
	return func() []edit { return l.edit(value) }
}

// commentAbove is the fix that gives the comment in a value a line above the pair.
func commentAbove(l Line, value, comment string) func() []edit {
	return func() []edit {
		out := l.edit(value)
		out[0].lines = append([]string{strings.TrimRight("# "+strings.Map(oneLine, comment), " ")}, out[0].lines...)
		return out
	}
}

// oneLine keeps what a comment line may have: ISO-8859-1 without control characters.
func oneLine(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

// removePair is the fix that removes a pair.
func removePair(l Line) func() []edit {
	return func() []edit { return []edit{{l.Number, l.last, nil}} }
}

// outOfForce is the fix that turns a pair into a comment.
func outOfForce(l Line) func() []edit {
	return func() []edit {
		out := l.edit(l.Value)
		for i, text := range out[0].lines {
			out[0].lines[i] = strings.TrimSuffix("# "+text, `\`)
		}
		return out
	}
}

// maxSuggested bounds the unknown keys for which a similar one is looked for: that takes a
// millisecond, and a file with more of them is no config.properties.
const maxSuggested = 100

// unknown reports a key that TorchServe ignores.
func (v *checker) unknown(l Line) {
	if l.Number <= v.joinedTo {
		return
	}
	if strings.HasPrefix(l.Key, `"`) || l.Key == "}" || l.Key == "}," || l.Key == "{" {
		v.brokenBlock(l)
		return
	}
	if _, snapshot := v.lookup(keySnapshot); snapshot && (l.Key == "tsConfigFile" || l.Key == "version") {
		return // TorchServe writes them into its snapshots and does not read them
	}
	if m := modelKey(l.Key); m != "" {
		v.misplaced(l, m)
		return
	}
	if v.suggested++; v.suggested > maxSuggested {
		v.addf(Differs, l, "", outOfForce(l), "remove it", "unknown key, which TorchServe ignores")
		return
	}
	if near, ok := nearestKey(l.Key); ok {
		if _, there := v.lookup(near); there {
			v.addf(Differs, l, "", outOfForce(l), "remove it, "+near+" is there", "unknown key, which TorchServe ignores; did you mean %s?", near)
			return
		}
		renamed := l
		renamed.Key = near
		v.addf(Differs, l, "", setPair(renamed, l.Value), "write "+near, "unknown key, which TorchServe ignores; did you mean %s?", near)
		return
	}
	v.addf(Differs, l, "", outOfForce(l), "remove it", "unknown key, which TorchServe ignores")
}

// misplaced reports a key of a model that stands beside the block.
func (v *checker) misplaced(l Line, meant string) {
	const does = "TorchServe reads %s only in the block of models, and in the model-config.yaml of an archive; here it ignores it"
	block, ok := v.lookup(keyModels)
	object, isTree := readTree(block.Value, 0)
	n, whole := wholeNumber(strings.TrimSpace(l.Value))
	if !ok || !isTree || !whole || n <= 0 || len(object.members) != 1 || object.members[0].object == nil || len(object.members[0].object.members) != 1 {
		v.addf(Differs, l, "", outOfForce(l), "write "+meant+" into the block of models", does, meant)
		return
	}
	change := func(t *tree) {
		version := t.members[0].object.members[0].object
		if version != nil && version.index(meant) < 0 {
			version.set(meant, fmt.Sprint(n))
		}
	}
	v.addf(Differs, l, "", func() []edit { return append(editBlock(block, change)(), removePair(l)()...) }, "write "+meant+" into the block of models", does, meant)
}

// brokenBlock reports a line of the block that became a pair of its own.
func (v *checker) brokenBlock(l Line) {
	block, ok := v.lookup(keyModels)
	if !ok || block.Number > l.Number {
		v.addf(Differs, l, "", outOfForce(l), "remove it", "unknown key, which TorchServe ignores")
		return
	}
	v.addf(Differs, l, "", nil, "end the line above in a backslash",
		"this line is a key of its own, which TorchServe ignores: the line above does not end in a backslash")
}

// environment reports $$NAME$$.
func (v *checker) environment(l Line) {
	if name := variable.FindStringSubmatch(l.Value); name != nil {
		v.addf(Note, l, "", nil, "", "TorchServe replaces $$%s$$ by that environment variable, and does not start without it", name[1])
	}
}

var variable = regexp.MustCompile(`\$\$([^$]+)\$\$`)

// startScript reports keys that the Python start script must find too. It reads one line, and
// only the sign = separates.
func (v *checker) startScript(l Line) {
	if l.Key != keyModelStore && l.Key != "vmargs" && l.Key != "plugins_path" || l.Number == 0 {
		return
	}
	text := l.raw
	before, _, equals := strings.Cut(text, "=")
	if equals && strings.TrimSpace(before) == l.Key && l.last == l.Number {
		return
	}
	effect := "so the value has no effect"
	if l.Key == keyModelStore {
		effect = "so TorchServe does not start unless --model-store is given"
	}
	v.addf(Differs, l, "", setPair(l, l.Value), "write "+l.Key+"=VALUE on one line", "the start script reads this key only from one line with the sign =, %s", effect)
}

var addressForm = regexp.MustCompile(`(?i)^(((https|http)://([^:^/]+)(:([0-9]+))?)|(unix:(/.*)))$`)

// address reports an address that TorchServe refuses.
func (v *checker) address(l Line) {
	if variable.MatchString(l.Value) || addressForm.MatchString(l.Value) {
		return
	}
	var fix func() []edit
	write := "write http://HOST:PORT, https://HOST:PORT or unix:/PATH"
	guess := strings.TrimRight(l.Value, "/")
	if !strings.Contains(guess, "://") {
		guess = "http://" + guess
	}
	if addressForm.MatchString(guess) {
		fix, write = setPair(l, guess), "write "+guess
	}
	v.addf(Refuses, l, "", fix, write, "%s is not an address: TorchServe does not start", quoteText(l.Value))
}

// metricsMode reports a mode that TorchServe does not know.
func (v *checker) metricsMode(l Line) string {
	mode := strings.ToLower(strings.Join(strings.Fields(l.Value), ""))
	if mode != "log" && mode != "prometheus" && mode != "legacy" {
		v.addf(Differs, l, "", nil, "write log, prometheus or legacy", "TorchServe does not know %s and takes log", quoteText(l.Value))
		return "log"
	}
	return mode
}

// seconds reports a number of seconds that looks like milliseconds.
func (v *findings) seconds(line int, key string, n int) {
	if n >= 5000 {
		v.add(Note, line, key, fmt.Sprintf("the unit is seconds: %d are %.1f hours", n, float64(n)/3600), "", nil)
	}
}
