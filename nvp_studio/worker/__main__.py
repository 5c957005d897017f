"""``python -m nvp_studio.worker``: a worker process, spoken to on stdin and stdout."""

from nvp_studio.worker.server import main

if __name__ == "__main__":
    main()
