package knob_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
)

func TestExpand(t *testing.T) {
	for _, c := range []struct {
		knob knob.Name
		in   string
		want string
	}{
		{knob.Workers, "8", "8"},
		{knob.Workers, " 8 ", "8"},
		{knob.Workers, "1,2,4", "1 2 4"},
		{knob.Workers, "4, 2, 4", "4 2"},
		{knob.Workers, "1-4", "1 2 3 4"},
		{knob.Workers, "3-3", "3"},
		{knob.Workers, "1-16*2", "1 2 4 8 16"},
		{knob.BatchSize, "1-32*2", "1 2 4 8 16 32"},
		{knob.BatchSize, "3-100*3", "3 9 27 81"},
		{knob.BatchSize, "1-10+4", "1 5 9"},
		{knob.BatchSize, "1-4,8-32*2,64", "1 2 3 4 8 16 32 64"},
		{knob.BatchDelay, "0-100+50", "0 50 100"},
		{knob.BatchDelay, "0.1-0.5+0.1", "0.1 0.2 0.3 0.4 0.5"},
		{knob.BatchDelay, "10ms,1s", "10 1000"},
		{knob.BatchDelay, "1.50", "1.5"},
		{knob.FP16, "fp32,FP16", "fp32 fp16"},
		{knob.Device, "cpu,gpu:0,gpu:GPU-1a-2b", "cpu gpu:0 gpu:GPU-1a-2b"},
		{knob.Threads, "1-2", "1 2"},
		{knob.QueueSize, "100-1000000*100", "100 10000 1000000"},
	} {
		got, err := knob.Expand(c.knob, c.in)
		if err != nil {
			t.Errorf("Expand(%s, %q): %v", c.knob, c.in, err)
			continue
		}
		if diff := cmp.Diff(strings.Fields(c.want), got); diff != "" {
			t.Errorf("Expand(%s, %q) (-want +got):\n%s", c.knob, c.in, diff)
		}
	}
}

func TestExpandErrors(t *testing.T) {
	for _, c := range []struct {
		knob knob.Name
		in   string
		want string
	}{
		{"batchsize", "1", `"batchsize": unknown knob; did you mean batch_size?`},
		{knob.Workers, "", `workers: "" is not a whole number`},
		{knob.Workers, "auto", `workers: "auto" is not a whole number`},
		{knob.Workers, "0", "workers: 0 is outside 1-256"},
		{knob.Workers, "-3", "workers: -3 is outside 1-256"},
		{knob.Workers, "1,,2", `workers: "" is not a whole number`},
		{knob.Workers, "1-300", `workers: "1-300" is outside 1-256`},
		{knob.Workers, "8-1", `workers: "8-1" starts above its end; write 1-8`},
		{knob.Workers, "1-8*1", `workers: "1-8*1": a geometric range must start above 0 and multiply by more than 1`},
		{knob.Workers, "1-8+0", `workers: "1-8+0": the step must be above 0`},
		{knob.Workers, "1-8+-1", `workers: "1-8+-1": the step must be above 0`},
		{knob.Workers, "1-8*two", `workers: "1-8*two": step "two" is not a number`},
		{knob.Workers, "1-8*inf", `workers: "1-8*inf": step "inf" is not a number`},
		{knob.Workers, "1-8+1.5", `workers: "2.5" is not a whole number`},
		{knob.Workers, "nan-8", `workers: "nan-8" is not a range; write 1-16, 1-32*2 or 0-100+10`},
		{knob.Workers, "a-b", `workers: "a-b" is not a range; write 1-16, 1-32*2 or 0-100+10`},
		{knob.BatchDelay, "0-10*2", `batch_delay_ms: "0-10*2": a geometric range must start above 0 and multiply by more than 1`},
		{knob.BatchDelay, "soon", `batch_delay_ms: "soon" is not a delay; write milliseconds (10) or a duration (10ms)`},
		{knob.BatchDelay, "70000", "batch_delay_ms: 70000 is outside 0-60000"},
		{knob.BatchDelay, "1e300", "batch_delay_ms: 1e+300 is outside 0-60000"},
		{knob.BatchDelay, "10ns", "batch_delay_ms: 1e-05 is not a multiple of 0.1 ms"},
		{knob.FP16, "fp8", `precision "fp8": want fp32 or fp16`},
		{knob.Device, "tpu", `device: "tpu" is not a device; want cpu, gpu, gpu:N or gpu:UUID`},
		{knob.Device, "gpu:", `device: "gpu:" is not a device; want cpu, gpu, gpu:N or gpu:UUID`},
		{knob.Device, "gpu:0;1", `device: "gpu:0;1" is not a device; want cpu, gpu, gpu:N or gpu:UUID`},
		{knob.QueueSize, "1-1000000", `queue_size: "1-1000000" has more than 4096 values`},
		{knob.QueueSize, "1-4000,5000-9000", "queue_size: more than 4096 values"},
		{knob.QueueSize, "2000000", "queue_size: 2000000 is outside 1-1000000"},
	} {
		got, err := knob.Expand(c.knob, c.in)
		if err == nil || err.Error() != c.want {
			t.Errorf("Expand(%s, %q) = %v, %v, want error %s", c.knob, c.in, got, err, c.want)
		}
	}
}

// FuzzExpand checks that the values of an accepted range are canonical, within the range of the
// knob and different, and that their list expands to itself.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{
		"8", "1,2,4", "1-16", "1-32*2", "0-100+10", "fp16", "cpu,gpu:0", "gpu:GPU-1", "10ms",
		"1-8*1.0000001", ".1-.9+.1", "1-1e5", "-5", "1--5", "0x10", "١", "",
	} {
		for i := range knob.All() {
			f.Add(i, s)
		}
	}
	f.Fuzz(func(t *testing.T, index int, text string) {
		all := knob.All()
		k := all[uint(index)%uint(len(all))]
		values, err := knob.Expand(k.Name, text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		seen := map[string]bool{}
		for _, v := range values {
			var s knob.Settings
			if err := s.Set(k.Name, v); err != nil || s.Get(k.Name) != v {
				t.Errorf("Expand(%s, %q): %q is not canonical: %v", k.Name, text, v, err)
			}
			if n, err := strconv.ParseFloat(v, 64); k.Max > 0 && (err != nil || n < k.Min || n > k.Max) {
				t.Errorf("Expand(%s, %q): %q is outside %g-%g", k.Name, text, v, k.Min, k.Max)
			}
			if seen[v] {
				t.Errorf("Expand(%s, %q): %q twice", k.Name, text, v)
			}
			seen[v] = true
		}
		again, err := knob.Expand(k.Name, strings.Join(values, ","))
		if diff := cmp.Diff(values, again); err != nil || diff != "" {
			t.Errorf("the values of Expand(%s, %q) do not expand to themselves: %v\n%s", k.Name, text, err, diff)
		}
	})
}
