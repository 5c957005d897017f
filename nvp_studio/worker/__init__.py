"""The worker process and the window's end of it: messages, framing, server (torch) and client (Qt)."""
