package session_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/session"
)

// camera is a device that says how images become its input.
type camera struct{ *device }

func (c camera) Info(ctx context.Context) (sweep.Info, error) {
	info, err := c.device.Info(ctx)
	info.Model.Images = "x: RGB, NCHW"
	return info, err
}

// What becomes of images is said when they may be sent.
func TestImagesAreSaid(t *testing.T) {
	for _, input := range []string{"", "photos"} {
		synctest.Test(t, func(t *testing.T) {
			p := testPlan(t)
			p.Input = input
			s := session.New(session.Config{Plan: p, Open: func(context.Context) (session.Target, error) { return camera{newDevice()}, nil }})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := s.Run(ctx); err != nil {
					t.Errorf("Run = %v", err)
				}
			})
			time.Sleep(time.Second)
			said := false
			for _, m := range s.Snapshot().Messages {
				said = said || strings.Contains(m.Text, "images x: RGB, NCHW")
			}
			if said != (input != "") {
				t.Errorf("input %q: said %t", input, said)
			}
			cancel()
			wg.Wait()
		})
	}
}
