//go:build embedort

package ortlib

import (
	"embed"
	"io/fs"
)

// blob is what Pack wrote; without it a build with this tag stops here, and
// `make build` is what writes it.
//
//go:embed blob
var blob embed.FS

// carried returns the packed library of this program.
func carried() fs.FS {
	sub, err := fs.Sub(blob, "blob")
	if err != nil {
		panic("ortlib: " + err.Error()) // "blob" is a valid path
	}
	return sub
}
