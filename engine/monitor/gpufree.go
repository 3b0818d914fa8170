package monitor

import "context"

// FreeMemory reads how much memory of the first chosen GPU is free, in bytes. It opens the driver and closes it again. ok is false if the
// driver does not report it, or does not answer until ctx ends; its call goes on then, because it cannot be cancelled.
func FreeMemory(ctx context.Context, o GPUOptions) (bytes int64, ok bool) {
	answer := make(chan int64, 1) // room for an answer that comes too late
	go func() {
		defer close(answer)
		g := OpenGPU(o)
		defer g.Close() //nolint:errcheck // the figure is read
		s, err := g.Sample(ctx)
		if err != nil {
			return
		}
		used, known := s.MemoryBytes.Get()
		for _, d := range Numbered(g.Devices()) {
			if known && d.UUID == s.UUID && d.Memory > 0 {
				answer <- max(0, d.Memory-int64(used))
			}
		}
	}()
	select {
	case bytes, ok = <-answer:
	case <-ctx.Done():
	}
	return bytes, ok
}
