package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"sweetspot/docs/schemas"
	"sweetspot/engine/config/check"
	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/export"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// The lines of profiles, as their writer makes them.
type (
	lineHeader struct {
		T       string `json:"t"`
		Format  string `json:"format"`  // sweetspot-profile
		Version int    `json:"version"` // of the format: 1
		profiles.Header
	}
	lineProbe struct {
		T string `json:"t"`
		trial.Probe
	}
	lineTrial struct {
		T string `json:"t"`
		trial.Trial
		Series *profiles.Series `json:"series,omitempty"`
	}
	lineOperators struct {
		T string `json:"t"`
		trial.Operators
	}
	lineEvent struct {
		T string `json:"t"`
		trial.Event
	}
	lineChoice struct {
		T string `json:"t"`
		trial.Choice
	}
	lineHold struct {
		T string `json:"t"`
		trial.HoldPeriod
	}
	lineHeld struct {
		T string `json:"t"`
		trial.Hold
	}
	lineEnd struct {
		T string `json:"t"`
		profiles.End
	}
	// profileLine is one of them. It exists only to make their definitions.
	profileLine struct {
		Header    lineHeader    `json:"header"`
		Probe     lineProbe     `json:"probe"`
		Trial     lineTrial     `json:"trial"`
		Operators lineOperators `json:"operators"`
		Event     lineEvent     `json:"event"`
		Choice    lineChoice    `json:"choice"`
		Hold      lineHold      `json:"hold"`
		Held      lineHeld      `json:"held"`
		End       lineEnd       `json:"end"`
	}
)

// lineKinds are the kinds of lines, which are also the names of the fields of profileLine.
var lineKinds = []string{"header", "probe", "trial", "operators", "event", "choice", "hold", "held", "end"}

// schemaTypes are the types of the documents.
var schemaTypes = map[string]any{
	"sweep": result{}, "sweeps": results{}, "dry-run": dryRun{}, "dry-runs": dryRuns{}, "profile-line": profileLine{},
	"profile": profiles.Shown{}, "prediction": profiles.Prediction{}, "profiles": []profiles.Summary{},
	"comparison": profiles.Comparison{}, "merge": profiles.MergeResult{}, "imported": []imported{}, "archive": packedArchive{}, "measured-comparison": profiles.Measured{}, "choice": export.Choice{},
	"check": check.Report{}, "doctor": []finding{}, "restore": []restored{}, "version": versionInfo{}, "error": failure{},
}

// laterFields are fields of lines that earlier versions of the program did not write, so that a line
// without them is valid.
var laterFields = map[string][]string{"LineHeader": {"sla"}, "LineTrial": {"predicted", "bare_rps"}}

