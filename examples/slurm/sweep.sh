#!/usr/bin/env bash
# A sweep on several nodes: a dask scheduler and workers, and the sweep that gives them its notebooks. The run store lies on the file
# system that all nodes share, so that what two combinations need is computed once.
# Change: nodes, workers per node (each runs one notebook at a time), time, the folders and the sweep.
# Submit it again after it ran out of time: --resume does the rest.
#SBATCH --job-name=stablerep-sweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=4
#SBATCH --time=08:00:00
#SBATCH --output=%x-%j.log
set -euo pipefail

export STABLEREP_RUNS=$SCRATCH/runs
file=$SCRATCH/scheduler-$SLURM_JOB_ID.json

dask scheduler --scheduler-file "$file" --no-dashboard &
while [ ! -s "$file" ]; do sleep 1; done
srun dask worker --scheduler-file "$file" --nthreads 1 --no-dashboard &
stablerep sweep compare -g guidance_scale=1,2,4,8 -g seed=0..9 --preset workstation \
  --cluster "$file" --resume -o "$SCRATCH/sweeps/guidance"
