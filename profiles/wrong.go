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

// readable says in the file's words what value stands where another kind is
// wanted: package json names the types it decodes to, which are ours. Other
// errors are returned as they are.
func readable(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	var path []string
	for part := range strings.SplitSeq(wrong.Field, ".") {
		if first, _ := utf8.DecodeRuneInString(part); !unicode.IsUpper(first) { // else an embedded type
			path = append(path, part)
		}
	}
	return fmt.Errorf("%s: %s, want %s", strings.Join(path, "."), wrong.Value, kind(wrong.Type))
}

// kind is what JSON has for values of type t.
func kind(t reflect.Type) string {
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
