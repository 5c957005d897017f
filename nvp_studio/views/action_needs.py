"""What each action needs that is not always there: the reason that is given while it is not possible."""

from functools import partial

from PySide6.QtCore import QCoreApplication

_tr = partial(QCoreApplication.translate, "ActionNeeds")


def need_of(key: str) -> str:
    """What the action `key` needs, as a phrase; empty for one that is always possible."""
    return _needs().get(key) or (_tr("needs an open model") if key.startswith("explore.") else "")


def _needs() -> dict[str, str]:
    no_run = _tr("a run is under way: stop it first")
    under_way = _tr("only while a run is trained")
    in_loop = _tr("only while a run takes its training steps")
    some_run = _tr("needs a run that is selected")
    resumable = _tr("needs a run that can go on, and none under way")
    model = _tr("needs a run that has saved its best model")
    model_open = _tr("needs an open model")
    files = _tr("needs files in the table of Score")
    picture = _tr("needs a picture on Inspect")
    experiment = _tr("needs an experiment of Lab")
    export = _tr("needs a selected run and the package that it names")
    return {
        "help.next-lesson": _tr("needs the lessons open, and a step after this one"),
        "help.previous-lesson": _tr("needs the lessons open, and a step before this one"),
        "lab.maximum": _tr("needs two different points in the likelihood of Lab"),
        "edit.undo": _tr("nothing was done on this page that could be undone"),
        "edit.redo": _tr("nothing was undone on this page"),
        "explore.repeat-randomize": _tr("needs random directions (D) that were drawn, and the trained size"),
        **{f"explore.redraw-{scale}": _tr("needs an open model with so many scales") for scale in range(1, 7)},
        "explore.paint-redraw": _tr("needs an open model, a painted region, and a picture of the trained size"),
        "explore.follow": _tr("only while a run is trained on this machine"),
        "explore.paint-cancel": _tr("only while a region is redrawn"),
        "explore.find-directions": _tr(
            "needs an open model, not one of mixtures over grey levels, whose pictures change by jumps; a picture of "
            "the trained size, and none being found"
        ),
        "explore.larger": _tr(
            "needs an open model, not one of mixtures over grey levels, which knows each pixel's place"
        ),
        **{
            f"explore.nudge-x-{way}": _tr(
                "needs an open model, not one of mixtures over grey levels, whose density has no gradient in pixels"
            )
            for way in ("up", "down")
        },
        "explore.randomize": _tr("needs an open model and a picture of the trained size"),
        "explore.cancel-directions": _tr("only while directions are found"),
        "explore.make-direction": _tr("needs pictures in both groups, and none being made"),
        "explore.export-directions": _tr("needs a direction of your own"),
        **{
            f"explore.animate-{what}": _tr("needs keyframes of this model on Animate")
            for what in ("play", "save", "python")
        },
        "explore.animate-frame": _tr("only while a frame of an animation is shown"),
        "explore.animate-stop": _tr("only while a frame of an animation is shown, or a film is written"),
        "explore.paint-clear": _tr("nothing is painted"),
        "explore.neighbours-find": _tr("needs an open model, and no search under way"),
        "explore.neighbours-stop": _tr("only while training images are compared"),
        "run.start": no_run,
        "run.one-minute": no_run,
        "run.machine": no_run,
        "run.pause": under_way,
        "run.stop": under_way,
        "run.force-stop": _tr("only while a run takes long to stop"),
        "run.change": in_loop,
        "run.sample": in_loop,
        "run.save": in_loop,
        "run.skip-scoring": _tr("only while the images of a run that has ended are scored"),
        "run.fine-tune": _tr("needs an open model, and training on this machine"),
        "run.resume": resumable,
        "run.score-all": _tr("needs a finished run, and none under way"),
        "run.explore": model,
        "run.show-folder": some_run,
        "run.discard": _tr("needs a run that is selected and not being trained"),
        "run.copy-report": _tr("no run was started since the program was"),
        "score.again": files,
        "score.cancel": _tr("only while images are scored"),
        "score.continue-from": _tr("needs an open model, and no scoring under way"),
        "score.stop-watching": _tr("only while a folder is watched"),
        "score.continue": _tr("only after scoring was cancelled"),
        "score.explore": _tr("needs a file of the table that could be read"),
        "score.inspect": _tr("needs a file of the table that could be read"),
        "score.export": files,
        "score.clear": files,
        "score.copy-paths": _tr("needs files of the table that are selected"),
        "score.reveal": _tr("needs a file of the table that is selected"),
        "score.gallery": files,
        "score.make-reference": model_open,
        "score.compare": model_open,
        "score.report": files,
        "inspect.sample": _tr("needs an open model"),
        "inspect.health": model_open,
        "inspect.diagram": picture,
        "inspect.compare": picture,
        "inspect.fields": picture,
        "inspect.usual": picture,
        "inspect.play": picture,
        "inspect.play-back": picture,
        "inspect.next": picture,
        "inspect.previous": picture,
        **{f"lab.{key}": experiment for key in ("play", "slow", "step", "layers", "noise")},
        **{f"lab.{key}": experiment for key in ("copy-python", "save-figure", "save-layers")},
        "lab.save-training": _tr("needs an experiment of Lab that was trained"),
        "lab.clear": _tr("needs points of your own as the data of Lab"),
        "lab.unmark": _tr("needs a point or square that was drawn on Lab"),
        "runs.label": some_run,
        "runs.duplicate": some_run,
        "runs.resume": resumable,
        "runs.resume-with": resumable,
        "runs.explore": model,
        "runs.fine-tune": _tr("needs a run that has saved its best model, and training on this machine"),
        "runs.show-folder": some_run,
        "runs.csv": some_run,
        "runs.parquet": export,
        "runs.tensorboard": export,
        "runs.film": _tr("needs a selected run that has samples"),
        "runs.discard": _tr("needs a run that is selected and not being trained"),
    }
