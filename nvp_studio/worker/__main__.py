"""``python -m nvp_studio.worker``: a worker process, which exchanges messages on stdin and stdout."""

import sys

from nvp_studio.worker import send_model

if __name__ == "__main__":
    if sys.argv[1:] == [send_model.OPTION]:
        sys.exit(send_model.main())
    from nvp_studio.worker.server import main

    main()
