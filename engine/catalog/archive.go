package catalog

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"sweetspot/engine"
)

func isArchive(r request) bool { return strings.EqualFold(filepath.Ext(r.model), ".mar") }

// refuseArchive returns an error with the supported kinds of MODEL.
func refuseArchive(_ context.Context, r request, _ Options) (*engine.Model, error) {
	return nil, fmt.Errorf("%s: .mar archives are not supported yet; %s", r.model, syntaxHint())
}
