package knob_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
)

// TestPlaces checks that settings for another place are refused with a list of the possible places.
func TestPlaces(t *testing.T) {
	l := knob.Limits{Rule: knob.Eager, BatchAxis: true, Places: []knob.Place{
		{"cpu", knob.FullPrecision, 16}, {"gpu", knob.HalfPrecision, 4}, {"gpu", knob.FullPrecision, 2}, {"gpu:1", knob.FullPrecision, 0},
	}}
	one := knob.Limits{
		Rule: knob.Eager, Places: []knob.Place{{"cpu", knob.FullPrecision, 0}, {"gpu", knob.FullPrecision, 0}},
		NoPlaces: []knob.NoPlace{{"gpu", knob.HalfPrecision, "it has no 16-bit arithmetic"}},
	}
	for _, device := range []string{"gpu", "gpu:1"} {
		s := knob.Default(knob.Eager)
		s.Device, s.Precision = device, knob.HalfPrecision
		want := "device: the model cannot run on " + device + " in fp16: it has no 16-bit arithmetic; it can run on cpu in fp32, gpu in fp32"
		if err := one.CheckPlace(s); err == nil || err.Error() != want {
			t.Errorf("CheckPlace = %v, want %q", err, want)
		}
	}
	for _, tt := range []struct {
		device    string
		precision knob.Precision
		workers   int
		want      string // of the error; "" is none
	}{
		{"cpu", knob.FullPrecision, 16, ""},
		{"cpu", knob.HalfPrecision, 1, "device: the model cannot run on cpu in fp16; it can run on cpu in fp32, gpu in fp16, gpu in fp32, gpu:1 in fp32"},
		{"gpu", knob.HalfPrecision, 4, ""},
		{"gpu", knob.FullPrecision, 3, "workers: 3 on gpu in fp32 is outside 1-2"},
		{"gpu:0", knob.HalfPrecision, 4, ""}, // the place of gpu
		{"gpu:1", knob.FullPrecision, 200, ""},
		{"gpu:1", knob.HalfPrecision, 2, ""}, // it has no place of its own in FP16: that of gpu
		{"tpu", knob.FullPrecision, 1, "device: tpu is not a device"},
	} {
		s := knob.Default(knob.Eager)
		s.Device, s.Precision, s.Workers = tt.device, tt.precision, tt.workers
		err := s.Validate(l)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s in %v: %v, want %q", tt.device, tt.precision, err, tt.want)
		}
	}
	if diff := cmp.Diff([]string{"cpu", "gpu", "gpu:1"}, l.Devices()); diff != "" {
		t.Errorf("Devices (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]knob.Precision{knob.FullPrecision, knob.HalfPrecision}, l.Precisions()); diff != "" {
		t.Errorf("Precisions (-want +got):\n%s", diff)
	}
	if none := (knob.Limits{}); none.Devices() != nil || none.Precisions() != nil {
		t.Error("limits without places have devices or precisions")
	}
}
