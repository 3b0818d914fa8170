package jpeg_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"sweetspot/engine/handler/picture/jpeg"
)

// maxPixels is more than any file of the tests has.
const maxPixels = 1 << 20

// wanted is what PIL makes of a file: nil if it has an error.
type wanted *struct {
	Width, Height int
	SHA256        string
}

// pixels returns the pixels of a file.
func pixels(data []byte) (w, h int, rgb []byte, err error) {
	m, err := jpeg.Decode(data, maxPixels)
	if err != nil {
		return 0, 0, nil, err
	}
	rgb = make([]byte, 3*m.Width*m.Height)
	for y := range m.Height {
		m.Row(y, rgb[3*m.Width*y:])
	}
	return m.Width, m.Height, rgb, nil
}

// TestPixels: each file has the pixels that PIL makes of it, bit for bit, or is refused as PIL refuses it. testdata/reference.py writes the
// files and what PIL makes of them, and can write others at random.
func TestPixels(t *testing.T) {
	for _, folder := range []string{"testdata", os.Getenv("SWEETSPOT_JPEGS")} {
		if folder == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, "want.json"))
		if err != nil {
			t.Fatal(err)
		}
		var files map[string]wanted
		if err := json.Unmarshal(text, &files); err != nil {
			t.Fatal(err)
		}
		if len(files) < 60 {
			t.Errorf("%s: %d files, want at least 60", folder, len(files))
		}
		for name, want := range files {
			data, err := os.ReadFile(filepath.Join(folder, name+".jpg"))
			if err != nil {
				t.Fatal(err)
			}
			w, h, rgb, err := pixels(data)
			sum := sha256.Sum256(rgb)
			switch {
			case want == nil && err == nil:
				t.Errorf("%s is read, but PIL refuses it", name)
			case want == nil:
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case w != want.Width || h != want.Height:
				t.Errorf("%s: %d x %d, want %d x %d", name, w, h, want.Width, want.Height)
			case hex.EncodeToString(sum[:]) != want.SHA256:
				t.Errorf("%s: other pixels than PIL", name)
			}
		}
		t.Logf("%s: %d files", folder, len(files))
	}
}
