package main

import (
	"strings"
	"testing"
)

func TestShardFrom(t *testing.T) {
	slurm := func(id, first, step, count string) []string {
		return []string{"SLURM_ARRAY_TASK_ID=" + id, "SLURM_ARRAY_TASK_MIN=" + first, "SLURM_ARRAY_TASK_STEP=" + step, "SLURM_ARRAY_TASK_COUNT=" + count}
	}
	pod := func(index string) []string { return []string{"JOB_COMPLETION_INDEX=" + index} }
	for _, c := range []struct {
		text string
		env  []string
		want string // the shard, or a part of the error
	}{
		{"2/4", nil, "2/4"},
		{"2/4", slurm("0", "0", "1", "9"), "2/4"},
		{"5/4", nil, "--shard 5/4: with 4 shards the first number must be 1-4"},
		{"half", nil, `--shard "half": want i/n`},
		{"auto", slurm("0", "0", "1", "4"), "1/4"},
		{"auto", slurm("3", "0", "1", "4"), "4/4"},
		{"auto", slurm("4", "1", "1", "4"), "4/4"},
		{"auto", slurm("5", "1", "2", "4"), "3/4"},
		{"auto", slurm("5", "1", "", "5"), "5/5"},
		{"auto", slurm("7", "1", "1", "3"), "the array has gaps"},
		{"auto", slurm("4", "1", "2", "4"), "the array has gaps"},
		{"auto", slurm("x", "1", "1", "4"), `SLURM_ARRAY_TASK_ID="x" is not a whole number`},
		{"auto", slurm("1", "", "", ""), `SLURM_ARRAY_TASK_MIN="" is not a whole number`},
		{"auto/4", slurm("2", "2", "1", "1"), "3/4"},
		{"auto/4", slurm("4", "1", "1", "4"), "the index of this task is 4, and those of 4 parts are 0-3"},
		{"auto/4", pod("0"), "1/4"},
		{"auto/4", pod("3"), "4/4"},
		{"auto/4", pod("-1"), "the index of this task is -1"},
		{"auto/x", pod("1"), "want auto/n, such as auto/4"},
		{"auto/20000", pod("1"), "the number of shards must be 1-10000"},
		{"auto", pod("1"), "Kubernetes says the index of a pod, JOB_COMPLETION_INDEX=1, and not how many there are"},
		{"auto", nil, "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set"},
		{"auto/4", append(pod("1"), slurm("1", "0", "1", "4")...), "both SLURM_ARRAY_TASK_ID and JOB_COMPLETION_INDEX are set"},
	} {
		got, err := shardFrom(c.text, parseEnviron(c.env))
		text := got.String()
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, c.want) {
			t.Errorf("shardFrom(%q, %q) = %q, want %q", c.text, c.env, text, c.want)
		}
	}
}
