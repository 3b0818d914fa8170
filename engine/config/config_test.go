package config_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/config"
)

type pair struct {
	Line       int
	Key, Value string
}

var syntax = []struct {
	name string
	in   string
	want []pair
}{
	{"separators", "a=1\nb:2\nc 3\nd\t=\t4\ne : = 5\nf\n", []pair{{1, "a", "1"}, {2, "b", "2"}, {3, "c", "3"}, {4, "d", "4"}, {5, "e", "= 5"}, {6, "f", ""}}},
	{"second separator is the value's", "a==1\nb=:2\nc :=3\n", []pair{{1, "a", "=1"}, {2, "b", ":2"}, {3, "c", "=3"}}},
	{"comments are whole lines", "# x\n  ! y\na=1 # z\n", []pair{{3, "a", "1 # z"}}},
	{"comments do not continue", "# x\\\na=1\n", []pair{{2, "a", "1"}}},
	{"trailing blanks stay", "a=1 \nb=2\t\n", []pair{{1, "a", "1 "}, {2, "b", "2\t"}}},
	{"continued", "a=1,\\\n   2,\\\n\t3\nb=4\n", []pair{{1, "a", "1,2,3"}, {4, "b", "4"}}},
	{"continued key", "ab\\\n  c=1\n", []pair{{1, "abc", "1"}}},
	{"continued by a comment's look", "a=1\\\n#2\n", []pair{{1, "a", "1#2"}}},
	{"continued by a blank line", "a=1\\\n\nb=2\n", []pair{{1, "a", "1"}, {3, "b", "2"}}},
	{"even backslashes do not continue", "a=1\\\\\nb=2\n", []pair{{1, "a", `1\`}, {2, "b", "2"}}},
	{"lone backslash", "\\\n#c\na=1\n", []pair{{3, "a", "1"}}},
	{"lone backslash ends the file", "a=1\n\\\n", []pair{{1, "a", "1"}, {2, "", ""}}},
	{"line ends", "a=1\r\nb=2\rc=3\nd=4", []pair{{1, "a", "1"}, {2, "b", "2"}, {3, "c", "3"}, {4, "d", "4"}}},
	{"escapes", `a=\t\n\r\f\\\q\u00e9\uD83D\uDE00` + "\n" + `b\ c\=\:\#=1`, []pair{{1, "a", "\t\n\r\f\\qé😀"}, {2, "b c=:#", "1"}}},
	{"latin 1", "a=\xe9\n", []pair{{1, "a", "é"}}},
	{"half a pair of surrogates", `a=\uD83Dx`, []pair{{1, "a", "\uFFFDx"}}},
	{"empty key", "=1\n", []pair{{1, "", "1"}}},
}

// awkward inputs have no expected result here: TestAgainstJava compares with Java.
var awkward = []string{
	"", "\\", "\\\r", "\\\r\n", "\\\n\n", "\\\n  ", "a\\", "a=\\", "a=b\\\r\n", "\\\\", "\\\n\\\n", "a\\\n\\\nb", "\f\f", `\u`, `a=\u12`, `a=\u12g4`, "a=\\u00\\\n41", `a=\U0041`, "a\\ \\\n b c",
}

func pairs(f *config.File) []pair {
	var out []pair
	for _, l := range f.Lines {
		if l.Kind == config.Pair {
			out = append(out, pair{l.Number, l.Key, l.Value})
		}
	}
	return out
}

func TestParse(t *testing.T) {
	for _, c := range syntax {
		t.Run(c.name, func(t *testing.T) {
			f, err := config.Parse("f", []byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, pairs(f)); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", c.in, diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	_, err := config.Parse("config.properties", []byte("a=1\nb=2,\\\n  \\u12x4\nc=\\uzzzz\n"))
	want := `config.properties:3: malformed escape "\\u12x4"; write \u and four hex digits, or double the backslash
config.properties:4: malformed escape "\\uzzzz"; write \u and four hex digits, or double the backslash`
	if err == nil || err.Error() != want {
		t.Errorf("Parse = %v, want %v", err, want)
	}
}

func TestLookup(t *testing.T) {
	f, err := config.Parse("f", []byte("a=1\nb=2\na=3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if l, ok := f.Lookup("a"); !ok || l.Number != 3 || l.Value != "3" {
		t.Errorf("Lookup(a) = %+v, %t, want line 3", l, ok)
	}
	f.Set("a", "4")
	f.Set("c", "5")
	if got, want := string(f.Encode()), "a=1\nb=2\na=4\nc=5\n"; got != want {
		t.Errorf("Encode = %q, want %q", got, want)
	}
}

func TestEncode(t *testing.T) {
	f := &config.File{}
	f.Note("by hand\n\n日本")
	f.Gap()
	f.Set("load_models", "a=a.mar,b=b.mar")
	f.Set(" key:", ` c:\x `)
	f.Set("models", config.ModelsValue([]config.Model{
		{Name: "m", Version: "1.0", MarName: "m.mar", MinWorkers: 2, MaxWorkers: 2, BatchSize: 8, MaxBatchDelay: 10, ResponseTimeout: 120},
		{Name: `q"\`, Version: "1.0"},
		{Name: "m", Version: "2.0", BatchSize: 4},
	}))
	want := `# by hand
#
# ??

load_models=a=a.mar,b=b.mar
\ key\:=\ c:\\x\u0020
models={\
  "m": {\
    "1.0": {\
      "defaultVersion": true,\
      "marName": "m.mar",\
      "minWorkers": 2,\
      "maxWorkers": 2,\
      "batchSize": 8,\
      "maxBatchDelay": 10,\
      "responseTimeout": 120\
    },\
    "2.0": {\
      "defaultVersion": true,\
      "batchSize": 4\
    }\
  },\
  "q\\"\\\\": {\
    "1.0": {\
      "defaultVersion": true\
    }\
  }\
}
`
	if diff := cmp.Diff(want, string(f.Encode())); diff != "" {
		t.Errorf("Encode (-want +got):\n%s", diff)
	}
}

// roundTrip checks that the encoded file parses to the same pairs and encodes to the same
// bytes.
func roundTrip(t *testing.T, f *config.File) {
	t.Helper()
	text := f.Encode()
	again, err := config.Parse(f.Name, text)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	same := cmp.Comparer(func(a, b string) bool { return a == b || sameJSON(a, b) })
	opts := []cmp.Option{same, cmpopts.IgnoreFields(pair{}, "Line"), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(pairs(f), pairs(again), opts...); diff != "" {
		t.Fatalf("%q read back (-want +got):\n%s", text, diff)
	}
	if diff := cmp.Diff(string(text), string(again.Encode())); diff != "" {
		t.Fatalf("written again (-first +second):\n%s", diff)
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return strings.HasPrefix(a, "{") && json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && cmp.Equal(x, y)
}

func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		roundTrip(t, file(rng))
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range syntax {
		f.Add([]byte(c.in))
	}
	for _, s := range awkward {
		f.Add([]byte(s))
	}
	f.Add([]byte(example))
	f.Fuzz(func(t *testing.T, in []byte) {
		parsed, err := config.Parse("f", in)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("error %q names no line", err)
			}
			return
		}
		roundTrip(t, parsed)
		values, findings := parsed.Check(nil)
		for _, finding := range findings[:min(20, len(findings))] {
			finding.Fix(in)
		}
		parsed.Effects(values, nil)
		parsed.Unused()
		if _, err := parsed.Snapshot(); err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Fatalf("error %q names no line", err)
		}
		resolved, err := parsed.Resolve(func(name string) (string, bool) { return name, len(name)%2 == 0 }, map[string]config.Override{"model_store": {Value: "s", From: "--s"}})
		if err != nil && !strings.HasPrefix(err.Error(), "f:") || resolved.Get("model_store") == "" {
			t.Fatalf("Resolve: %v, model_store %q", err, resolved.Get("model_store"))
		}
		_, _, err = parsed.TorchServe()
		if err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Fatalf("error %q names no line", err)
		}
	})
}
