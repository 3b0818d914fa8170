package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/backend/simulated"
	"sweetspot/engine/servicetime"
)

// scheme marks models that are service-time tables.
const scheme = "sim:"

// IsSimulated tells whether MODEL, or NAME=MODEL, is a simulated one.
func IsSimulated(arg string) bool {
	_, model, err := splitName(arg)
	return err == nil && strings.HasPrefix(model, scheme)
}

// OpenSimulated opens sim:NAME, a table that ships with the program, or
// sim:PATH.csv, a file in the format of servicetime.Parse, and returns the table
// beside the model of it. A NAME= before it names the model.
func OpenSimulated(arg string) (*engine.Model, *servicetime.Table, error) {
	name, arg, err := splitName(arg)
	if err != nil {
		return nil, nil, err
	}
	what, is := strings.CutPrefix(arg, scheme)
	if !is {
		return nil, nil, fmt.Errorf("%s is no simulated model; give sim:%s or sim:PATH.csv", arg, servicetime.Names()[0])
	}
	t, err := openTable(what)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", arg, err)
	}
	if name == "" {
		name = cleanName(strings.TrimSuffix(filepath.Base(what), filepath.Ext(what)))
	}
	return simulated.Model(name, arg, t), t, nil
}

// StudyOf returns the study that a simulated model's table comes from, if the table
// ships with the program and has one.
func StudyOf(arg string) (servicetime.Study, bool) {
	_, model, err := splitName(arg)
	name, is := strings.CutPrefix(model, scheme)
	if err != nil || !is {
		return servicetime.Study{}, false
	}
	return servicetime.StudyOf(name)
}

func openTable(what string) (*servicetime.Table, error) {
	if !strings.EqualFold(filepath.Ext(what), ".csv") {
		t, err := servicetime.Named(what)
		if err != nil {
			return nil, fmt.Errorf("%w; a table of your own is sim:PATH.csv", err)
		}
		return t, nil
	}
	f, err := os.Open(what)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return servicetime.Parse(f)
}
