package stat_test

import (
	"fmt"

	"sweetspot/sweep/stat"
)

func ExampleQuantile() {
	mixed := make([]float64, 5000)
	for i := range mixed {
		mixed[i] = float64(i*617%5000)/5 + 1
	}
	iv := stat.Quantile(mixed, .99)
	fmt.Printf("P99 %g, 95%% %g-%g\n", iv.Value, iv.Low, iv.High)
	// Output: P99 990.8, 95% 987-994.8
}

// A run calls Decide after each block and ends at the first certain answer.
func ExampleDecide() {
	p := stat.Promise{Q: .99, Limit: 100} // P99 <= 100 ms
	var samples []float64
	for {
		for i := range 50 { // a block: one answer in 25 takes 130 ms
			ms := 40.0
			if i%25 == 0 {
				ms = 130
			}
			samples = append(samples, ms)
		}
		if d := stat.Decide(samples, nil, p); d.Answer != stat.Undecided {
			fmt.Println(d.Answer, "-", d.Why)
			return
		}
	}
	// Output: fail - certain after 347 requests: 4.03% over the limit
}
