"""
Submits the job of `npm run bench:spark-scaling` some times at once, as Airflow's scheduler does: by a process each.

Called with the number of jobs, a file with the options of spark-submit, a JSON list, and what the job is given. Prints
a JSON list as its last line: of each job, the seconds from its submission to its first task and to its end.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

JOB = Path(__file__).with_name("job.py")


def submit(options: list[str], arguments: list[str], result: Path) -> dict[str, Any]:
    """Submits one job and waits for its end."""
    began = time.time()
    done = subprocess.run(
        ["spark-submit", *options, str(JOB), *arguments, str(result)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    ended = time.time()
    if done.returncode != 0:
        raise SystemExit(f"a job ended with code {done.returncode}:\n{done.stdout[-4000:]}")
    seen = json.loads(result.read_text())
    return {"firstTask": seen["first"] - began, "end": ended - began, "executors": seen["executors"]}


def main(jobs: int, options: list[str], arguments: list[str]) -> None:
    """Submits all jobs at the same moment."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        results = [Path(folder, f"{number}.json") for number in range(jobs)]
        seen = list(pool.map(lambda result: submit(options, arguments, result), results))
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3:])
