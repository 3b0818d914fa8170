package main

import (
	"cmp"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/config"
)

// snapshotEvery is how often the models are compared with those of the last snapshot.
const snapshotEvery = 500 * time.Millisecond

// snapshots writes TorchServe's snapshots of what is served: at the start, after changes and at the
// end. They are only written with a config.properties and a folder for log files.
type snapshots struct {
	dir    string // the folder of the log files; "" writes none
	store  string // the model store
	file   *config.File
	t      config.TorchServe
	engine *engine.Engine
	log    *slog.Logger

	last []config.Snapshot
}

// during runs the server and writes snapshots meanwhile.
func (s *snapshots) during(run func() error) error {
	if s.dir == "" || s.file == nil {
		return run()
	}
	s.write("startup", s.served())
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(snapshotEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if now := s.served(); !reflect.DeepEqual(now, s.last) {
					s.write("snapshot", now)
				}
			case <-ended:
				return
			}
		}
	})
	err := run()
	close(ended)
	wg.Wait()
	s.write("shutdown", s.served())
	return err
}

// served returns the versions that are ready.
func (s *snapshots) served() []config.Snapshot {
	var out []config.Snapshot
	for _, service := range s.engine.Services() {
		if service.State() != engine.Ready {
			continue
		}
		m, c := service.Model(), service.Config()
		v := config.Snapshot{Default: s.engine.Default(m.Name) == m.Version, Model: config.Model{
			Name: m.Name, Version: m.Version, MarName: s.marName(m.Source), BatchSize: c.BatchSize,
			MaxBatchDelay:   int((c.BatchDelay + time.Millisecond - 1) / time.Millisecond),
			ResponseTimeout: int(m.RunTime / time.Second), StartupTimeout: cmp.Or(s.t.StartupTimeout, 120),
		}}
		v.MinWorkers, v.MaxWorkers = service.Bounds()
		out = append(out, v)
	}
	return out
}

// marName returns the file of a model as load_models has it: in the store, else its whole path.
func (s *snapshots) marName(source string) string {
	if strings.HasPrefix(source, "builtin:") || strings.HasPrefix(source, "sim:") {
		return source
	}
	if strings.Contains(source, "://") {
		return path.Base(source) // the store has it under that name
	}
	if s.store == "" {
		return absolute(source)
	}
	if _, err := os.Stat(filepath.Join(s.store, source)); err == nil && filepath.IsLocal(source) {
		return source
	}
	if rel, err := filepath.Rel(absolute(s.store), absolute(source)); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return absolute(source)
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// write writes one snapshot. A server goes on if it cannot.
func (s *snapshots) write(kind string, versions []config.Snapshot) {
	s.last = versions
	dir, now := filepath.Join(s.dir, "config"), time.Now()
	name := strings.Replace(now.Format("20060102150405.000"), ".", "", 1) + "-" + kind + ".cfg"
	f, err := s.file.WithSnapshot(name, now, versions)
	if err == nil {
		err = os.MkdirAll(dir, 0o700) // the keys of config.properties may be secret
	}
	if err == nil {
		err = writeNew(filepath.Join(dir, name), true, func(w io.Writer) error {
			_, err := w.Write(f.Encode())
			return err
		})
	}
	if err != nil {
		s.log.Warn("no snapshot is written", "err", err)
	}
}