// TestSchemas: docs/schemas has exactly what follows from the types of the program. With -update it
// is rewritten.
func TestSchemas(t *testing.T) {
	var names []string
	source := newGoSource(t)
	for _, d := range documents {
		names = append(names, d.name)
		want := schemaText(t, source, d)
		if *update {
			if err := os.WriteFile(filepath.Join("../../docs/schemas", schemas.File(d.name)), want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		have, _ := schemas.Get(d.name)
		if diff := cmp.Diff(string(have), string(want)); diff != "" {
			t.Errorf("docs/schemas/%s differs from the types of the program (-file +types):\n%s\n"+
				"New fields and values may be added: rewrite it with -update. A line that disappears is a name that others use:\n"+
				"keep it, or raise the version.", schemas.File(d.name), diff)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(schemas.Names(), names); diff != "" && !*update {
		t.Errorf("the files of docs/schemas and the documents of the program differ (-files +documents):\n%s", diff)
	}
}

// schemaText returns the schema of a document.
func schemaText(t *testing.T, source *goSource, d document) []byte {
	t.Helper()
	m := &schemaMaker{source: source, structs: map[string]reflect.Type{}, more: map[string]*jsonschema.Schema{}}
	s := m.make(schemaTypes[d.name])
	if d.name == "profile-line" {
		s = m.lines(s)
	}
	maps.Copy(s.Definitions, m.more)
	s.ID, s.Title, s.Comments = jsonschema.ID("urn:sweetspot:schema:"+d.name), d.name, "generated from the types of the program; printed by sweetspot schema "+d.name
	s.Description = strings.TrimSpace("Of: " + d.from + ". " + s.Description)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// schemaMaker makes one schema.
type schemaMaker struct {
	source  *goSource
	structs map[string]reflect.Type       // by the names of their definitions
	more    map[string]*jsonschema.Schema // definitions of types that write their JSON themselves
}

func (m *schemaMaker) make(v any) *jsonschema.Schema {
	r := &jsonschema.Reflector{
		Anonymous: true, AllowAdditionalProperties: true, ExpandedStruct: true,
		Namer: m.name, Mapper: m.mapped, LookupComment: m.source.comment,
	}
	typ := reflect.TypeOf(v)
	if typ == reflect.TypeFor[profiles.Shown]() { // the lines in it have their own definitions
		s := m.lines(r.ReflectFromType(reflect.TypeFor[profileLine]()))
		shown := r.ReflectFromType(typ)
		m.nullable(shown, typ)
		kinds := map[string]string{"header": "header", "probes": "probe", "trials": "trial", "operators": "operators", "events": "event", "choice": "choice", "hold": "hold", "held": "held", "end": "end"}
		for field, kind := range kinds {
			p, _ := shown.Properties.Get(field)
			ref := &jsonschema.Schema{Ref: "#/$defs/" + "Line" + defName(kind)}
			switch {
			case p.Items != nil:
				p.Items = ref
			case field == "header":
				shown.Properties.Set(field, ref)
			default:
				shown.Properties.Set(field, orNull(ref))
			}
		}
		shown.Definitions = s.Definitions
		return shown
	}
	s := r.ReflectFromType(typ)
	m.finish(s, typ)
	return s
}

// finish adds what the library does not derive from types: which fields may be null, and which are
// missing in lines of earlier versions.
func (m *schemaMaker) finish(s *jsonschema.Schema, typ reflect.Type) {
	if typ.Kind() == reflect.Struct {
		m.nullable(s, typ)
	}
	for name, def := range s.Definitions {
		if st, ok := m.structs[name]; ok && st != typ {
			m.nullable(def, st)
		}
		def.Required = slices.DeleteFunc(def.Required, func(f string) bool { return slices.Contains(laterFields[name], f) })
	}
}

// lines turns the schema of profileLine into that of one line: by its field t.
func (m *schemaMaker) lines(s *jsonschema.Schema) *jsonschema.Schema {
	m.finish(s, reflect.TypeFor[profileLine]())
	out := &jsonschema.Schema{
		Version: s.Version, Type: "object", Required: []string{"t"}, Properties: jsonschema.NewProperties(), Definitions: s.Definitions,
		Description: "Lines of other kinds, from later versions, are valid.",
	}
	out.Properties.Set("t", &jsonschema.Schema{Type: "string", Description: "kind of the line"})
	for _, kind := range lineKinds {
		is := jsonschema.NewProperties()
		is.Set("t", &jsonschema.Schema{Const: kind})
		def := s.Definitions["Line"+defName(kind)]
		def.Properties.Set("t", &jsonschema.Schema{Const: kind, Description: "kind of the line"})
		out.AllOf = append(out.AllOf, &jsonschema.Schema{
			If: &jsonschema.Schema{Properties: is}, Then: &jsonschema.Schema{Ref: "#/$defs/" + "Line" + defName(kind)},
		})
	}
	format, _ := s.Definitions["LineHeader"].Properties.Get("format")
	format.Const = profiles.Format
	return out
}

// nullable lets the fields be null that are pointers, lists, maps and unparsed JSON in Go, unless
// they are then absent.
func (m *schemaMaker) nullable(s *jsonschema.Schema, typ reflect.Type) {
	for f := range typ.Fields() {
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if f.Anonymous && tag == "" {
			m.nullable(s, f.Type)
			continue
		}
		if name == "" || name == "-" || strings.Contains(options, "omit") || s.Properties == nil {
			continue
		}
		p, ok := s.Properties.Get(name)
		if !ok || f.Type == reflect.TypeFor[json.RawMessage]() {
			continue
		}
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			s.Properties.Set(name, orNull(p))
		}
	}
}

// orNull returns a schema that also allows null.
func orNull(s *jsonschema.Schema) *jsonschema.Schema {
	if s.Type != "" {
		s.Extras = map[string]any{"type": []string{s.Type, "null"}}
		s.Type = ""
		return s
	}
	text := s.Description
	s.Description = ""
	return &jsonschema.Schema{Description: text, AnyOf: []*jsonschema.Schema{s, {Type: "null"}}}
}

// name returns the name of the definition of a struct; "" for other types.
func (m *schemaMaker) name(t reflect.Type) string {
	if t.Kind() != reflect.Struct || t.Name() == "" {
		return ""
	}
	name := defName(t.Name())
	if other, ok := m.structs[name]; ok && other != t {
		pkg := t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:]
		name = defName(pkg) + name
	}
	m.structs[name] = t
	return name
}

// defName returns a name with a capital.
func defName(s string) string {
	r := []rune(s)
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}

// mapped returns the schemas of types that write their JSON themselves, and of enumerations.
func (m *schemaMaker) mapped(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[trial.Num]():
		return &jsonschema.Schema{Extras: map[string]any{"type": []string{"number", "null"}}}
	case reflect.TypeFor[trial.Line](), reflect.TypeFor[trial.Warning]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[plan.Shard]():
		return &jsonschema.Schema{Type: "string", Pattern: "^[1-9][0-9]*/[1-9][0-9]*$", Description: "i/n"}
	case reflect.TypeFor[knob.Name]():
		return &jsonschema.Schema{Type: "string", Description: "name of a knob"}
	case reflect.TypeFor[knob.Settings]():
		return m.define("Settings", settingsSchema())
	case reflect.TypeFor[trial.SLA]():
		return m.define("SLA", m.slaSchema())
	case reflect.TypeFor[load.Spec]():
		return m.define("Load", m.loadSchema())
	}
	if values, text := m.source.enumeration(t); values != nil {
		return &jsonschema.Schema{Type: "string", Enum: values, Description: text}
	}
	return nil
}

// define adds a definition and returns a reference to it.
func (m *schemaMaker) define(name string, s *jsonschema.Schema) *jsonschema.Schema {
	m.more[name] = s
	return &jsonschema.Schema{Ref: "#/$defs/" + name}
}

// settingsSchema returns the schema of settings from the table of knobs.
func settingsSchema() *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), Description: "A value for each knob. A knob whose value the server does not report is absent."}
	for _, k := range knob.All() {
		p := &jsonschema.Schema{Type: "integer", Description: k.Help, Minimum: jsonNumber(k.Min), Maximum: jsonNumber(k.Max)}
		switch k.Name {
		case knob.BatchDelay:
			p.Type = "number"
		case knob.FP16:
			p = &jsonschema.Schema{Type: "string", Enum: []any{"fp32", "fp16", ""}, Description: k.Help}
		case knob.Device:
			p = &jsonschema.Schema{Type: "string", Description: k.Help}
		}
		s.Properties.Set(string(k.Name), p)
	}
	s.AdditionalProperties = &jsonschema.Schema{Extras: map[string]any{"type": []string{"number", "string"}}, Description: "a knob that only this server has"}
	return s
}

