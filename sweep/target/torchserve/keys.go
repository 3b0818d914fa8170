package torchserve

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// ReadKeys reads the tokens of TorchServe's key_file.json into a Config.
func ReadKeys(path string, c *Config) error {
	if err := readKeys(path, c); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readKeys(path string, c *Config) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	type entry struct {
		Key string `json:"key"`
	}
	var keys struct {
		Management entry `json:"management"`
		Inference  entry `json:"inference"`
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		return err
	}
	if keys.Management.Key == "" || keys.Inference.Key == "" {
		return errors.New("there is no management and inference key")
	}
	c.ManagementKey, c.InferenceKey = keys.Management.Key, keys.Inference.Key
	return nil
}
