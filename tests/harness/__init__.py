"""What the client suites and the replay run share: starting the gateway and its upstreams, and stopping them by id.

Python's standard library only, so that the replay run needs nothing installed.
"""
