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
@NOT_CLEANED@
if [ -n "$holystone_why" ]; then
  # An annotation, which the page of the run shows too.
  echo "::warning title=holystone::$holystone_what (exit code $holystone_code): $holystone_why."
fi
exit "$code"
