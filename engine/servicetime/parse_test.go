package servicetime_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/servicetime"
)

const header = "workers,device,precision,batch,ms,spread,source\n"

func TestParse(t *testing.T) {
	text := "# a comment\n\n" + header + "2, gpu:0, fp16, 1, 0.000001, 0.05, own\n 1,cpu,fp32,8,93.80,,\n1,cpu,fp32,1,20.125,,\n"
	tab, err := servicetime.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := header + "1,cpu,fp32,1,20.125,,\n1,cpu,fp32,8,93.8,,\n2,gpu:0,fp16,1,0.000001,0.05,own\n"
	if diff := cmp.Diff(want, string(tab.Encode())); diff != "" {
		t.Errorf("Encode (-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "line 1: the file ends without the header " + strings.TrimSpace(header)},
		{"no header", "1,cpu,fp32,1,5,,\n", "line 1: want the header "},
		{"no rows", header, "line 2: the file ends: no rows"},
		{"too few", header + "1,cpu,fp32,1\n", "line 2: 4 values: want 7"},
		{"workers", header + "x,cpu,fp32,1,5,,\n", `line 2: workers "x": want a whole number`},
		{"many workers", header + "300,cpu,fp32,1,5,,\n", "line 2: workers 300: want 1-256"},
		{"device", header + "1,tpu,fp32,1,5,,\n", `line 2: device "tpu": want cpu, gpu or gpu:N`},
		{"precision", header + "1,cpu,int8,1,5,,\n", `line 2: precision "int8": want fp32 or fp16`},
		{"batch", header + "1,cpu,fp32,0,5,,\n", "line 2: batch 0: want 1-1024"},
		{"time", header + "\n# x\n1,cpu,fp32,1,-5,,\n", `line 4: ms "-5": want a decimal such as 93.8`},
		{"no time", header + "1,cpu,fp32,1,,,\n", `line 2: ms "": want a decimal`},
		{"zero", header + "1,cpu,fp32,1,0,,\n", "line 2: median 0s: want above 0"},
		{"too fine", header + "1,cpu,fp32,1,0.0000001,,\n", `line 2: ms "0.0000001": want a decimal such as 93.8, to 6 places`},
		{"spread", header + "1,cpu,fp32,1,5,NaN,\n", "line 2: spread NaN: want 0-10"},
		{"source", header + "1,cpu,fp32,1,5,,a b\n", `line 2: source "a b": want one word`},
		{"twice", header + "1,cpu,fp32,1,5,,\n1,cpu,fp32,1,6,,\n", "line 3: 1 worker, cpu, fp32, batch 1 is on line 2 already"},
		{"no batch 1", header + "1,cpu,fp32,2,5,,\n", "line 3: the file ends: 1 worker, cpu, fp32: no row for batch 1"},
		{"long line", header + strings.Repeat("x", 2000), "line 2: "},
	} {
		_, err := servicetime.Parse(strings.NewReader(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: Parse: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// An accepted table round-trips and has a time for every batch size.
func FuzzParse(f *testing.F) {
	f.Add([]byte(header + "1,gpu,fp16,1,18.69,,filled\n1,gpu,fp16,8,93.8,0.02,published\n"))
	f.Add([]byte(header + "# c\n2,cpu,fp32,1,3600000,10,\n"))
	f.Add([]byte("x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := servicetime.Parse(bytes.NewReader(data))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("error without a line: %v", err)
			}
			return
		}
		text := tab.Encode()
		again, err := servicetime.Parse(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(tab.Rows(), again.Rows()); diff != "" {
			t.Errorf("rows change (-first +second):\n%s", diff)
		}
		for _, r := range tab.Rows() {
			c, err := tab.Curve(r.Key)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.At(r.Batch); got != r.Median {
				t.Errorf("%v: At(%d) = %v, want %v", r.Key, r.Batch, got, r.Median)
			}
			if c.At(1024) <= 0 || !(c.Sigma(1024) >= 0) {
				t.Errorf("%v: At(1024) = %v, Sigma %g", r.Key, c.At(1024), c.Sigma(1024))
			}
		}
	})
}
