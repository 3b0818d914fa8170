//go:build !embedort

package ortlib

import (
	"embed"
	"io/fs"
)

// embedded returns an empty file system, because this program has no library.
func embedded() fs.FS { return embed.FS{} }
