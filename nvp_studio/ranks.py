"""The processes that train, score or encode together: who is which, and what they tell each other.

torch's launcher (`torchrun`), or any that sets the same environment, starts the same command N times; each process is
a rank. Between CPUs gloo carries what they say, between GPUs NCCL the large tensors and gloo the rest. Nothing is
pickled: what travels are tensors and bytes.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

_TIMEOUT = timedelta(minutes=30)
"""Longest time that one rank waits for another at a meeting point; rank 0 may be writing to a slow disk."""
_POLL_SECONDS = 0.1
_REASON_SECONDS = 1.0
"""How long a survivor looks for the reason that a failing rank left behind."""
_PARTING_SECONDS = 10.0
"""How long rank 0 stays after a failure for the others to hear of it."""
_ALL = "all are there"
_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class RankLostError(RuntimeError):
    """Another process of this launch failed or was killed; the message is one line that says what is known of it."""


class Ranks:
    """One process alone, which agrees with itself; `ProcessGroup` is several.

    Methods that speak with the others are meeting points: every rank calls them in the same order, or all wait.
    """

    rank = 0
    world = 1
    """Number of ranks."""
    local_rank = 0
    local_world = 1
    """Ranks on this machine."""

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which alone writes files and speaks to a person."""
        return self.rank == 0

    def share(self, start: int, stop: int) -> tuple[int, int]:
        """The bounds of this rank's share of the range; the shares follow each other and differ by at most one."""
        count = stop - start
        return start + count * self.rank // self.world, start + count * (self.rank + 1) // self.world

    def of_first(self, *values: float) -> tuple[float, ...]:
        """The values that rank 0 gave."""
        return values

    def largest(self, *values: float) -> tuple[float, ...]:
        """Of each value the largest that any rank gave."""
        return values

    def add_up(self, tensor: Tensor) -> Tensor:
        """The tensor with its sum over the ranks in place; the same bits on every rank."""
        return tensor

    def send(self, data: bytes, source: int = 0) -> bytes:
        """The bytes that rank `source` gave."""
        return data

    def gather(self, data: bytes) -> list[bytes]:
        """The bytes of every rank, in their order."""
        return [data]

    def send_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The named tensors of rank 0, on the CPU where they had to travel."""
        return dict(tensors)

    def overwrite(self, tensors: Iterator[Tensor]) -> None:
        """Bring every tensor to the value it has on rank 0, in place."""

    def announce(self, word: str, content: bytes = b"") -> None:
        """Let go the ranks that `await_word`, and give them `content`."""

    def await_word(self, word: str, poll: Callable[[], None]) -> bytes:
        """Wait, however long, for rank 0 to announce `word`; give its content. `poll` is called, and may raise."""
        return b""

    def begin(self, stop_reason: Callable[[], str | None]) -> str | None:
        """Wait until every rank has come here after the same word; None then.

        When one was asked to stop before, as `stop_reason` or its `call_off` say, none waits any more and all are given
        the reason.
        """
        return None

    def call_off(self, reason: str) -> None:
        """Tell the other ranks, in place of `begin`, that this one will not come."""

    def claim_failure(self, reason: str) -> bool:
        """Leave `reason` for the other ranks; whether this rank is the first to fail, and thus the one to say it."""
        return True


ALONE = Ranks()
"""The ranks of a process that nobody launched with others."""


class ProcessGroup(Ranks):
    """The ranks of a launch. Raises `RankLostError` from a meeting point that a rank will not come to any more."""

    def __init__(self) -> None:
        self.rank, self.world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))
        self.local_world = int(os.environ.get("LOCAL_WORLD_SIZE", self.world))
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if gpus:
            torch.cuda.set_device(self.local_rank % gpus)
        nccl = gpus >= self.local_world and dist.is_nccl_available()
        try:
            store, _, _ = next(dist.rendezvous("env://", self.rank, self.world, timeout=_TIMEOUT))
            life = _life(store, self.rank, self.world)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if nccl else "gloo",
                store=dist.PrefixStore(f"{life}/group", store),
                rank=self.rank,
                world_size=self.world,
                timeout=_TIMEOUT,
            )
        except RuntimeError as error:
            place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            reason = str(error).splitlines()[0]
            raise RankLostError(f"the {self.world} processes did not find each other at {place}: {reason}") from error
        self._store = dist.PrefixStore(f"{life}/nvp-studio", store)
        self._words = 0

    def close(self) -> None:
        """Part from the others after work that ended well."""
        dist.destroy_process_group()

    def of_first(self, *values: float) -> tuple[float, ...]:
        """The values that rank 0 gave."""
        tensor = torch.tensor(values, dtype=torch.float64)
        self._meet(lambda: dist.broadcast(tensor, 0))
        return tuple(tensor.tolist())

    def largest(self, *values: float) -> tuple[float, ...]:
        """Of each value the largest that any rank gave."""
        tensor = torch.tensor(values, dtype=torch.float64)
        self._meet(lambda: dist.all_reduce(tensor, dist.ReduceOp.MAX))
        return tuple(tensor.tolist())

    def add_up(self, tensor: Tensor) -> Tensor:
        """The tensor with its sum over the ranks in place; the same bits on every rank."""
        self._meet(lambda: dist.all_reduce(tensor))
        return tensor

    def send(self, data: bytes, source: int = 0) -> bytes:
        """The bytes that rank `source` gave."""
        size = torch.tensor([len(data)])
        self._meet(lambda: dist.broadcast(size, source))
        content = _bytes_tensor(data) if self.rank == source else torch.empty(int(size), dtype=torch.uint8)
        if int(size):
            self._meet(lambda: dist.broadcast(content, source))
        return content.numpy().tobytes()

    def gather(self, data: bytes) -> list[bytes]:
        """The bytes of every rank, in their order."""
        sizes = torch.zeros(self.world, dtype=torch.int64)
        sizes[self.rank] = len(data)
        self.add_up(sizes)
        padded = torch.zeros(max(1, int(sizes.max())), dtype=torch.uint8)
        padded[: len(data)] = _bytes_tensor(data)
        parts = [torch.empty_like(padded) for _ in range(self.world)]
        self._meet(lambda: dist.all_gather(parts, padded))
        return [part[: int(size)].numpy().tobytes() for part, size in zip(parts, sizes, strict=True)]

    def send_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The named tensors of rank 0, on the CPU."""
        described = [(name, str(t.dtype).removeprefix("torch."), list(t.shape)) for name, t in tensors.items()]
        found: dict[str, Tensor] = {}
        for name, dtype, shape in json.loads(self.send(json.dumps(described).encode())):
            empty = torch.empty(shape, dtype=getattr(torch, dtype))
            found[name] = tensors[name].detach().cpu().contiguous() if self.first else empty
        self.overwrite(iter(found.values()))
        return found

    def overwrite(self, tensors: Iterator[Tensor]) -> None:
        """Bring every tensor to the value it has on rank 0, in place."""
        for tensor in tensors:
            content = tensor.detach().cpu().contiguous()
            if content.numel():
                self._meet(lambda content=content: dist.broadcast(content, 0))
            with torch.no_grad():
                tensor.copy_(content)

    def announce(self, word: str, content: bytes = b"") -> None:
        """Let go the ranks that `await_word`, and give them `content`."""
        self._words += 1
        self._store.set(f"{word} {self._words}", content.decode())

    def await_word(self, word: str, poll: Callable[[], None]) -> bytes:
        """Wait, however long, for rank 0 to announce `word`; give its content. `poll` is called, and may raise.

        Unlike a meeting point this has no time limit, and signals are heard.
        """
        self._words += 1
        key = f"{word} {self._words}"
        try:
            while not self._store.check([key]):
                if self._store.check(["failure"]):
                    raise self._lost()
                poll()
                time.sleep(_POLL_SECONDS)
            return self._store.get(key)
        except dist.DistError as error:
            raise self._lost() from error

    def begin(self, stop_reason: Callable[[], str | None]) -> str | None:
        """Wait until every rank has come here after the same word; None then.

        When one was asked to stop before, as `stop_reason` or its `call_off` say, none waits any more and all are given
        the reason. The first word on whether they begin holds: that of the last to come, or of one that is to stop.
        """
        key = self._beginning()
        try:
            if self._store.add(f"{key}, ranks", 1) == self.world:
                self._store.compare_set(key, "", _ALL)
            meeting = dist.all_reduce(torch.zeros(1), async_op=True)  # fails when a rank is lost
            while not self._store.check([key]):
                if meeting.is_completed() and not self._store.check([key]):
                    meeting.wait()
                elif (reason := stop_reason()) is not None:
                    self._store.compare_set(key, "", reason)
                time.sleep(_POLL_SECONDS)
            said = self._store.get(key).decode()
            if said == _ALL:
                meeting.wait()
                return None
        except RuntimeError as error:
            raise self._lost() from error
        self._part(key)
        return said

    def call_off(self, reason: str) -> None:
        """Tell the other ranks, in place of `begin`, that this one will not come."""
        with suppress(RuntimeError):  # the store went with rank 0: nobody is left to be told
            self._store.compare_set(self._beginning(), "", reason)
        self._part(self._beginning())

    def _part(self, key: str) -> None:
        """Leave a beginning that was called off; rank 0, with which the store goes, stays a moment for the others."""
        deadline = time.monotonic() + _PARTING_SECONDS
        with suppress(RuntimeError):  # it is gone
            parted = self._store.add(f"{key}, parted", 1)
            while self.first and parted < self.world and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                parted = self._store.add(f"{key}, parted", 0)

    def _beginning(self) -> str:
        return f"beginning {self._words}"

    def claim_failure(self, reason: str) -> bool:
        """Leave `reason` for the other ranks; whether this rank is the first to fail, and thus the one to say it."""
        try:
            is_first = self._store.add("failures", 1) == 1
            if is_first:
                self._store.set("failure", reason)
            if self.first:
                self._await_failures()
        except RuntimeError:
            return self.rank <= 1  # the store went with rank 0: the next one speaks
        return is_first

    def _await_failures(self) -> None:
        """Stay a moment, for the store may go with this process and the others look there for the reason."""
        deadline = time.monotonic() + _PARTING_SECONDS
        while (missing := self.world - self._store.add("failures", 0)) and time.monotonic() < deadline:
            if missing == 1:  # which may be the one that was killed
                deadline = min(deadline, time.monotonic() + _REASON_SECONDS)
            time.sleep(_POLL_SECONDS)

    def _meet(self, act: Callable[[], object]) -> None:
        try:
            act()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise self._lost() from error

    def _lost(self) -> RankLostError:
        deadline = time.monotonic() + _REASON_SECONDS
        try:
            while not self._store.check(["failure"]):
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL_SECONDS)
            else:
                return RankLostError(self._store.get("failure").decode())
        except RuntimeError:
            pass  # the store went with rank 0
        return RankLostError(f"one of the {self.world} processes ended without a word (killed, or out of memory)")


