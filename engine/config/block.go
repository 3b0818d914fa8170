package config

import (
	"encoding/json"
	"slices"
	"strings"
)

// tree is a JSON object that keeps the order of its members. Members that are no objects are
// kept as they are written.
type tree struct {
	members []treeMember
}

type treeMember struct {
	key    string
	object *tree  // or
	raw    string // the text of another value
}

// maxDepth bounds the objects in objects that a tree keeps apart; deeper ones are raw.
const maxDepth = 4

// readTree reads a JSON object. ok is false if text is none.
func readTree(text string, depth int) (t *tree, ok bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, false
	}
	t = &tree{}
	for dec.More() {
		tok, err := dec.Token()
		key, isText := tok.(string)
		if err != nil || !isText {
			return nil, false
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return nil, false
		}
		m := treeMember{key: key, raw: string(raw)}
		if depth < maxDepth && strings.HasPrefix(m.raw, "{") {
			if m.object, ok = readTree(m.raw, depth+1); !ok {
				return nil, false
			}
		}
		t.members = append(t.members, m)
	}
	if _, err := dec.Token(); err != nil || dec.More() {
		return nil, false
	}
	return t, true
}

func (t *tree) index(key string) int {
	return slices.IndexFunc(t.members, func(m treeMember) bool { return m.key == key })
}

// at returns the object below keys, or nil.
func (t *tree) at(keys ...string) *tree {
	for _, k := range keys {
		i := -1
		if t != nil {
			i = t.index(k)
		}
		if i < 0 {
			return nil
		}
		t = t.members[i].object
	}
	return t
}

// set sets the text of a member, or appends one.
func (t *tree) set(key, raw string) {
	if i := t.index(key); i >= 0 {
		t.members[i] = treeMember{key: key, raw: raw}
		return
	}
	t.members = append(t.members, treeMember{key: key, raw: raw})
}

func (t *tree) remove(key string) {
	t.members = slices.DeleteFunc(t.members, func(m treeMember) bool { return m.key == key })
}

// rename renames a member; one that has the new name already is removed.
func (t *tree) rename(from, to string) {
	if i := t.index(from); i >= 0 && from != to {
		t.remove(to)
		t.members[t.index(from)].key = to
	}
}

func (t *tree) String() string {
	parts := make([]string, len(t.members))
	for i, m := range t.members {
		raw := m.raw
		if m.object != nil {
			raw = m.object.String()
		}
		parts[i] = quote(m.key) + ": " + raw
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// editBlock returns the edits that change the JSON object of a pair.
func editBlock(l Line, change func(*tree)) func() []edit {
	return func() []edit {
		t, ok := readTree(l.Value, 0)
		if !ok {
			return nil
		}
		change(t)
		return l.edit(t.String())
	}
}

// edit returns the edits that give the pair another value.
func (l Line) edit(value string) []edit {
	f := File{Lines: []Line{{Kind: Pair, Key: l.Key, Value: value}}}
	text := strings.TrimSuffix(string(f.Encode()), "\n")
	return []edit{{l.Number, l.last, strings.Split(text, "\n")}}
}
