#!/bin/sh
# Runs holystone clean for the action and turns its report into the action's outputs. The step summary
# is written by holystone itself.
set -u

rm -f "$REPORT"
code=0
# shellcheck disable=SC2086 # a command and options are several words
$COMMAND clean "$LEVEL" --report "$REPORT" $OPTIONS || code=$?

if [ -e "$REPORT" ]; then
  # The report is one line, and this object begins with the two.
  outcome=$(sed -n 's/.*"outcome":{\([^{}]*\).*/\1/p' "$REPORT")
  number() { printf '%s\n' "$outcome" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
  {
    echo "freed-bytes=$(number freed_bytes)"
    echo "removed=$(number removed)"
  } >>"$GITHUB_OUTPUT"
fi
holystone_code=$code
case $holystone_code in
  0) holystone_why= ;;
  2 | 126 | 127) holystone_why="there is no holystone here. Install it where this job runs: on the host of a shell runner, else in the job's image" ;;
  3) holystone_why="some objects could not be removed; they are named above" ;;
  4) holystone_why="less space came free than was asked for; what holds it is named above" ;;
  10) holystone_why="no Docker engine answers here. Mount the host's /var/run/docker.sock into the job, or let the runner's user use Docker" ;;
  11) holystone_why="another run has the lock of this host for too long; the next job's clean makes up for it" ;;
  64) holystone_why="it does not understand its options; see above" ;;
  *) holystone_why="it ended early; see above" ;;
esac
case $holystone_code in
  3 | 4) holystone_what="holystone did not clean everything" ;;
  *) holystone_what="HOLYSTONE DID NOT CLEAN THIS HOST" ;;
esac
if [ -n "$holystone_why" ]; then
  # An annotation, which the page of the run shows too.
  echo "::warning title=holystone::$holystone_what (exit code $holystone_code): $holystone_why."
fi
exit "$code"
