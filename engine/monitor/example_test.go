package monitor_test

import (
	"context"
	"fmt"
	"sync"

	"sweetspot/engine/monitor"
)

func ExampleMonitor() {
	m := monitor.New(monitor.Options{GPU: monitor.NoGPU("switched off")})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Run(ctx); err != nil {
			fmt.Println(err)
		}
	})

	w := m.Begin()
	// ... the work to measure ...
	use := w.End()

	cancel()
	wg.Wait()
	_, known := use.RSSBytes.Get()
	fmt.Println("memory known:", known)
	fmt.Println("GPU", use.GPU.PercentMean)
	// Output:
	// memory known: true
	// GPU n/a
}
