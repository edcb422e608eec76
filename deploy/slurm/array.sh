#!/bin/sh
# Runs the shards of one run as the tasks of a Slurm job array. The arguments are those of `intercascade`:
#
#   sbatch --array=1-8 deploy/slurm/array.sh run --config big.toml
#   sbatch --dependency=afterany:JOB --wrap "intercascade report results/big"
#
# Each task finds its number and the number of tasks in the variables that Slurm sets. A task that has ended early goes
# on where it stopped if it is submitted again with its number: the array 3 alone would be a whole run, so name the shard:
#
#   sbatch --array=0 deploy/slurm/array.sh run --config big.toml --shard 3/8
#
# INTERCASCADE names the program, if it is not on the PATH. A key of a model server or the password of a shared journal
# is read from the environment that sbatch passes on, or from ~/.pgpass; neither belongs on the command line.
#SBATCH --job-name=intercascade
#SBATCH --array=1-4
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --output=intercascade-%A-%a.log
# The program ends after the calls in flight when Slurm announces the time limit, a minute before it.
#SBATCH --signal=B:TERM@60
set -eu
# `exec` makes the program the process that Slurm signals.
exec "${INTERCASCADE:-intercascade}" "$@"
