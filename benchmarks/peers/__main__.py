"""The command line: `python -m benchmarks.peers`."""

import argparse
import warnings
from pathlib import Path

from benchmarks.peers import __doc__ as description
from benchmarks.peers.models import PEERS, STUDIO, chosen
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataError


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the models")
    for name, told in (("speed", "time and memory"), ("learn", "bits/dim after equal processor time")):
        one = commands.add_parser(name, help=told)
        one.add_argument("models", nargs="*", help="names; all that are installed without any")
        one.add_argument("--data", default="fashion-mnist", help="name in the catalogue, or path")
        one.add_argument("--results", type=Path, default=Path("peers.jsonl"))
    commands.choices["speed"].add_argument("--rounds", type=int, default=7)
    learn = commands.choices["learn"]
    learn.add_argument("--minutes", type=float, nargs="+", default=[5.0], help="processor time of a run")
    learn.add_argument(
        "--trial-seconds", type=float, default=45.0, help="processor time of a run that chooses the rate"
    )
    learn.add_argument("--rate", type=float, help="train with this rate alone")
    learn.add_argument("--logit", action="store_true", help="the libraries' models behind NVP Studio's logit")
    learn.add_argument("--batch", type=int, help="images in a step")
    learn.add_argument("--images", type=int, default=1000, help="test images that are scored, and twice the validation")
    table = commands.add_parser("table", help="print the tables of the results")
    table.add_argument("--results", type=Path, default=Path("peers.jsonl"))
    memory = commands.add_parser("memory", help="MiB of three training steps of one model in this process")
    memory.add_argument("model", choices=[STUDIO, *PEERS])
    memory.add_argument("--shape", type=int, nargs=3, default=(28, 28, 1), metavar=("H", "W", "C"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)  # of the libraries, about what torch will drop
    if options.command == "list":
        for name, peer in PEERS.items():
            print(f"{name}: {peer.package}{'' if peer.installed else ', not installed'}; {peer.source}")
    elif options.command == "memory":
        from benchmarks.peers.speed import memory as measure_memory

        measure_memory(options)
    else:
        _measure_or_tell(options)


def _measure_or_tell(options: argparse.Namespace) -> None:
    from benchmarks.peers.learning import Results, learn
    from benchmarks.peers.report import tables

    if options.command != "table":
        names = chosen(options.models)
        try:
            data = load_data(options.data)
        except DataError as error:
            raise SystemExit(str(error)) from None
    results = Results(options.results)
    if options.command == "learn":
        learn(names, data, options, results)
    elif options.command == "speed":
        from benchmarks.peers.speed import measure, memory_in_a_process

        for row in measure(names, data.train.images, data.name, options.rounds):
            results.add(row)
        for name in names:
            mib = memory_in_a_process(name, data.train.images.shape[1:])
            results.add({"measure": "memory", "model": name, "data": data.name, "mib": round(mib, 1)})
    print(tables(results.rows))


if __name__ == "__main__":
    main()
