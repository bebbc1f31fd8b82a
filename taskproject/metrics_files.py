"""The files in which prometheus-client keeps the metrics of each process.

`fold` keeps them few: a process that has ended leaves its counters, which must not go
back, and so all that ended are added up in one file of each type.
"""

import os
from contextlib import suppress
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import mark_process_dead

#: In place of the process id, in the names of files of those that have ended.
ENDED = "ended"
KINDS = ("counter", "histogram")


def fold(directory: Path) -> None:
    """Adds up the files of processes that have ended. Not to be called twice at once."""
    for path in directory.glob("*_[0-9]*.db"):
        process = int(path.stem.rsplit("_", 1)[1])
        if _runs(process):
            continue
        mark_process_dead(process, str(directory))
        for kind in KINDS:
            ended = directory / f"{kind}_{process}.db"
            if ended.exists():
                _add(ended, directory / f"{kind}_{ENDED}.db")
                ended.unlink()


def _add(source: Path, target: Path) -> None:
    total = MmapedDict(str(target))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(source)):
            before, _ = total.read_value(key)
            total.write_value(key, before + value, 0.0)
    finally:
        total.close()


def _runs(process: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, 0)
        return True
    return False
