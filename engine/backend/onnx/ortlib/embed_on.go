//go:build embedort

package ortlib

import (
	"embed"
	"io/fs"
)

// blob is the folder that Pack has written; `make build` calls it. Without the folder a build
// with this tag fails here.
//
//go:embed blob
var blob embed.FS

// embedded returns the packed library of this program.
func embedded() fs.FS {
	sub, err := fs.Sub(blob, "blob")
	if err != nil {
		panic("ortlib: " + err.Error()) // "blob" is a valid path
	}
	return sub
}