def _life(store: dist.Store, rank: int, world: int) -> str:
    """A name for this life of the launch, the same on all ranks and never used before.

    torchrun keeps its store when it starts the processes again, with all that the earlier ones left in it. So each rank
    shows a name of its own, rank 0 answers to that name, and is sure of a rank once that has repeated the answer.
    """
    deadline = time.monotonic() + _TIMEOUT.total_seconds()

    def wait(done: Callable[[], bool]) -> None:
        while not done():
            if time.monotonic() > deadline:
                raise RankLostError(f"not all of the {world} processes came together")
            time.sleep(_POLL_SECONDS / 5)

    if rank:
        name = secrets.token_hex(8)
        store.set(f"hello {rank}", name)
        wait(lambda: store.check([f"answer to {name}"]))
        life = store.get(f"answer to {name}").decode()
        store.set(f"{life} {rank}", "heard")
        return life
    life = secrets.token_hex(8)
    missing = set(range(1, world))

    def all_heard() -> bool:
        for other in sorted(missing):
            if store.check([f"{life} {other}"]):
                missing.discard(other)
            elif store.check([f"hello {other}"]):
                store.set(f"answer to {store.get(f'hello {other}').decode()}", life)
        return not missing

    wait(all_heard)
    return life


def launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return all(name in os.environ for name in _VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


@contextmanager
def launched_ranks() -> Iterator[Ranks]:
    """The ranks that the launcher's environment describes; without a launcher this process alone.

    An error inside ends without a word to the others but the one of `claim_failure`: their next meeting fails.
    """
    if not launched():
        yield ALONE
        return
    ranks = ProcessGroup()
    yield ranks
    ranks.close()


def _bytes_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
