package profiles

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// explainType rewrites an error of package json about a value of the wrong type. That
// error names Go types, which a reader of the file does not know; the new one names the
// types of JSON. Other errors are returned unchanged.
func explainType(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	var path []string
	for part := range strings.SplitSeq(wrong.Field, ".") {
		if first, _ := utf8.DecodeRuneInString(part); !unicode.IsUpper(first) { // upper case is an embedded Go type
			path = append(path, part)
		}
	}
	return fmt.Errorf("%s: %s, want %s", strings.Join(path, "."), wrong.Value, jsonType(wrong.Type))
}

// jsonType returns the JSON type of values of type t, in words.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}
