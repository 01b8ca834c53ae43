"""A dask cluster whose workers are SLURM jobs of their own: they join as SLURM starts them, and the sweep uses those there are.

    python examples/slurm/jobqueue.py            prints the address for `stablerep sweep ... --cluster ADDRESS`

Change the partition, the resources and the number of workers. Needs the extra: pip install -c constraints.txt -e '.[cluster]'
"""

import time

from dask_jobqueue import SLURMCluster


def cluster() -> SLURMCluster:
    return SLURMCluster(
        queue="gpu", cores=1, processes=1, memory="32GB", walltime="04:00:00", job_cpu=8, job_extra_directives=["--gpus-per-task=1"],
        scheduler_options={"dashboard_address": None},
    )  # fmt: skip


if __name__ == "__main__":
    running = cluster()
    running.scale(32)
    print(running.scheduler_address, flush=True)
    while True:
        time.sleep(60)
