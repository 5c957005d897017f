"""How the settings of a flow depend on each other."""

import msgspec
import pytest

from nvp_studio.flow.config import PRESETS, FlowConfig, preset_config
from nvp_studio.flow.settings import changed, without_effect


@pytest.mark.parametrize("preset", PRESETS)
def test_mixtures_can_be_chosen_whatever_the_flow(preset: str) -> None:
    before = preset_config(preset, (3, 16, 16))
    flow = changed(before, {"law": "levels", "width": "12"})
    assert (flow.law, flow.width, flow.scales) == ("levels", 12, before.scales)
    assert flow.exact_code_length
    assert changed(flow, {}) == flow


def test_another_transform_in_place_of_mixtures_has_couplings() -> None:
    flow = changed(preset_config("pyramid", (3, 16, 16)), {"law": "spline", "final_couplings": 2})
    assert flow.couplings == (flow.scales - 1) * 6 + 2
    assert flow.normalization == "actnorm"
    assert not flow.exact_code_length


def test_what_does_not_fit_with_mixtures_is_named() -> None:
    studio = preset_config("studio", (1, 8, 8))
    for changes, message in (
        ({"mixing": "conv1x1"}, "mixing must be none with law=levels"),
        ({"channel_couplings": "2"}, "channel_couplings is 2, must be 0 with law=levels"),
        ({"network": "residual"}, "network must be depthwise or gated with law=levels"),
        ({"logit_alpha": "0.01"}, "logit_alpha has no effect with law=levels"),
        ({"final_mask": "channel"}, "final_mask has no effect with law=levels"),
    ):
        with pytest.raises(ValueError, match=message):
            changed(studio, {"law": "levels"} | changes)


def test_settings_without_effect() -> None:
    def names(flow: FlowConfig) -> set[str]:
        return set(without_effect(msgspec.structs.asdict(flow)))

    studio = preset_config("studio", (3, 8, 8))
    assert names(studio) == set()
    assert names(msgspec.structs.replace(studio, law="affine", network="residual")) == {"pieces", "leak"}
    assert names(msgspec.structs.replace(studio, final_mask="channel")) == {"final_mixing"}
    pyramid = names(preset_config("pyramid", (1, 8, 8)))
    assert not pyramid & {"law", "pieces", "network", "blocks", "width", "doubling", "leak", "scales", "equalize"}
    assert {"logit_alpha", "final_mask", "mixing", "normalization", "channel_couplings"} <= pyramid
