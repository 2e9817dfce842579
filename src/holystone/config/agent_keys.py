"""The keys of the agent: the tables ``[agent]``, ``[schedule]`` and ``[alerts]``.

All of them are the owner's alone: a file in a checkout must not open a port or send messages.
"""

from __future__ import annotations

from collections.abc import Mapping

from holystone.config import directions as may
from holystone.config import kinds
from holystone.config.directions import Direction
from holystone.config.kinds import Kind

AGENT_TABLES: Mapping[str, str] = {
    "agent": "How holystone agent is reached, and how closely it watches.",
    "schedule": "When the agent runs what, as cron expressions (minute, hour, day, month, day of "
    "the week).",
    "alerts": "Who hears of it when something is wrong.",
}

_ROWS: Mapping[str, tuple[tuple[str, Kind, object, str], ...]] = {
    "agent": (
        ("listen", kinds.ADDRESS, "127.0.0.1:9469",
         "Serve HTTP here too. An address beyond this machine takes a token file and TLS."),
        ("socket", kinds.PATH, "/run/holystone/agent.sock",
         "Its unix socket; default: agent.sock in /run/holystone (service) or the state folder."),
        ("socket_group", kinds.TEXT, "docker", "The group whose members may use the socket."),
        ("token_file", kinds.PATH, "/etc/holystone/tokens",
         "Who may use the API; holystone agent token makes one."),
        ("tls_cert", kinds.PATH, "/etc/holystone/agent.crt", "The certificate of the HTTP server."),
        ("tls_key", kinds.PATH, "/etc/holystone/agent.key", "Its private key."),
        ("textfile", kinds.METRICS_FILE, "/var/lib/prometheus/node-exporter/holystone.prom",
         "Also write the metrics into this file, for node_exporter."),
        ("log", kinds.choice("text", "json"), "json", "How log lines are written."),
        ("check_disk", kinds.DURATION, "10s", "How often to check how full the disk is."),
        ("look_again", kinds.DURATION, "30m",
         "How often to look at the whole host, though no event asks for it."),
        ("deep_when_critical", kinds.FLAG, True,
         "At the critical mark run a deep clean if nothing less brings the disk below it."),
    ),
    "schedule": (
        ("routine", kinds.CRON, "*/30 * * * *", "A routine clean."),
        ("weekly", kinds.CRON, "0 4 * * 6", "A weekly clean."),
        ("deep", kinds.CRON, "0 4 1 * *", "A deep clean: everything unused, volumes excepted."),
        ("refresh", kinds.CRON, "30 5 * * *",
         "Pull newer images of the tags that are protected or in use."),
        ("verify", kinds.CRON, "0 2 * * 6", "Check every image for damage; removes nothing."),
        ("observe", kinds.CRON, "*/15 * * * *", "Look at the whole host and record its uses."),
        ("timezone", kinds.ZONE, "Europe/Berlin", "Default: that of the machine."),
        ("jitter", kinds.DURATION, "10m",
         "Begin each run later by up to this, by chance: many hosts, one registry."),
        ("quiet", kinds.WINDOW, "08:00-18:00",
         "The part of the day in which no run of the schedule begins."),
    ),
    "alerts": (
        ("webhook", kinds.URL, "https://hooks.example.com/holystone", "Send alerts here, as JSON."),
        ("secret_file", kinds.PATH, "/etc/holystone/webhook.secret",
         "Sign what goes to the webhook with the content of this file."),
        ("urls_file", kinds.PATH, "/etc/holystone/apprise.urls",
         "Send alerts to these addresses of Apprise, one in a line: e-mail, Slack, Teams, ..."),
        ("remind", kinds.DURATION, "24h", "Tell a trouble that lasts again after this; 0: never."),
        ("group", kinds.DURATION, "30s", "Gather alerts for this long, to send them in one."),
        ("forecast", kinds.DURATION, "24h",
         "Alert if the disk will be full within this at the present rate; 0: never."),
    ),
}  # fmt: skip

AGENT_ROWS: Mapping[str, tuple[tuple[str, Kind, Direction, object, str], ...]] = {
    table: tuple((name, kind, may.OWNER, example, doc) for name, kind, example, doc in rows)
    for table, rows in _ROWS.items()
}
