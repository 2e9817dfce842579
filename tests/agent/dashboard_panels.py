"""The panels of the dashboard: what each asks of Prometheus, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

BLUE = "blue"
_GREEN, _YELLOW, _RED = "green", "yellow", "red"


class Query(NamedTuple):
    """What is asked of Prometheus; ``@`` stands for the chosen hosts."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """A panel, without its place and number."""

    title: str
    told: str
    unit: str
    queries: Sequence[Query]
    width: int = 12
    type: str = "timeseries"
    stacked: bool = False
    bars: bool = False
    empty: str = ""
    """What a panel without data says."""
    values: Mapping[str, tuple[str, str]] = {}
    """Text and colour of values."""
    dashed: str = ""
    """A pattern of the names that are limits."""
    by_name: bool = False
    """Whether the name of the series is what matters, and its value is not."""
    steps: Sequence[tuple[str, float | None]] = ((BLUE, None),)
    """Colours from these values on."""


class Row(NamedTuple):
    """Panels below a heading."""

    title: str
    height: int
    panels: Sequence[Panel]


_CHANGE = "[$__rate_interval]"

ROWS = (
    Row("Now", 4, (
        Panel("Disk", "Where the disk stands: ok, above the high or critical mark, too many inodes "
              "in use, or not in sight.", "none",
              [Query("holystone_disk_state{@} == 1", "{{instance}}: {{state}}")],
              4, "stat", by_name=True),
        Panel("Free", "Free bytes of the engine's disk.", "decbytes",
              [Query("holystone_disk_free_bytes{@}", "{{instance}}")], 4, "stat"),
        Panel("Full in", "When the disk is full at the rate of the last hours.", "s",
              [Query("holystone_disk_full_seconds{@} < Inf", "{{instance}}")], 4, "stat",
              empty="not filling", steps=((_RED, None), (_YELLOW, 12 * 3600), (_GREEN, 48 * 3600))),
        Panel("Engine", "Whether the container engine answers the agent.", "none",
              [Query("holystone_engine_up{@}", "{{instance}}")], 4, "stat",
              values={"0": ("down", _RED), "1": ("up", _GREEN)}),
        Panel("Alerts", "Alerts of the agent that are firing.", "none",
              [Query("sum by (severity) (holystone_alerts_firing{@})", "{{severity}}")], 4, "stat",
              steps=((_GREEN, None), (_RED, 1))),
        Panel("At work", "The run that is under way.", "none",
              [Query("holystone_running{@} == 1", "{{instance}}: {{level}}")], 4, "stat",
              empty="nothing", by_name=True),
    )),
    Row("Disk", 9, (
        Panel("Used, and the watermarks", "Above high the agent removes one object after another, "
              "down to low. Above critical it raises an alert.", "decbytes",
              [Query("holystone_disk_bytes{@} - holystone_disk_free_bytes{@}", "{{instance}} used"),
               Query("holystone_disk_bytes{@} - on (job, instance) group_right () "
                     "holystone_disk_mark_bytes{@}", "{{instance}} {{mark}}"),
               Query("holystone_disk_bytes{@}", "{{instance}} size")],
              dashed=".* (high|low|critical|size)"),
        Panel("What holds the bytes", "Each image layer counts once; build cache without what "
              "images hold too; volumes of known size.", "decbytes",
              [Query("sum by (kind) (holystone_object_bytes{@})", "{{kind}}")], stacked=True),
        Panel("Inodes in use", "The file system may make inodes as needed; then there is "
              "nothing to show.", "percentunit",
              [Query("1 - holystone_disk_free_inodes{@} / holystone_disk_inodes{@}",
                     "{{instance}} used"),
               Query("1 - holystone_disk_mark_inodes{@} / holystone_disk_inodes{@}",
                     "{{instance}} mark")],
              8, empty="no limit", dashed=".* mark"),
        Panel("Forecast", "Time until the disk is full at the rate of the last hours; a gap where "
              "it is not filling.", "s",
              [Query("holystone_disk_full_seconds{@} < Inf", "{{instance}}")], 8,
              empty="not filling"),
        Panel("Missing to the low mark", "What the last clean for space could not free: the rest "
              "is in use, protected, or not from the engine.", "decbytes",
              [Query("holystone_target_missing_bytes{@}", "{{instance}}")], 8),
    )),
    Row("Removed", 9, (
        Panel("Freed by level", "Bytes that runs freed. level: keeping the disk level.", "decbytes",
              [Query(f"sum by (level) (increase(holystone_freed_bytes_total{{@}}{_CHANGE}))",
                     "{{level}}")], bars=True, stacked=True),
        Panel("Removed by level and kind", "Objects that runs removed.", "none",
              [Query("sum by (level, kind) "
                     f"(increase(holystone_removed_objects_total{{@}}{_CHANGE}))",
                     "{{level}} {{kind}}")], bars=True, stacked=True),
        Panel("Evictions", "Objects that went for space alone, least valuable first. If they are "
              "many each day, the disk is small for what the jobs use.", "none",
              [Query(f"sum by (kind) (increase(holystone_evictions_total{{@}}{_CHANGE}))",
                     "{{kind}}")], 8, bars=True, stacked=True),
        Panel("Spared", "Objects that were used between the plan and their turn, and stayed.",
              "none",
              [Query(f"sum by (kind) (increase(holystone_spared_objects_total{{@}}{_CHANGE}))",
                     "{{kind}}")], 8, bars=True, stacked=True),
        Panel("Pulled and freed", "Bytes that came with images, and bytes that runs freed.", "Bps",
              [Query(f"sum(rate(holystone_pulled_bytes_total{{@}}{_CHANGE}))", "pulled"),
               Query(f"sum(rate(holystone_freed_bytes_total{{@}}{_CHANGE}))", "freed")], 8),
        Panel("Reclaimable bytes", "What a clean of each level would free now.", "decbytes",
              [Query("sum by (level) (holystone_reclaimable_bytes{@})", "{{level}}")]),
        Panel("Reclaimable objects", "What a clean of each level would remove now.", "none",
              [Query("sum by (level) (holystone_reclaimable_objects{@})", "{{level}}")]),
    )),
    Row("Runs", 8, (
        Panel("Since the last success", "How long ago each kind of run last ended well.", "s",
              [Query("time() - holystone_last_success_timestamp_seconds{@}",
                     "{{instance}} {{level}}")], 8, "bargauge", empty="none yet"),
        Panel("Since the last run", "How long ago each kind of run last ended, however it did.",
              "s",
              [Query("time() - holystone_last_run_timestamp_seconds{@}",
                     "{{instance}} {{level}}")], 8, "bargauge", empty="none yet"),
        Panel("Until the next run", "When the schedule begins each run.", "s",
              [Query("holystone_next_run_timestamp_seconds{@} - time()",
                     "{{instance}} {{level}}")], 8, "bargauge", empty="no schedule"),
        Panel("Duration", "How long runs took on average.", "s",
              [Query(f"sum by (level) (rate(holystone_run_duration_seconds_sum{{@}}{_CHANGE})) / "
                     f"sum by (level) (rate(holystone_run_duration_seconds_count{{@}}{_CHANGE}))",
                     "{{level}}")]),
        Panel("Results", "Runs by how they ended. missed: the space wanted was not reached.",
              "none",
              [Query("sum by (level, result) "
                     f"(increase(holystone_runs_total{{@}}{_CHANGE})) > 0",
                     "{{level}} {{result}}")], bars=True, stacked=True, empty="no runs"),
    )),
    Row("Agent", 7, (
        Panel("Objects", "How many objects of each kind the host has.", "none",
              [Query("sum by (kind) (holystone_objects{@})", "{{kind}}")], 8),
        Panel("Events of the engine", "By the kind of object; and how often their stream broke.",
              "ops",
              [Query(f"sum by (kind) (rate(holystone_events_total{{@}}{_CHANGE}))", "{{kind}}"),
               Query(f"sum(rate(holystone_event_stream_breaks_total{{@}}{_CHANGE}))", "breaks")],
              8),
        Panel("Alerts over time", "Alerts of the agent that are firing, by severity.", "none",
              [Query("sum by (severity) (holystone_alerts_firing{@})", "{{severity}}")], 8),
        Panel("Age of the inventory", "Time since the agent last looked at the host.", "s",
              [Query("holystone_inventory_age_seconds{@}", "{{instance}}")], 6),
        Panel("Up since", "Time since the agent began, and its version.", "s",
              [Query("(time() - holystone_started_timestamp_seconds{@}) * on (job, instance) "
                     "group_left (version) holystone_build_info{@}",
                     "{{instance}} {{version}}")], 6),
        Panel("Ledger", "Size of what the agent remembers. 0 usable: nothing can be remembered.",
              "decbytes", [Query("holystone_ledger_bytes{@}", "{{instance}}")], 6),
        Panel("Health", "0 where the ledger cannot be used, or a changed configuration was "
              "refused.",
              "none",
              [Query("holystone_ledger_usable{@}", "{{instance}} ledger usable"),
               Query("holystone_config_valid{@}", "{{instance}} configuration valid")], 6),
        Panel("Memory of the agent", "Resident bytes of its process; none with a textfile.",
              "decbytes",
              [Query('process_resident_memory_bytes{job="holystone", @}', "{{instance}}")]),
        Panel("CPU of the agent", "Share of a core; none with a textfile.", "percentunit",
              [Query(f'rate(process_cpu_seconds_total{{job="holystone", @}}{_CHANGE})',
                     "{{instance}}")]),
    )),
)  # fmt: skip
