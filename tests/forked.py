"""Processes forked from one that has imported torch and the program: each starts in milliseconds instead of seconds."""

import multiprocessing

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [
        "nvp_studio.explore.score",
        "nvp_studio.flow.engine.compiled",
        "nvp_studio.flow.engine.compiled_spline",
        "nvp_studio.training.join",
        "nvp_studio.training.resume",
        "nvp_studio.training.start",
        "tests.faults.runs",
        "torch._dynamo",  # which the first step of an optimizer imports
        "torch.distributed",
    ]
)
