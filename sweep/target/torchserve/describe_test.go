package torchserve

import "testing"

// FuzzDescription: an accepted description has valid settings under its rule.
func FuzzDescription(f *testing.F) {
	f.Add([]byte(`[{"modelName":"m","modelVersion":"1.0","modelUrl":"m.mar","minWorkers":1,"maxWorkers":1,"batchSize":4,"maxBatchDelay":100,"deviceType":"cpu","workers":[{"status":"READY"}],"jobQueueStatus":{"remainingCapacity":100,"pendingRequests":0}}]`))
	f.Add([]byte(`[{"modelName":"m","modelVersion":"1.0","minWorkers":1,"batchSize":1,"maxBatchDelay":0.1,"workers":[{}]}]`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parseDescription(data)
		if err != nil {
			return
		}
		l := (&Target{servers: fleet{{initial: d}}}).limits()
		if err := d.settings().Validate(l); err != nil {
			t.Errorf("%s: %v", data, err)
		}
		if again := d.with(d.settings()); again.settings() != d.settings() {
			t.Errorf("%+v became %+v", d, again)
		}
	})
}

// FuzzSaved: an accepted restore file has a model that can be restored.
func FuzzSaved(f *testing.F) {
	f.Add([]byte(`{"management":"http://127.0.0.1:8081","pid":7,"model":{"modelName":"m","modelVersion":"1.0","modelUrl":"m.mar","minWorkers":1,"maxWorkers":1,"batchSize":4,"maxBatchDelay":100,"workers":[{"status":"READY"}]}}`))
	f.Add([]byte(`{"management":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseSaved(data)
		if err == nil && (s.Management == "" || s.Model.Name == "" || s.Model.BatchSize < 1 || s.Model.MinWorkers < 1) {
			t.Errorf("%s was accepted: %+v", data, s)
		}
	})
}
