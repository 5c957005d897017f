"""Makes the animation of the documentation: the way between two real images, and back, in the latent space.

    python -m docs.animation [--output docs/animation.gif] [--images 0 18]

The images are those of the test set of Fashion-MNIST with these numbers. The same with any two image files:

    nvp-studio animate one.png two.png --model fashion-mnist --loop --seconds 4 --fps 20 --scale 6 -o between.gif
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from nvp_studio.data.catalogue import load_data
from nvp_studio.explore import open_model, write_animation
from nvp_studio.explore.animation import Animation
from nvp_studio.recipe import Image, Recipe

SCALE = 6


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the film and say how large it is."""
    parser = argparse.ArgumentParser(description="The animation of the documentation.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("animation.gif"))
    parser.add_argument("--images", type=int, nargs="+", default=[0, 18], help="numbers in the test set")
    options = parser.parse_args(arguments)
    model = open_model("fashion-mnist")
    test = load_data("fashion-mnist").test
    assert test is not None
    keyframes = tuple(
        Recipe(checkpoint=model.digest, base=Image(model.pixel_shape, test.images[number].tobytes(), f"test {number}"))
        for number in options.images
    )
    animation = Animation(keyframes=keyframes, seconds=4.0, frames_per_second=20.0, loop=True)
    write_animation(options.output, model, animation, SCALE)
    print(f"{options.output} ({animation.frames} frames, {options.output.stat().st_size // 1024} kB)")


if __name__ == "__main__":
    main()
