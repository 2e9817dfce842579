"""The agent's HTTP: the JSON of the command line, metrics, and a few orders, over starlette.

``app.make_app`` makes the application, ``server.Server`` serves it on a unix socket and over TCP.
``port.AgentPort`` is all that it needs of the agent.
"""
