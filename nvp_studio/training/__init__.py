"""A run: configuration, loop, optimizer, moving average, metrics, checkpoints and exact resume."""

from nvp_studio._lazy import lazy_attributes

__all__ = ["Control", "TrainConfig", "default_runs_folder", "resume_run", "start_run"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "Control": "nvp_studio.training.control",
        "TrainConfig": "nvp_studio.training.config",
        "default_runs_folder": "nvp_studio.training.runs",
        "resume_run": "nvp_studio.training.resume",
        "start_run": "nvp_studio.training.start",
    },
)
