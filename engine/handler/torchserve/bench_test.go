package torchserve_test

import (
	"testing"

	"sweetspot/engine/handler/torchserve"
)

// BenchmarkPreprocess decodes, resizes and normalizes a JPEG file of 503 x 377 pixels and a PNG file of 400 x 300.
func BenchmarkPreprocess(b *testing.B) {
	for _, file := range []string{"half.jpg", "wide.png"} {
		b.Run(file, func(b *testing.B) {
			s, in := stepsFor(b, true, ""), torchserve.Input{Data: readPicture(b, file)}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.Preprocess(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPreprocessParallel has as many goroutines as cores.
func BenchmarkPreprocessParallel(b *testing.B) {
	s, in := stepsFor(b, true, ""), torchserve.Input{Data: readPicture(b, "half.jpg")}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, _, err := s.Preprocess(in); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
