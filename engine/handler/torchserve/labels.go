package torchserve

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// LabelsFile is the name of the file with the labels in an archive or a folder.
const LabelsFile = "index_to_name.json"

// Labels are the names of classes. The zero value has none: a class is then called by its number. Labels are safe for
// concurrent use.
type Labels struct {
	names map[int64]string
}

// maxLabels is the largest size of the file in bytes.
const maxLabels = 16 << 20

// ParseLabels reads an index_to_name.json in the forms that TorchServe reads: {"0": "cat", ...}, {"0": ["n02123045", "cat"], ...},
// of which the last name counts, and {"object_type_names": ["cat", ...]}.
func ParseLabels(data []byte) (Labels, error) {
	if len(data) > maxLabels {
		return Labels{}, fmt.Errorf("%d bytes, expected at most %d", len(data), maxLabels)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return Labels{}, fmt.Errorf(`%w; write an object with a name for each class, such as {"0": "cat", "1": "dog"}`, err)
	}
	l := Labels{names: make(map[int64]string, len(members))}
	var list []string
	if text, ok := members["object_type_names"]; ok && json.Unmarshal(text, &list) == nil && list != nil {
		for i, name := range list {
			l.names[int64(i)] = name
		}
		return l, nil
	}
	for key, text := range members {
		name, err := labelOf(text)
		if err != nil {
			return Labels{}, fmt.Errorf("class %q: %w", key, err)
		}
		if class, err := strconv.ParseInt(key, 10, 64); err == nil && strconv.FormatInt(class, 10) == key {
			l.names[class] = name
		}
	}
	if len(l.names) == 0 {
		return Labels{}, errors.New(`no class has a number; write an object with a name for each class, such as {"0": "cat", "1": "dog"}`)
	}
	return l, nil
}

// labelOf reads a name, or a list of names, of which it returns the last.
func labelOf(text json.RawMessage) (string, error) {
	var name *string
	if json.Unmarshal(text, &name) == nil && name != nil {
		return *name, nil
	}
	var list []*string
	if err := json.Unmarshal(text, &list); err != nil || len(list) == 0 || list[len(list)-1] == nil {
		return "", fmt.Errorf("%.40s is neither a name nor a list of names", text)
	}
	return *list[len(list)-1], nil
}

// Name returns the name of a class.
func (l Labels) Name(class int64) string {
	if name, ok := l.names[class]; ok {
		return name
	}
	return strconv.FormatInt(class, 10)
}

// Len returns the number of names.
func (l Labels) Len() int { return len(l.names) }
