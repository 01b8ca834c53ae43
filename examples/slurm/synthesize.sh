#!/usr/bin/env bash
# A synthetic set made by many workers, one GPU each. All run the same command on the same folder and take shards that nobody
# holds; any of them may die, and the set comes out the same. The folder must lie on a file system with working locks.
# Change: the size of the array, time, the folders, the captions and the generator.
#SBATCH --job-name=stablerep-synthesize
#SBATCH --array=0-31
#SBATCH --ntasks=1
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --output=%x-%A-%a.log
set -euo pipefail

srun stablerep synthesize "$SCRATCH/sets/cc3m-w2" \
  --captions "$SCRATCH/captions/cc3m.txt" \
  --generator stable-diffusion-v1-5/stable-diffusion-v1-5 \
  --sampler ddim --steps 50 --guidance-scale 2 --images-per-caption 10 \
  --batch-size 64 --shard-captions 256
