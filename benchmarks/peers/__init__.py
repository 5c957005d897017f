"""Flow libraries that can be installed, against NVP Studio itself: speed, memory, and what is learnt in equal time.

    pip install -c constraints.txt -e '.[bench]'               # the libraries: normflows, nflows, FrEIA, torchflows
    python -m benchmarks.peers speed                           # training, likelihoods, decoding, memory
    python -m benchmarks.peers learn --minutes 5               # bits/dim after 5 minutes of processor time each
    python -m benchmarks.peers learn --minutes 5 --data cifar-10
    python -m benchmarks.peers table                           # the table of all that was measured
    python -m benchmarks.peers list                            # names, sources, and what is installed

Each model is its library's own example for images, with its own optimizer (`benchmarks.peers.models` names the
sources). `benchmarks.peers.speed` and `benchmarks.peers.learning` say how the figures are measured.
"""
