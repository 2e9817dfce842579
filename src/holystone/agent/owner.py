"""What the owner of the host says now: the configuration, which is read again when it changes."""

from __future__ import annotations

from holystone.agent.options import AgentOptions
from holystone.config.agent_settings import AgentSettings
from holystone.config.load import Configuration
from holystone.operations.wishes import Wishes
from holystone.planner.policy import Policy


class Owner:
    """The configuration that is in force. Safe to ask from several threads."""

    def __init__(self, options: AgentOptions) -> None:
        """Raises ConfigError."""
        self.options = options
        self._configuration = options.configuration()
        self._settings = options.settings(self._configuration)

    def settings(self) -> AgentSettings:
        """How the agent works."""
        return self._settings

    def configuration(self) -> Configuration:
        """The files that say so."""
        return self._configuration

    def policy(self, wishes: Wishes) -> Policy:
        """The policy, with these wishes. Raises RequestError where they contradict."""
        return wishes.policy(self._configuration)

    def of_level(self, level: str) -> Policy:
        """The policy for a level."""
        return self.policy(Wishes(level))

    def proposed(self) -> tuple[Configuration, AgentSettings]:
        """What the files say by now. Raises ConfigError."""
        configuration = self.options.configuration()
        return configuration, self.options.settings(configuration)

    def use(self, configuration: Configuration, settings: AgentSettings) -> None:
        """Have this be in force from now on."""
        self._configuration, self._settings = configuration, settings
