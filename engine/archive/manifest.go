package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// parse reads the JSON of a manifest. A number is as good as its text, such as a modelVersion of
// 2.0: TorchServe reads it so.
func (m *Manifest) parse(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))) // editors on Windows write it
	d.UseNumber()
	var all any
	if err := d.Decode(&all); err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it is no JSON: there is text after the object")
	}
	if members, ok := all.(map[string]any); ok {
		numbersAsTexts(members)
		if model, ok := members["model"].(map[string]any); ok {
			numbersAsTexts(model)
		}
	}
	again, err := json.Marshal(all)
	if err == nil {
		err = json.Unmarshal(again, m)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		want := "a text"
		if e.Type.Kind() == reflect.Struct {
			want = "an object"
		}
		what := "it"
		if e.Field != "" {
			what = e.Field
		}
		return fmt.Errorf("%s is of the kind %s, expected %s", what, e.Value, want)
	}
	return err
}

// numbersAsTexts replaces the numbers and truths among the members of an object by their text.
func numbersAsTexts(members map[string]any) {
	for name, v := range members {
		switch v := v.(type) {
		case json.Number:
			members[name] = v.String()
		case bool:
			members[name] = fmt.Sprint(v)
		}
	}
}
