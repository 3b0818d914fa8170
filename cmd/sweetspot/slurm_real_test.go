//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sweetspot/profiles"
)

// slurm is a Slurm of one node on this machine, with munge, in processes of this user.
type slurm struct {
	root string // where tools/slurm.sh has unpacked it
	dir  string
	env  []string
}

// TestRealSlurm: docs/examples/slurm/array.sh measures a grid in the four tasks of an array of a real Slurm, and
// the merged profile has every point of the grid and a choice. A part that is missing is named, and
// is measured by the command that the script gives.
func TestRealSlurm(t *testing.T) {
	root := os.Getenv("SWEETSPOT_SLURM")
	if root == "" {
		t.Skip("SWEETSPOT_SLURM is not set; make test-slurm sets it")
	}
	s := startSlurm(t, root)
	for from, to := range map[string]string{"../../docs/examples/slurm/array.sh": "array.sh", "testdata/shards/plan.yaml": "plan.yaml"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, to), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.submit(t, "sbatch", "--parsable", "array.sh", "plan.yaml")
	first := s.merge(t, "first.jsonl")
	if first.Exit != exitYes || first.State != profiles.Done || first.Shards == nil || first.Shards.Measured != 12 || first.Shards.Machines != profiles.Alike || first.Choice == nil {
		t.Fatalf("merged: %+v", first)
	}
	for _, c := range first.Shards.Controls {
		if c.Runs != 2 {
			t.Errorf("shard %v has %d controls", c.Shard, c.Runs)
		}
	}
	t.Logf("four tasks: %d points, choice %v, controls %v", first.Shards.Measured, first.Choice.Settings, first.Shards.Machines)

	if err := os.RemoveAll(filepath.Join(s.dir, "results/part-2.1")); err != nil {
		t.Fatal(err)
	}
	cut := s.merge(t, "cut.jsonl")
	if cut.State != profiles.Stopped || len(cut.Missing) != 1 || !strings.Contains(cut.Missing[0], "3 of 4 shards; missing: 3/4") {
		t.Fatalf("without the third part: %+v", cut)
	}
	s.submit(t, "env", "SHARDS=4", "sbatch", "--parsable", "--array=2", "array.sh", "plan.yaml")
	again := s.merge(t, "again.jsonl")
	if again.State != profiles.Done || again.Shards.Measured != 12 || again.Choice.Settings != first.Choice.Settings {
		t.Errorf("with the third part again: %+v", again)
	}
	t.Logf("after %q: %d points", cut.Missing[0], again.Shards.Measured)
}

