#!/bin/sh
#SBATCH --job-name=sweetspot
#SBATCH --array=0-3
#SBATCH --ntasks=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --open-mode=append

# Each task of this array measures one part of the grid of a plan.
#
#   sbatch array.sh plan.yaml
#   sweetspot profiles merge results/*/profile.jsonl --to whole.jsonl
#
# Measure missing parts again, here the third and the fourth of four, and merge again:
#
#   SHARDS=4 sbatch --array=2,3 array.sh plan.yaml
#
# --exclusive: a task that shares its node with others measures them too. Add what the
# machines must have in common, such as --constraint or --gres=gpu:1.
set -u
plan=${1:-plan.yaml}
shards=${SHARDS:-4} # as many as the whole array has tasks, also if only some of them are run again
results=${RESULTS:-results}

# A task that was cut, or put back into the queue, continues: every attempt has a folder, and
# resumes the one before it.
attempt=1
resume=
while [ -e "$results/part-$SLURM_ARRAY_TASK_ID.$attempt/profile.jsonl" ]; do
	resume=--resume=$results/part-$SLURM_ARRAY_TASK_ID.$attempt
	attempt=$((attempt + 1))
done

code=0
sweetspot --sweep="$plan" --shard="auto/$shards" ${resume:+"$resume"} \
	--out "$results/part-$SLURM_ARRAY_TASK_ID.$attempt" || code=$?
# No setting of this part keeps the promise (2), or it cannot be told (3): these are answers
# for the merge, and no failures of the task.
case $code in 2 | 3) code=0 ;; esac
exit $code
