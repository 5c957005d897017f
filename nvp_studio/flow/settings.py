"""How the settings of a flow depend on each other: which have no effect, and which a choice of transform needs."""

from collections.abc import Mapping
from typing import Any

import msgspec

from nvp_studio.flow.config import NEEDED_BY_LEVELS, FlowConfig

_WITHOUT_EFFECT_WITH_LEVELS = ("checkerboard", "final_mask", "final_mixing", "logit_alpha")


def without_effect(values: Mapping[str, Any]) -> frozenset[str]:
    """The settings, by their names in `FlowConfig`, that change nothing with these values of the others."""
    names: set[str] = set()
    if values["law"] == "levels":
        names.update(NEEDED_BY_LEVELS, _WITHOUT_EFFECT_WITH_LEVELS)
    if values["law"] == "affine":
        names.add("pieces")
    if values["network"] == "residual":
        names.add("leak")
    if values["final_mask"] != "checkerboard" or values["mixing"] == "none":
        names.add("final_mixing")
    return frozenset(names)


def changed_with_law(before: str, after: str, network: str) -> dict[str, Any]:
    """What else to set when the transform of couplings changes, for a flow that can be built.

    To mixtures: what they need, and depthwise networks in place of residual ones. From mixtures: the defaults of
    `FlowConfig`.
    """
    if before == after or "levels" not in (before, after):
        return {}
    if after == "levels":
        return NEEDED_BY_LEVELS | ({"network": "depthwise", "leak": 0.1} if network == "residual" else {})
    return {field.name: field.default for field in msgspec.structs.fields(FlowConfig) if field.name in NEEDED_BY_LEVELS}


def changed(flow: FlowConfig, changes: Mapping[str, Any]) -> FlowConfig:
    """`flow` with `changes`, whose numbers may be text, and with what another transform needs besides.

    Raises `ValueError` for values that are not valid or do not fit together, and for a change without effect where the
    couplings are mixtures, naming the setting.
    """
    law = changes.get("law", flow.law)
    values = msgspec.to_builtins(flow) | changed_with_law(flow.law, law, flow.network) | changes
    result = msgspec.convert(values, FlowConfig, strict=False)
    if result.law == "levels":
        for name in changes:
            if name in _WITHOUT_EFFECT_WITH_LEVELS:
                raise ValueError(f"{name} has no effect with law=levels")
    return result
