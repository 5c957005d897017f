"""An experiment of Lab as a Python program."""

import msgspec

from nvp_studio.lab.settings import LabFile

FILE_NAME = "experiment.json"
"""Of the file that a program with many points reads."""
_MOST_WRITTEN = 500
"""Points that are part of the program; more are read from a file."""


def python_code(file: LabFile, steps: int) -> str:
    """A program that makes and trains the same experiment and prints what it learnt."""
    settings = file.settings
    given = ", ".join(f"{name}={value!r}" for name, value in msgspec.structs.asdict(settings).items())
    lines = ["import numpy as np", "", "from nvp_studio.lab.experiment import Experiment"]
    if settings.data != "points":
        lines += ["from nvp_studio.lab.settings import LabSettings", ""]
        lines += [f"settings = LabSettings({given})", "experiment = Experiment(settings)"]
    elif len(file.points) <= _MOST_WRITTEN:
        rows = ", ".join(f"({x!r}, {y!r})" for x, y in file.points)
        lines += ["from nvp_studio.lab.settings import LabSettings", ""]
        lines += [f"settings = LabSettings({given})", f"points = np.array([{rows}])"]
        lines += ["experiment = Experiment(settings, points)"]
    else:
        lines += ["from nvp_studio.lab.settings import read_settings", ""]
        lines += ["# Its points are too many for this program: save the experiment under this name beside it."]
        lines += [f'with open("{FILE_NAME}", "rb") as opened:', "    file = read_settings(opened.read())"]
        lines += ["experiment = Experiment(file.settings, np.array(file.points))"]
    lines += [f"for _ in range({steps}):", "    experiment.step()", ""]
    lines += ["samples = experiment.samples(1000)  # (1000, 2)"]
    lines += ["log_density = experiment.log_density(samples)  # nats, (1000,)"]
    lines += ["latents, log_det = (part[-1] for part in experiment.stages(samples))  # (1000, 2) and (1000,)"]
    lines += ['print(f"{experiment.steps} steps; mean log p of samples: {log_density.mean():.3f} nats")', ""]
    return "\n".join(lines)
