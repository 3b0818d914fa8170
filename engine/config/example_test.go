package config_test

import (
	"fmt"

	"sweetspot/engine/config"
)

func ExampleFile_TorchServe() {
	f, err := config.Parse("config.properties", []byte(`# for tests
job_queue_size=100
load_models=mlp=mlp.mar
models={"mlp": {"1.0": {"batchSize": 8, "maxBatchDelay": 0}}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	t, warnings, err := f.TorchServe()
	if err != nil {
		fmt.Println(err)
		return
	}
	m, _ := t.Model("mlp", "1.0")
	fmt.Println("batch size", m.BatchSize, "queue", t.QueueSize)
	for _, w := range warnings {
		fmt.Println(w)
	}
	// Output:
	// batch size 8 queue 100
	// config.properties:4: models.mlp.1.0.maxBatchDelay: 0: TorchServe reads 0 and less as not set, so the delay is 100 ms; write 1, the shortest delay
}