func startSlurm(t *testing.T, root string) *slurm {
	t.Helper()
	s := &slurm{root: root, dir: t.TempDir()}
	lib := root + "/usr/lib/x86_64-linux-gnu"
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	if _, err := exec.LookPath("sweetspot"); err != nil { // installed by testscript.Main
		t.Fatal(err)
	}
	s.env = append(os.Environ(), "LD_LIBRARY_PATH="+lib+":"+lib+"/slurm-wlm", "SLURM_CONF="+s.dir+"/slurm.conf",
		"PATH="+root+"/usr/bin:"+os.Getenv("PATH"), "XDG_DATA_HOME="+s.dir+"/data", "XDG_STATE_HOME="+s.dir+"/state")
	for _, d := range []string{"munge", "saved", "spool"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.NewReplacer("DIR", s.dir, "HOST", host, "LIB", lib, "USER", userName(t),
		"PORT1", fmt.Sprint(freePort(t)), "PORT2", fmt.Sprint(freePort(t))).Replace(slurmConfig)
	if err := os.WriteFile(s.dir+"/slurm.conf", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(t, root+"/usr/sbin/mungekey", "--create", "--keyfile="+s.dir+"/munge/key")
	s.start(t, root+"/usr/sbin/munged", "-F", "--force", "--num-threads=10", "--key-file="+s.dir+"/munge/key", "--socket="+s.dir+"/munge/socket",
		"--pid-file="+s.dir+"/munge/pid", "--log-file="+s.dir+"/munge/log", "--seed-file="+s.dir+"/munge/seed")
	s.until(t, "the socket of munge", func() bool { _, err := os.Stat(s.dir + "/munge/socket"); return err == nil })
	s.start(t, root+"/usr/sbin/slurmctld-wlm", "-D", "-c", "-f", s.dir+"/slurm.conf")
	s.until(t, "the controller", func() bool { return s.command("sinfo").Run() == nil })
	s.start(t, root+"/usr/sbin/slurmd-wlm", "-D", "-f", s.dir+"/slurm.conf", "-d", root+"/usr/sbin/slurmstepd-wlm")
	s.until(t, "the node", func() bool {
		out, err := s.command("sinfo", "-h", "-o", "%t").Output()
		return err == nil && strings.TrimSpace(string(out)) == "idle"
	})
	t.Logf("%s", s.run(t, "sinfo", "--version"))
	return s
}

const slurmConfig = `ClusterName=test
SlurmctldHost=HOST(127.0.0.1)
SlurmUser=USER
SlurmdUser=USER
AuthType=auth/munge
AuthInfo=socket=DIR/munge/socket
CredType=cred/munge
SlurmctldPort=PORT1
SlurmdPort=PORT2
StateSaveLocation=DIR/saved
SlurmdSpoolDir=DIR/spool
SlurmctldPidFile=DIR/slurmctld.pid
SlurmdPidFile=DIR/slurmd.pid
SlurmctldLogFile=DIR/slurmctld.log
SlurmdLogFile=DIR/slurmd.log
PluginDir=LIB/slurm-wlm
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1,default_queue_depth=1000
NodeName=HOST NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`

func userName(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("id", "-un").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *slurm) command(name string, args ...string) *exec.Cmd {
	if path := s.root + "/usr/bin/" + name; !strings.Contains(name, "/") {
		if _, err := os.Stat(path); err == nil {
			name = path
		}
	}
	c := exec.Command(name, args...)
	c.Dir, c.Env = s.dir, s.env
	return c
}

// run runs a command to its end and returns its output.
func (s *slurm) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := s.command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// start starts a daemon, which is ended with the test.
func (s *slurm) start(t *testing.T, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	c := s.command(name, args...)
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), out.String())
		}
	})
}

func (s *slurm) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not there after %v", what, hang)
		}
	}
}

// submit submits a job and waits until no task of it is left.
func (s *slurm) submit(t *testing.T, name string, args ...string) {
	t.Helper()
	begin := time.Now()
	id := s.run(t, name, args...)
	s.until(t, "the end of job "+id, func() bool {
		out, err := s.command("squeue", "-h", "-j", id, "-t", "all", "-o", "%t").Output()
		return err != nil || !strings.Contains(string(out), "PD") && !strings.Contains(string(out), "R") && !strings.Contains(string(out), "CG")
	})
	t.Logf("%s %s: job %s, %v\n%s", name, strings.Join(args, " "), id, time.Since(begin).Round(time.Second), s.run(t, "squeue", "-j", id, "-t", "all", "-o", "%.6A %.10K %.12j %.4t %R"))
}

// merge merges all parts that are there.
func (s *slurm) merge(t *testing.T, to string) profiles.MergeResult {
	t.Helper()
	out, err := s.command("sh", "-c", "sweetspot profiles merge results/*/profile.jsonl --json --to "+to).Output()
	var r profiles.MergeResult
	if e := json.Unmarshal(out, &r); e != nil {
		logs, _ := filepath.Glob(s.dir + "/slurm-*.out")
		for _, l := range logs {
			text, _ := os.ReadFile(l)
			t.Logf("%s:\n%s", filepath.Base(l), text)
		}
		t.Fatalf("merge: %v, %v\n%s", err, e, out)
	}
	return r
}
