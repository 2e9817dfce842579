"""Check the settings before they are in force: at the start and at each reload, the same way."""

from __future__ import annotations

from holystone.agent import webhook
from holystone.agent.apprise_urls import read_addresses
from holystone.agent.instance import FolderError
from holystone.agent.logs import log
from holystone.agent.private_file import NotPrivate
from holystone.agent.web.listening import ListenError, ListenSettingsError
from holystone.agent.web.tokens import TokenError, Tokens
from holystone.agent.web.ways import ways
from holystone.config.agent_settings import AgentSettings
from holystone.config.errors import ConfigError
from holystone.engine.errors import EndpointError

REFUSED = (ConfigError, ListenError, NotPrivate, TokenError)
"""What is raised where settings cannot be used."""
LASTING = (
    ConfigError, EndpointError, FolderError, ListenSettingsError, NotPrivate, TokenError
)  # fmt: skip
"""What ends a start, and would end the next one too: somebody has to mend something first."""


def check(settings: AgentSettings) -> None:
    """Check all that an agent with these settings needs; nothing is opened for longer.

    The folder of the socket has to be there. Raises one of ``REFUSED``. An alert that finds no
    receiver is noticed too late, so the files with secrets are read. A certificate that nothing
    uses is no danger: the log names it.
    """
    webhook.secret(settings.alerts)
    if settings.alerts.urls_file:
        read_addresses(settings.alerts.urls_file)
    Tokens(settings.agent.token_file)
    ways(settings.agent)
    service = settings.agent
    unused = [f"agent.{name}" for name in ("tls_cert", "tls_key") if getattr(service, name)]
    if unused and not service.listen:
        mend = "set agent.listen, or take them out"
        log.warning(
            "settings without effect: HTTP is served on the socket alone", keys=unused, mend=mend
        )
