"""What the agent is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from holystone.config.agent_settings import AgentSettings
from holystone.config.load import Configuration, load
from holystone.operations.agent_socket import own_socket
from holystone.operations.connect import SILENCE
from holystone.store.folder import default_folder


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """The options of ``holystone agent``; what is None or empty the configuration says."""

    host: str | None = None
    context: str | None = None
    config: str | None = None
    state: str | None = None
    timeout: float = SILENCE
    listen: str = ""
    socket: str = ""
    token_file: str = ""
    log: str = ""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    load: bool = False
    """Whether the demo host is put under simulated load."""

    @property
    def folder(self) -> str:
        """The state folder."""
        return self.state or default_folder(self.environ)

    def configuration(self) -> Configuration:
        """The owner's configuration. A file in the current folder says nothing to a daemon.

        Raises ConfigError.
        """
        return load(self.config, self.environ, here=False)

    def settings(self, configuration: Configuration) -> AgentSettings:
        """How the agent works: the configuration, with what the command line says instead."""
        told = configuration.agent()
        own = {
            name: value
            for name in ("listen", "socket", "token_file", "log")
            if (value := getattr(self, name))
        }
        service = told.agent._replace(**own)
        if not service.socket:
            service = service._replace(socket=own_socket(self.folder, self.environ))
        return told._replace(agent=service)
