"""The measured AUROC, whose one home is a resource."""

from pathlib import Path

from nvp_studio.resources import included_model, resource_path
from nvp_studio.score_row import unusualness
from nvp_studio.scores.auroc_table import SCORES, alarms_text, markdown, measured_models

DOCS = Path(__file__).parents[2] / "docs" / "scores.md"


def test_the_documentation_has_the_figures_of_the_resource() -> None:
    text = " ".join(DOCS.read_text("utf-8").split())
    for model in measured_models():
        assert " ".join(markdown(model).split()) in text, f"python -m benchmarks.ood --write changed {model.model}"
        assert model.digest in text
        assert model.date in text
        for alarms in model.false_alarms:
            assert alarms_text(alarms) in text


def test_both_included_models_were_measured_with_every_score() -> None:
    models = measured_models()
    assert [one.model for one in models] == ["fashion-mnist", "peeps"]
    for one in models:
        path = resource_path(f"models/{one.model}.safetensors")
        assert included_model(str(path)) == one.model
        assert one.auroc.keys() == SCORES.keys()
        values = [*one.auroc.values(), one.low, one.high, one.called, one.far]
        assert {len(line) for line in values} == {len(one.sets)}
        assert all(0 <= value <= 1 for line in values for value in line)
        ends = zip(one.low, one.auroc["verdict"], one.high, strict=True)
        assert all(low <= value <= high for low, value, high in ends)
    assert set(SCORES) - {"two_sided"} <= _names()


def _names() -> set[str]:
    from nvp_studio.score_row import ScoreNumbers, ScoreRow

    numbers = ScoreNumbers(
        nats=0.0, ideal_bytes=1.0, png_bytes=1, webp_bytes=1, complexity=0.0, log_det=0.0, distance=1.0,
        statistics_distance=1.0, coarse_distance=1.0, shape=1.0, turned=1.0,
    )  # fmt: skip
    return set(unusualness(ScoreRow(path="a", bits_per_dim=1.0, numbers=numbers)))


def test_the_digest_is_that_of_the_model_that_ships() -> None:
    from nvp_studio.explore import open_model

    for one in measured_models():
        assert open_model(one.model).digest.startswith(one.digest)
