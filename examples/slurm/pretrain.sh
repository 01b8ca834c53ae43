#!/usr/bin/env bash
# Pre-training on several nodes. Change: nodes, GPUs per node, time, the folders, and the recipe.
# Submit it again after it ran out of time: it goes on from its last checkpoint.
#SBATCH --job-name=stablerep-pretrain
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log
set -euo pipefail

SET=$SCRATCH/sets/cc3m-w2          # made by synthesize.sh
OUT=$SCRATCH/encoders/stablerep-w2

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun \
  --nnodes "$SLURM_NNODES" --nproc-per-node "$SLURM_GPUS_ON_NODE" \
  --rdzv-id "$SLURM_JOB_ID" --rdzv-backend c10d --rdzv-endpoint "$head:29500" \
  -m stablerep.study.commands pretrain "$OUT" --images "$SET" \
  --method stablerep --encoder vit_base_patch16_224 --image-size 224 \
  --crop-min 0.08 --positives 6 --views-per-step 8256 --steps 110000 \
  --learning-rate 3.2e-3 --checkpoint-every 1000
