"""What makes flows fast: the plain mathematics of `nvp_studio.flow` by other arithmetic, held equal to it by the tests.

`acceleration.accelerate` prepares a flow for training, `inference.Inference` wraps one that is trained.
"""
