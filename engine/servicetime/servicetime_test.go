package servicetime_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/servicetime"
)

const ms = time.Millisecond

// gpu is a row of one worker on gpu in fp32.
func gpu(batch int, median time.Duration) servicetime.Row {
	return servicetime.Row{Key: servicetime.Key{Workers: 1, Device: "gpu", Precision: "fp32"}, Batch: batch, Median: median}
}

func table(t *testing.T, rows ...servicetime.Row) *servicetime.Table {
	t.Helper()
	tab, err := servicetime.New(rows)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestCurve(t *testing.T) {
	decreasing := []servicetime.Row{gpu(1, 10*ms), gpu(4, 40*ms), gpu(8, 30*ms)}
	for _, tt := range []struct {
		name string
		rows []servicetime.Row
		want map[int]time.Duration
	}{
		{
			"interpolation and extrapolation",
			[]servicetime.Row{gpu(8, 60*ms), gpu(1, 10*ms), gpu(4, 40*ms)},
			map[int]time.Duration{0: 10 * ms, 1: 10 * ms, 2: 20 * ms, 3: 30 * ms, 4: 40 * ms, 6: 50 * ms, 8: 60 * ms, 10: 70 * ms},
		},
		{"one point", []servicetime.Row{gpu(1, 10*ms)}, map[int]time.Duration{1: 10 * ms, 2: 20 * ms, 7: 70 * ms}},
		{"extrapolation never decreases", decreasing, map[int]time.Duration{6: 35 * ms, 8: 30 * ms, 16: 30 * ms}},
	} {
		c, err := table(t, tt.rows...).Curve(tt.rows[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		for b, want := range tt.want {
			if got := c.At(b); got != want {
				t.Errorf("%s: At(%d) = %v, want %v", tt.name, b, got, want)
			}
		}
	}
}

func TestCurveSpread(t *testing.T) {
	a, b := gpu(1, 10*ms), gpu(5, 50*ms)
	a.Spread, b.Spread = .1, .3
	c, err := table(t, a, b).Curve(a.Key)
	if err != nil {
		t.Fatal(err)
	}
	for batch, want := range map[int]float64{1: .1, 3: .2, 5: .3, 50: .3} {
		if got := c.Spread(batch); math.Abs(got-want) > 1e-12 {
			t.Errorf("Spread(%d) = %g, want %g", batch, got, want)
		}
	}
	if got, want := c.Sigma(5), math.Sqrt(math.Log(1.09)); math.Abs(got-want) > 1e-12 {
		t.Errorf("Sigma(5) = %g, want %g", got, want)
	}
	if got := c.WithSpread(0).Sigma(3); got != 0 {
		t.Errorf("Sigma without spread = %g, want 0", got)
	}
	if got := c.Scaled(1.5).At(3); got != 45*ms {
		t.Errorf("Scaled(1.5).At(3) = %v, want 45ms", got)
	}
	if got := c.At(3); got != 30*ms {
		t.Errorf("At(3) = %v after Scaled, want 30ms", got)
	}
}

func TestLine(t *testing.T) {
	c := servicetime.Line(ms, ms/2)
	for b, want := range map[int]time.Duration{1: 3 * ms / 2, 2: 2 * ms, 8: 5 * ms, 32: 17 * ms} {
		if got := c.At(b); got != want {
			t.Errorf("At(%d) = %v, want %v", b, got, want)
		}
	}
	if got := c.Rate(2, 8); got != 3200 {
		t.Errorf("Rate(2, 8) = %g, want 3200", got)
	}
}

func TestTableCurve(t *testing.T) {
	row := func(workers int, device string, median time.Duration) servicetime.Row {
		return servicetime.Row{Key: servicetime.Key{Workers: workers, Device: device, Precision: "fp32"}, Batch: 1, Median: median}
	}
	tab := table(t, row(1, "gpu", ms), row(4, "gpu", 4*ms), row(1, "gpu:1", 9*ms), row(1, "cpu", 7*ms))
	for _, tt := range []struct {
		key  servicetime.Key
		want time.Duration
		err  string
	}{
		{servicetime.Key{Workers: 1, Device: "gpu", Precision: "fp32"}, ms, ""},
		{servicetime.Key{Workers: 2, Device: "gpu", Precision: "fp32"}, 4 * ms, ""}, // the next larger
		{servicetime.Key{Workers: 4, Device: "gpu:0", Precision: "fp32"}, 4 * ms, ""},
		{servicetime.Key{Workers: 1, Device: "gpu:1", Precision: "fp32"}, 9 * ms, ""},
		{servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"}, 7 * ms, ""},
		{servicetime.Key{Workers: 5, Device: "gpu", Precision: "fp32"}, 0, "no times for 5 workers on gpu, fp32: want 1-4"},
		{servicetime.Key{Workers: 0, Device: "cpu", Precision: "fp32"}, 0, "no times for 0 workers on cpu, fp32: want 1-1"},
		{servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp16"}, 0, "no times for cpu, fp16; the table has cpu fp32, gpu fp32, gpu:1 fp32"},
	} {
		c, err := tab.Curve(tt.key)
		switch {
		case tt.err != "":
			if err == nil || err.Error() != tt.err {
				t.Errorf("Curve(%v): error %v, want %s", tt.key, err, tt.err)
			}
		case err != nil:
			t.Errorf("Curve(%v): %v", tt.key, err)
		case c.At(1) != tt.want:
			t.Errorf("Curve(%v).At(1) = %v, want %v", tt.key, c.At(1), tt.want)
		}
	}
	if got := tab.MostWorkers(); got != 4 {
		t.Errorf("MostWorkers() = %d, want 4", got)
	}
}

func TestNewReportsAll(t *testing.T) {
	_, err := servicetime.New([]servicetime.Row{gpu(2, ms), gpu(2, ms), gpu(0, 0)})
	if err == nil {
		t.Fatal("New accepted nonsense")
	}
	for _, want := range []string{"batch 0: want 1-1024", "two rows for batch 2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want it to say %q", err, want)
		}
	}
	if _, err := servicetime.New(nil); err == nil {
		t.Error("New accepted no rows")
	}
}

// The built-in table has the published times of the study, and computed times for the
// other rows.
func TestAnimatedDrawings(t *testing.T) {
	tab, err := servicetime.Named("animated-drawings")
	if err != nil {
		t.Fatal(err)
	}
	rows := tab.Rows()
	if len(rows) != 5*6*2*2 {
		t.Errorf("%d rows, want 120", len(rows))
	}
	rates := map[string]float64{"cpu fp32 1": 3.45, "gpu fp32 1": 42.21, "gpu fp32 4": 54.78, "gpu fp16 4": 78.62, "gpu fp16 8": 85.29}
	one := map[[2]string]map[int]float64{}
	for _, r := range rows {
		kind := [2]string{r.Device, r.Precision}
		if r.Workers == 1 {
			if one[kind] == nil {
				one[kind] = map[int]float64{}
			}
			one[kind][r.Batch] = r.Median.Seconds()
		}
		name := strings.Join([]string{r.Device, r.Precision, strconv.Itoa(r.Batch)}, " ")
		rate, published := rates[name]
		if published = published && r.Workers == 1; published != (r.Source == "published") {
			t.Errorf("%v, batch %d: source %q", r.Key, r.Batch, r.Source)
		}
		if published && math.Abs(float64(r.Batch)/r.Median.Seconds()-rate) > .01 {
			t.Errorf("%s: %v a batch, want %g requests per second", name, r.Median, rate)
		}
		want := one[kind][r.Batch] * float64(r.Workers) * (1 + .02*float64(r.Workers-1))
		if math.Abs(r.Median.Seconds()-want) > 1e-4+1e-3*want {
			t.Errorf("%v, batch %d: %v, want %.2f ms by the rule for workers", r.Key, r.Batch, r.Median, 1000*want)
		}
	}
	c, err := tab.Curve(servicetime.Key{Workers: 1, Device: "gpu", Precision: "fp16"})
	if err != nil || c.At(8) != 93800*time.Microsecond {
		t.Errorf("FP16, batch 8: %v, %v, want 93.8 ms", c.At(8), err)
	}
}

func TestNamed(t *testing.T) {
	if diff := cmp.Diff([]string{"animated-drawings"}, servicetime.Names()); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
	want := `no service-time table "zebra" is built in; there is animated-drawings`
	if _, err := servicetime.Named("zebra"); err == nil || err.Error() != want {
		t.Errorf("Named(zebra): %v, want %s", err, want)
	}
}

func ExampleTable_Curve() {
	t, err := servicetime.Named("animated-drawings")
	if err != nil {
		panic(err)
	}
	c, err := t.Curve(servicetime.Key{Workers: 1, Device: "gpu", Precision: "fp16"})
	if err != nil {
		panic(err)
	}
	fmt.Println(c.At(8), c.At(6))
	// Output: 93.8ms 72.34ms
}

func TestKinds(t *testing.T) {
	row := func(workers int, device, precision string) servicetime.Row {
		return servicetime.Row{Key: servicetime.Key{Workers: workers, Device: device, Precision: precision}, Batch: 1, Median: ms}
	}
	got := table(t, row(1, "gpu", "fp16"), row(1, "cpu", "fp32"), row(4, "cpu", "fp32"), row(2, "gpu", "fp32")).Kinds()
	want := []servicetime.Key{{Workers: 4, Device: "cpu", Precision: "fp32"}, {Workers: 2, Device: "gpu", Precision: "fp32"}, {Workers: 1, Device: "gpu", Precision: "fp16"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Kinds (-want +got):\n%s", diff)
	}
}

// Every built-in table has a study.
func TestStudyOf(t *testing.T) {
	for _, name := range servicetime.Names() {
		if s, ok := servicetime.StudyOf(name); !ok || s.Limit <= 0 || s.Clients < 1 {
			t.Errorf("StudyOf(%s) = %+v, %v", name, s, ok)
		}
	}
	if _, ok := servicetime.StudyOf("zebra"); ok {
		t.Error("a study of a table that does not exist")
	}
}