func jsonNumber(v float64) json.Number { return json.Number(strconv.FormatFloat(v, 'f', -1, 64)) }

// slaSchema returns the schema of a promise.
func (m *schemaMaker) slaSchema() *jsonschema.Schema {
	typ := reflect.TypeFor[trial.SLA]()
	return m.object(typ, []string{"percentile", "limit_ms", "latency", "max_error_rate"}, []property{
		{"percentile", "Percentile", "number"},
		{"limit_ms", "Limit", "number"},
		{"latency", "Latency", ""},
		{"max_error_rate", "MaxErrorRate", "number"},
		{"horizon_ms", "Horizon", "number"},
	})
}

// loadSchema returns the schema of a load.
func (m *schemaMaker) loadSchema() *jsonschema.Schema {
	return m.object(reflect.TypeFor[load.Spec](), []string{"mode"}, []property{
		{"mode", "Mode", ""},
		{"concurrency", "Concurrency", "integer"},
		{"matched", "Matched", "boolean"},
		{"rate", "Rate", "number"},
		{"from", "From", "number"},
		{"to", "To", "number"},
		{"over_ms", "Over", "number"},
		{"arrivals", "Arrivals", ""},
		{"file", "File", "string"},
		{"sha256", "SHA256", "string"},
	})
}

// property is a field of a struct that writes its JSON itself. typ is "" for an enumeration.
type property struct{ name, field, typ string }

func (m *schemaMaker) object(t reflect.Type, required []string, ps []property) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), Required: required, Description: m.source.comment(t, "")}
	for _, p := range ps {
		f, ok := t.FieldByName(p.field)
		if !ok {
			m.source.t.Fatalf("%v has no field %s", t, p.field)
		}
		prop := &jsonschema.Schema{Type: p.typ, Description: m.source.comment(t, p.field)}
		if p.typ == "" {
			prop = m.mapped(f.Type)
		}
		s.Properties.Set(p.name, prop)
	}
	return s
}
