"""A change of a run holds once it is on the disk, and leaves no trace when it is refused."""

import itertools
from pathlib import Path

import pytest

from nvp_studio.training.changes import ChangeHistory, ChangeRequest, RateChange, StopChange, read_changes
from nvp_studio.training.config import StopRules
from tests.faults.disk import Disk

REQUEST = ChangeRequest(learning_rate=2e-3, stop=StopRules(patience=4))
CHANGES = (RateChange(7, 2e-3), StopChange(7, StopRules(patience=4)))


@pytest.mark.parametrize("for_ever", [False, True])
@pytest.mark.parametrize("before", [(), (RateChange(3, 1e-3),)], ids=["first", "later"])
def test_every_operation_fails(before: tuple[RateChange, ...], for_ever: bool, tmp_path: Path) -> None:
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        history = ChangeHistory(folder, 4e-3, StopRules())
        if before:
            history.make(ChangeRequest(learning_rate=1e-3), 3)
        disk = Disk(number, for_ever=for_ever)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            try:
                history.make(REQUEST, 7)
            except OSError:
                assert disk.failed
                assert history.changes == read_changes(folder) == before
                continue
        assert history.changes == read_changes(folder) == (*before, *CHANGES)
        if not disk.failed:
            assert number > 2, "opening, writing and flushing can fail"
            return
