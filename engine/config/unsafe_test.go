package config_test

import (
	"fmt"
	"strings"
	"testing"

	"sweetspot/engine/config"
)

// TestUnsafeYAML checks that a model-config.yaml neither expands aliases nor makes objects: what is
// not written as a plain number has no effect, and the rest of the file has.
func TestUnsafeYAML(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 20 { // 10^21 values
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	for name, text := range map[string]string{
		"alias bomb":        bomb.String() + "batchSize: *a20\nhandler: *a20\nminWorkers: 2\nmaxWorkers: 2\n",
		"alias of itself":   "batchSize: &a [*a]\nminWorkers: 2\nmaxWorkers: 2\n",
		"merged bomb":       bomb.String() + "<<: *a20\nminWorkers: 2\nmaxWorkers: 2\n",
		"object of Python":  "batchSize: !!python/object/apply:os.system [\"exit 1\"]\nminWorkers: 2\nmaxWorkers: 2\n",
		"object of Java":    "batchSize: !!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[!!java.net.URL [\"http://127.0.0.1:1/\"]]]]\nminWorkers: 2\nmaxWorkers: 2\n",
		"number with a tag": "batchSize: !!binary \"OA==\"\nminWorkers: 2\nmaxWorkers: 2\n",
	} {
		c, _, err := config.ParseModelConfig("model-config.yaml", []byte(text))
		if err != nil {
			continue // refused as a whole
		}
		if low, high, ok := c.Workers(); c.BatchSize != 0 || !ok || low != 2 || high != 2 {
			t.Errorf("%s: batch size %d, workers %d-%d", name, c.BatchSize, low, high)
		}
	}
}
