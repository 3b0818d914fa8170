package handler

import (
	"bytes"
	"cmp"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// typeFields is the type of a body of fields: name=value&name=value. It is also what curl
// sends for any other body, so that the body itself must tell.
const typeFields = "application/x-www-form-urlencoded"

// maxFieldName is the longest name of a field.
const maxFieldName = 256

// FormOf returns a form with parts, for a handler that reads no other named parts. A part
// without a type is a file, so that its content tells its encoding.
func FormOf(parts []payload.Part) Body {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", multipart.FileContentDisposition(p.Name, p.Name))
		h.Set("Content-Type", cmp.Or(p.Type, TypeRaw))
		part, err := w.CreatePart(h)
		must(err)
		_, err = part.Write(p.Data)
		must(err)
	}
	must(w.Close())
	return Body{w.FormDataContentType(), b.Bytes()}
}

// readFields reads a body of the type typeFields. ok is false if the body is something else: a
// name has characters that no name has, such as a quote.
func readFields(contentType string, body []byte) (fields []payload.Part, ok bool) {
	if !mayBeFields(contentType, body) {
		return nil, false
	}
	for part := range strings.SplitSeq(string(body), "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !isFieldName(name) || len(fields) == maxParts {
			return nil, false
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, false
		}
		fields = append(fields, payload.Part{Name: name, Data: []byte(value)})
	}
	return fields, true
}

// mayBeFields reports whether the type is that of fields and the body begins with a name.
func mayBeFields(contentType string, body []byte) bool {
	if !isFieldsType(contentType) {
		return false
	}
	name, _, ok := bytes.Cut(body[:min(len(body), 3*maxFieldName)], []byte("="))
	if !ok {
		return false
	}
	text, err := url.QueryUnescape(string(name))
	return err == nil && isFieldName(text)
}

func isFieldsType(contentType string) bool {
	return len(contentType) >= len(typeFields) && strings.EqualFold(contentType[:len(typeFields)], typeFields)
}

func isFieldName(name string) bool {
	if name == "" || len(name) > maxFieldName {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-:/", r)
	})
}

// fieldsSize is an upper bound of the memory of decoding a body of fields: its copy, and
// numbers of two characters each.
func fieldsSize(body []byte) int64 { return 8 * int64(len(body)) }

// decodeFields decodes an item from fields, one for each input. ok is false if they do not
// have the names of inputs.
func (d decoder) decodeFields(fields []payload.Part) (item tensor.Item, ok bool, err error) {
	b := d.newItem()
	for n, f := range fields {
		i, err := b.find(f.Name)
		if err != nil {
			return nil, n > 0, err // a body with a first field that is an input is no other body
		}
		spec := b.inputs[i]
		if spec.Type == tensor.String && !mayBeJSON(textEncoding, f.Data, spec) {
			t, err := d.decodeBinary(textEncoding, "", f.Data, spec)
			if err != nil {
				return nil, true, err
			}
			b.item[i] = t
			continue
		}
		if err := b.readWhole(i, f.Data); err != nil {
			return nil, true, fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	item, err = b.complete()
	return item, true, err
}
