"""What the worker does beside routing and delivering: signs of life, emptied segments, room on the disk, forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from router.commands import Commands
from router.config import Config
from router.disk import Ballast, sizes
from router.errors import DiskFull, StoreError
from router.intake import Intake
from router.logs import Log
from router.metrics import Metrics
from router.store import Store
from router.worker import report
from router.worker.retention import Forgetting


class Upkeep:
    """Everything happens between two turns, outside their transactions. What fails is told, and tried again later."""

    def __init__(
        self, store: Store, intake: Intake, commands: Commands, data: Path, *, log: Log, metrics: Metrics
    ) -> None:
        self._store, self._intake, self._log, self._metrics = store, intake, log, metrics
        self.forgetting = Forgetting(store, commands, metrics.forgot)
        self._data = data
        self._ballast = Ballast(data)
        #: Why there is no ballast, as it was last told.
        self._told: str | None = None

    def tick(
        self,
        config: Config,
        now: float,
        *,
        lag: float,
        in_hand: int,
        breakers: Mapping[str, Mapping[str, object]],
    ) -> None:
        """Do what is done once a second."""
        try:
            self._metrics.keep_room()
            self._keep_ballast(config)
            report.heartbeat(self._data, now, lag, in_hand, breakers)
            self._sweep()
        except (StoreError, OSError) as ex:
            self._log.say("store", f"{ex}; trying again", level="error")

    def forget(self, config: Config, position: int, now: float, *, believed: bool) -> None:
        """Take one step of forgetting if it is time for one; none while the clock cannot be *believed*.

        *position* is the id of the last command that was carried out.
        """
        if self.forgetting.until_next() > 0:
            return
        if not believed:
            self.forgetting.wait()
            return
        try:
            done = self.forgetting.step(config.retention, now, position)
        except StoreError as ex:
            if not self.make_room(ex):
                self._log.say("store", f"{ex}; forgetting what is old goes on later", level="error")
            return
        if done:
            text = ", ".join(f"{count:,} {kind}" for kind, count in done.items())
            self._log.say("retention", f"forgot {text}", rows=dict(done))

    def make_room(self, ex: StoreError) -> bool:
        """Give up the ballast where *ex* says that the disk is full; return whether there is room now."""
        if not isinstance(ex, DiskFull):
            return False
        freed = self._ballast.drop()
        if not freed:
            return False
        self._metrics.ballast_dropped()
        self._told = "full"
        text = f"the disk under {self._data} is full: the ballast ({freed >> 10:,} KiB) is deleted so that outcomes "
        self._log.say("disk", f"{text}can still be recorded. Make room now; it is made again by itself", level="error")
        return True

    def _keep_ballast(self, config: Config) -> None:
        wanted, there = config.disk.ballast, self._ballast.size
        if there == wanted:
            return
        if not wanted:
            self._ballast.drop()
            return
        # Twice: a disk that is full again at once would make and drop it for ever.
        needed = config.disk.refuse_below + 2 * wanted
        if sizes(self._data).free + there < needed:
            self._without(f"it is made once {needed >> 20} MiB are free")
            return
        try:
            self._ballast.make(wanted)
        except OSError as ex:
            self._without(str(ex.strerror or ex))
            return
        if self._told is not None:
            self._log.say("disk", f"there is room under {self._data} again; the ballast is back")
            self._told = None

    def _without(self, why: str) -> None:
        if self._told is None:
            self._log.say("disk", f"no ballast under {self._data}: {why}", level="warning")
            self._told = why

    def _sweep(self) -> None:
        with self._store.transaction():
            self._intake.sweep()
