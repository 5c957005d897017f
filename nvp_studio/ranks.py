"""The processes that train, score or encode together (ranks), and how they communicate.

torch's launcher (`torchrun`), or any that sets the same environment, starts the same command N times; each process is
a rank. Communication between CPUs is by gloo; between GPUs NCCL takes tensors on them and gloo the rest. Nothing is
pickled: only tensors and bytes are sent.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

_TIMEOUT = timedelta(minutes=30)
"""Longest time that one rank waits for another in a collective; rank 0 may be writing to a slow disk."""
_POLL_SECONDS = 0.1
_REASON_SECONDS = 1.0
"""How long the other ranks look for the reason that a failing rank stored."""
_LEAVING_SECONDS = 10.0
"""How long rank 0, which has the store, stays after a failure for the others to read it."""
_ALL_STARTED = "all ranks have started"
_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class RankLostError(RuntimeError):
    """Another process of this launch failed or was killed; the message is one line that says why, as far as known."""


class Ranks:
    """The processes of a launch, of which this is one; as made, this process alone.

    The methods `broadcast...`, `all_...` and `start_together` are collectives: every rank must call them in the same
    order, or all wait. They raise `RankLostError` when another rank has ended.
    """

    rank = 0
    world = 1
    """Number of ranks."""
    local_rank = 0
    local_world = 1
    """Ranks on this machine."""

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which alone writes files and reports."""
        return self.rank == 0

    def connect(self) -> None:
        """Find the other processes of the launch that the environment describes."""
        # Builds of torch without support for several processes lack these two.
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        self.rank, self.world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))
        self.local_world = int(os.environ.get("LOCAL_WORLD_SIZE", self.world))
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if gpus:
            torch.cuda.set_device(self.local_rank % gpus)
        nccl = gpus >= self.local_world and dist.is_nccl_available()
        try:
            store, _, _ = next(rendezvous("env://", self.rank, self.world, timeout=_TIMEOUT))
            prefix = _launch_prefix(store, self.rank, self.world)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if nccl else "gloo",
                store=PrefixStore(f"{prefix}/group", store),
                rank=self.rank,
                world_size=self.world,
                timeout=_TIMEOUT,
            )
        except RuntimeError as error:
            place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            reason = str(error).splitlines()[0]
            raise RankLostError(f"the {self.world} processes did not find each other at {place}: {reason}") from error
        self._store = PrefixStore(f"{prefix}/nvp-studio", store)
        self._announcements = 0

    def close(self) -> None:
        """Leave the group after work that ended well."""
        dist.destroy_process_group()

    def own_range(self, start: int, stop: int) -> tuple[int, int]:
        """This rank's part of the range; those of all ranks are consecutive, and their sizes differ by at most 1."""
        count = stop - start
        return start + count * self.rank // self.world, start + count * (self.rank + 1) // self.world

    def broadcast(self, *values: float) -> tuple[float, ...]:
        """The values of rank 0."""
        tensor = torch.tensor(values, dtype=torch.float64)
        self._collective(lambda: dist.broadcast(tensor, 0))
        return tuple(tensor.tolist())

    def all_reduce_max(self, *values: float) -> tuple[float, ...]:
        """The maximum of each value over the ranks."""
        tensor = torch.tensor(values, dtype=torch.float64)
        self._collective(lambda: dist.all_reduce(tensor, dist.ReduceOp.MAX))
        return tuple(tensor.tolist())

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """Sum the tensor over the ranks in place and return it; the result has the same bits on every rank."""
        self._collective(lambda: dist.all_reduce(tensor))
        return tensor

    def broadcast_bytes(self, data: bytes, source: int = 0) -> bytes:
        """The bytes of rank `source`."""
        size = torch.tensor([len(data)])
        self._collective(lambda: dist.broadcast(size, source))
        content = _bytes_tensor(data) if self.rank == source else torch.empty(int(size), dtype=torch.uint8)
        if int(size):
            self._collective(lambda: dist.broadcast(content, source))
        return content.numpy().tobytes()

    def all_gather(self, data: bytes) -> list[bytes]:
        """The bytes of every rank, in their order."""
        return [self.broadcast_bytes(data, source) for source in range(self.world)]

    def broadcast_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The named tensors of rank 0; on the CPU when there are several ranks."""
        if self.world == 1:
            return dict(tensors)
        described = [(name, str(t.dtype).removeprefix("torch."), list(t.shape)) for name, t in tensors.items()]
        received: dict[str, Tensor] = {}
        for name, dtype, shape in json.loads(self.broadcast_bytes(json.dumps(described).encode())):
            empty = torch.empty(shape, dtype=getattr(torch, dtype))
            received[name] = tensors[name].detach().cpu().contiguous() if self.first else empty
        self.broadcast_in_place(iter(received.values()))
        return received

    def broadcast_in_place(self, tensors: Iterator[Tensor]) -> None:
        """Overwrite every tensor by its value on rank 0."""
        for tensor in tensors if self.world > 1 else ():
            content = tensor.detach().cpu().contiguous()
            if content.numel():
                self._collective(partial(dist.broadcast, content, 0))
            with torch.no_grad():
                tensor.copy_(content)

    def announce(self, key: str, content: bytes = b"") -> None:
        """Store `content` for the ranks in `await_announcement`."""
        if self.world == 1:
            return
        self._announcements += 1
        self._store.set(f"{key} {self._announcements}", content.decode())

    def await_announcement(self, key: str, poll: Callable[[], None]) -> bytes:
        """Wait without a time limit until rank 0 announces `key`; return its content. `poll` is called, and may raise.

        Unlike in a collective, signals are handled meanwhile.
        """
        self._announcements += 1
        numbered = f"{key} {self._announcements}"
        try:
            while not self._store.check([numbered]):
                if self._store.check(["failure"]):
                    raise self._lost()
                poll()
                time.sleep(_POLL_SECONDS)
            return self._store.get(numbered)
        except dist.DistError as error:
            raise self._lost() from error

    def start_together(self, stop_reason: Callable[[], str | None]) -> str | None:
        """Wait until every rank has called this after the same announcement, and return None.

        When a rank is asked to stop before that, as its `stop_reason` or `cancel_start` says, all get that reason
        instead. What is stored first holds: that all have started, by the last to call this, or a reason to stop.
        """
        if self.world == 1:
            return None
        key = self._start_key()
        try:
            if self._store.add(f"{key}, ranks", 1) == self.world:
                self._store.compare_set(key, "", _ALL_STARTED)
            barrier = dist.all_reduce(torch.zeros(1), async_op=True)  # fails when a rank is lost
            while not self._store.check([key]):
                if barrier.is_completed() and not self._store.check([key]):
                    barrier.wait()
                elif (reason := stop_reason()) is not None:
                    self._store.compare_set(key, "", reason)
                time.sleep(_POLL_SECONDS)
            outcome = self._store.get(key).decode()
            if outcome == _ALL_STARTED:
                barrier.wait()
                return None
        except RuntimeError as error:
            raise self._lost() from error
        self._leave(key)
        return outcome

    def cancel_start(self, reason: str) -> None:
        """Tell the other ranks, instead of `start_together`, that this one will not start."""
        with suppress(RuntimeError):  # rank 0 has ended, and the store with it
            self._store.compare_set(self._start_key(), "", reason)
        self._leave(self._start_key())

    def _leave(self, key: str) -> None:
        """End after a cancelled start; rank 0 waits a moment for the others to read the store, which ends with it."""
        with suppress(RuntimeError):  # rank 0 has ended, and the store with it
            self._store.add(f"{key}, left", 1)
            if self.first:
                _wait(lambda: self._store.add(f"{key}, left", 0) == self.world, _LEAVING_SECONDS)

    def _start_key(self) -> str:
        return f"start {self._announcements}"

    def claim_failure(self, reason: str) -> bool:
        """Store `reason` for the other ranks; return whether this rank is the first to fail, which has to report it."""
        try:
            is_first = self._store.add("failures", 1) == 1
            if is_first:
                self._store.set("failure", reason)
            # The store ends with rank 0, so it stays for the others to read it; the last may be one that was killed.
            if self.first and _wait(lambda: self._store.add("failures", 0) >= self.world - 1, _LEAVING_SECONDS):
                _wait(lambda: self._store.add("failures", 0) == self.world, _REASON_SECONDS)
        except RuntimeError:
            return self.rank <= 1  # rank 0 has ended, and the store with it: rank 1 reports
        return is_first

    def _collective(self, act: Callable[[], object]) -> None:
        if self.world == 1:
            return
        try:
            act()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise self._lost() from error

    def _lost(self) -> RankLostError:
        with suppress(RuntimeError):  # rank 0 has ended, and the store with it
            if _wait(lambda: self._store.check(["failure"]), _REASON_SECONDS):
                return RankLostError(self._store.get("failure").decode())
        return RankLostError(
            f"one of the {self.world} processes ended without an error message (killed, or out of memory)"
        )


ALONE = Ranks()
"""The ranks of a process that was not launched together with others."""


def _launch_prefix(store: "Store", rank: int, world: int) -> str:
    """A prefix of keys for this start of the launch, the same on all ranks and never used before.

    torchrun keeps its store when it starts the processes again, with all that the earlier ones stored. So each rank
    stores a random name of its own, rank 0 answers to that name with the prefix, and knows that a rank has read the
    answer when that stores it in turn.
    """

    def wait(done: Callable[[], bool]) -> None:
        if not _wait(done, _TIMEOUT.total_seconds(), _POLL_SECONDS / 5):
            raise RankLostError(f"not all of the {world} processes have started")

    if rank:
        name = secrets.token_hex(8)
        store.set(f"hello {rank}", name)
        wait(lambda: store.check([f"answer to {name}"]))
        prefix: str = store.get(f"answer to {name}").decode()
        store.set(f"{prefix} {rank}", "read")
        return prefix
    prefix = secrets.token_hex(8)
    missing = set(range(1, world))

    def all_read() -> bool:
        for other in sorted(missing):
            if store.check([f"{prefix} {other}"]):
                missing.discard(other)
            elif store.check([f"hello {other}"]):
                store.set(f"answer to {store.get(f'hello {other}').decode()}", prefix)
        return not missing

    wait(all_read)
    return prefix


def launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return all(name in os.environ for name in _VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


@contextmanager
def launched_ranks() -> Iterator[Ranks]:
    """The ranks that the launcher's environment describes; without a launcher this process alone.

    After an error inside, nothing is sent to the other ranks but by `claim_failure`: their next collective fails.
    """
    if not launched():
        yield ALONE
        return
    ranks = Ranks()
    ranks.connect()
    yield ranks
    ranks.close()


def _wait(done: Callable[[], bool], seconds: float, poll_seconds: float = _POLL_SECONDS) -> bool:
    """Wait until `done()` holds, at most `seconds`; returns whether it does."""
    deadline = time.monotonic() + seconds
    while not (is_done := done()) and time.monotonic() < deadline:
        time.sleep(poll_seconds)
    return is_done


def _bytes_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
