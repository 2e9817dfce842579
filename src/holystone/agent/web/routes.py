"""The table of all routes."""

from __future__ import annotations

from holystone.agent.web import reading, writing
from holystone.agent.web.port import STEPS
from holystone.agent.web.requests import Field, choice, moment, names, text, texts, whole
from holystone.agent.web.route import Route
from holystone.config.agent_settings import JOBS
from holystone.planner.policy import LEVELS
from holystone.store.leases import LONGEST

API = "/api/v1"
LEVEL_JOB = "level"
"""The job that keeps the disk below its marks."""
_MOST_RUNS = 1000
_LONGEST_NAME = 512
_NOT_READY = {503: "The engine was not looked at yet."}
_ENDS = {503: "The agent ends."}
_LEDGER = {503: "The ledger cannot be read."}

_LEVEL = "how much the clean may take"
_ONLY = "the kinds or names of all that may go, as of `plan --only`, with commas between them"
_REFERENCES = "the tags, digests, names or IDs to bring back; without any: all that the run removed"
_IMAGES = "references or image IDs; a pattern like team/* means the tags on the host"
_EVERY = "every image, or those alone that a routine clean has to do with"
_STEP = "minute (of the last day) or hour (of the last year)"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", "healthz", "Whether the process works.", reading.healthy, "Ok",
          quick=True),
    Route("GET", "/readyz", "readyz", "Whether the engine answers and was looked at.",
          reading.ready, "Ok", quick=True, refusals={503: "The engine does not answer."}),
    Route("GET", "/metrics", "metrics", "The metrics for Prometheus.", reading.metrics,
          media=("text/plain", "application/openmetrics-text")),
    Route("GET", f"{API}/status", "status",
          "How it stands with the agent, the disk and its jobs; `host` is the document of "
          "`holystone status --json`.", reading.status, "Status"),
    Route("GET", f"{API}/plan", "plan", "The document of `holystone plan --json`.",
          reading.plan, "Plan",
          in_query=(
              Field("level", *choice(*LEVELS), _LEVEL, default="routine"),
              Field("only", *names(_LONGEST_NAME), _ONLY),
          ),
          refusals=_NOT_READY | {404: "Nothing on the host has a name in `only`."}),
    Route("GET", f"{API}/images", "images", "The document of `holystone images --json`.",
          reading.images, "Images", refusals=_NOT_READY),
    Route("GET", f"{API}/inventory", "inventory",
          "The last look, for the command line of the same version on this machine.",
          reading.inventory, "Inventory", media=(reading.INVENTORY,),
          in_query=(Field("every", *choice("true", "false"), _EVERY, default="true"),),
          refusals={503: "The engine was not looked at since it changed."}),
    Route("GET", f"{API}/runs", "runs", "The document of `holystone history --json`.",
          reading.runs, "Runs",
          in_query=(
              Field("limit", *whole(1, _MOST_RUNS), "how many, the newest", default=20),
              Field("since", *moment(), "only runs that started then or later"),
          ),
          refusals=_LEDGER),
    Route("GET", f"{API}/runs/{{number}}", "run", "The document of `holystone history N --json`.",
          reading.run, "Run",
          in_path=(Field("number", *whole(1), "the number of the run", required=True),),
          refusals={404: "There is no such run."} | _LEDGER),
    Route("GET", f"{API}/samples", "samples", "The disk over time.", reading.samples, "Samples",
          in_query=(
              Field("since", *moment(), "only samples from then on", default=0.0),
              Field("step", *choice(*STEPS), _STEP, default="minute"),
          ),
          refusals=_LEDGER),
    Route("GET", f"{API}/lease", "leases", "Every lease.", reading.leases, "Leases",
          refusals=_LEDGER),
    Route("POST", f"{API}/clean", "clean", "Queue a clean of this level.", writing.clean, "Asked",
          202, quick=True, refusals=_ENDS,
          in_body=(Field("level", *choice(*LEVELS), _LEVEL, required=True),)),
    Route("POST", f"{API}/jobs", "ask", "Queue a job of the schedule, or `level`.", writing.job,
          "Asked", 202, quick=True, refusals=_ENDS,
          in_body=(
              Field("job", *choice(*JOBS, LEVEL_JOB), "the name of the job", required=True),
          )),
    Route("POST", f"{API}/restore", "restore",
          "Bring back what a run removed, and answer when that is done.",
          writing.restore, "Result", alone=True,
          in_body=(
              Field("run", *whole(1), "the number of the run; without it the latest"),
              Field("references", *texts(0, 1000, _LONGEST_NAME), _REFERENCES, default=()),
          ),
          refusals={
              404: "There is no such run, or it removed nothing of that name.",
              409: "Another restore is under way, or it was refused.",
              503: "The engine or the ledger does not answer, or the agent ends.",
          }),
    Route("POST", f"{API}/lease", "give_lease", "Reserve images for a job, as `holystone lease`.",
          writing.give_lease, "Leases", 201,
          in_body=(
              Field("images", *texts(1, 1000, _LONGEST_NAME), _IMAGES, required=True),
              Field("seconds", *whole(1, int(LONGEST)), "how long from now on", required=True),
              Field("job", *text(200), "whose lease it is", default=""),
          ),
          refusals={409: "A pattern covers no image."} | _LEDGER),
    Route("DELETE", f"{API}/lease/{{id}}", "end_lease", "End a lease early.", writing.end_lease,
          "Leases",
          in_path=(Field("id", *text(64), "the ID of the lease", required=True),),
          refusals={404: "There is no such lease.", 409: "It is another user's."} | _LEDGER),
)  # fmt: skip
