"""One run, one worker: a claim is a file that only one process can create, on a folder that machines share.

A claim names host and process and is touched while its holder lives. It is stale if that process is dead on this host, or has
not been heard of for SILENCE seconds, wherever it is. A stale claim stays where it is; who takes it over creates the next one,
`claim.1` after `claim.0`, which again only one can: of a claim that was deleted to be replaced, two could be taken.
"""

import json
import math
import os
import platform
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

BEAT, SILENCE = 15.0, 600.0  # seconds


@dataclass(frozen=True)
class Claim:
    """Held until `release`."""

    path: Path
    released: threading.Event = field(default_factory=threading.Event)

    def beat(self) -> None:
        while not self.released.wait(BEAT):
            with suppress(OSError):  # a network folder that is away for a while
                os.utime(self.path)

    def release(self) -> None:
        self.released.set()
        remove(self.path.parent, _number(self.path))


def take(folder: Path) -> Claim | None:
    """The claim on a folder, or None where a living process has it."""
    last = holder(folder)
    if last and not last.stale:
        return None
    path = folder / f"claim.{last.number + 1 if last else 0}"
    written = folder / f".claim.{uuid.uuid4().hex}"
    try:
        written.write_text(
            json.dumps({"host": platform.node(), "pid": os.getpid(), "processes": processes()}), encoding="utf-8"
        )
        os.link(written, path)  # as exclusive as O_EXCL, and with its content from the first moment
    except FileExistsError:
        return None
    finally:
        written.unlink(missing_ok=True)
    claim = Claim(path)
    threading.Thread(target=claim.beat, daemon=True).start()
    return claim


@dataclass(frozen=True)
class Holder:
    """Who has the claim, and for how many seconds nothing has been heard of them; `processes` tells which one `pid` names."""

    number: int
    host: str
    pid: int
    processes: str
    silent: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, not heard of for {max(0.0, self.silent):.0f} s"

    @property
    def stale(self) -> bool:
        here = (self.host, self.processes) == (platform.node(), processes())
        return self.silent > SILENCE or (here and (self.pid == os.getpid() or not _alive(self.pid)))


def processes() -> str:
    """Among which a number names one: those of this boot, in this container; several may share a host's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux: there the host's name has to tell
        return ""


def holder(folder: Path) -> Holder | None:
    """Of the last claim, stale or not."""
    for path in sorted(folder.glob("claim.*"), key=_number, reverse=True):
        with suppress(FileNotFoundError):  # released meanwhile
            silent = time.time() - path.stat().st_mtime
            said = json.loads(path.read_text(encoding="utf-8"))
            return Holder(_number(path), said["host"], said["pid"], said.get("processes", ""), silent)
    return None


def remove(folder: Path, last: float = math.inf) -> None:
    """The claims up to that number, the highest at the end: until then nobody else can take the folder."""
    for path in sorted(folder.glob("claim.*"), key=_number):
        if _number(path) <= last:
            path.unlink(missing_ok=True)


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
