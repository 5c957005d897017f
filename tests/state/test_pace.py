"""How fast something advances."""

import pytest

from nvp_studio.state.pace import Pace


def test_a_speed_is_that_of_late_and_is_known_after_a_second() -> None:
    pace = Pace()
    pace.add(0.0, 5)
    assert pace.per_second is None, "nothing has begun"
    pace.begin(10.0)
    pace.add(10.5, 50)
    assert pace.per_second is None
    assert pace.seconds_for(7) is None
    pace.add(12.0, 50)
    assert pace.per_second == pytest.approx(50)
    assert pace.seconds_for(500) == pytest.approx(10)
    for second in range(13, 80):
        pace.add(float(second), 10)
    assert pace.per_second == pytest.approx(10), "the fast beginning is forgotten"
    pace.begin(80.0)
    assert pace.per_second is None
