//go:build !embedort

package ortlib

import (
	"embed"
	"io/fs"
)

// carried returns an empty file system: this program carries no library.
func carried() fs.FS { return embed.FS{} }
