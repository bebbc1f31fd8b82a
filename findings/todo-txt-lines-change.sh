#!/usr/bin/env bash
# Two libraries for todo.txt write lines otherwise than they have read them. The lines are
# examples of the format's own rules, but for the first, which todo.txt-cli 2.11.0 (Debian
# 12) writes when a task without a creation date is done:
#
# - "x 2026-11-29 Buy milk": pytodotxt 3.1.0 (Python) leaves the date of completion out,
#   although it has read it. With a creation date behind it, it is kept.
# - "(B)->Submit TPS report" has no priority by the rules: both take B for its priority, and
#   add a space, with which it has one for every other program.
# - "X 2012-01-01 Make resolutions" is open, as its x is a capital: for jstodotxt 0.10.0
#   (npm) it is done, and the x becomes small.
# - "2011-03-02 Document +TodoTxt task format": jstodotxt puts the project at the end, out of
#   its sentence.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
apt-get download --quiet=2 'todotxt-cli=2.11.0-2' > log 2>&1 ||
    { echo "apt has no todotxt-cli 2.11.0-2"; exit 2; }
dpkg-deb --extract todotxt-cli_*.deb .
python3 -m venv venv
venv/bin/pip install --quiet 'pytodotxt==3.1.0'
npm install --silent --no-audit --no-fund jstodotxt@0.10.0 > /dev/null
printf 'Buy milk\n' > todo.txt
printf 'export TODO_DIR=%q TODO_FILE=todo.txt DONE_FILE=done.txt REPORT_FILE=report.txt\n' \
    "$place" > config
usr/bin/todo-txt -d "$place/config" -a do 1 > log
sed -i 's/^x [0-9-]* /x 2026-11-29 /' todo.txt
cat >> todo.txt <<'LINES'
x 2011-03-02 2011-03-01 Review Tim's pull request +TodoTxtTouch @github
(B)->Submit TPS report
X 2012-01-01 Make resolutions
2011-03-02 Document +TodoTxt task format
LINES
cat > of_javascript.mjs <<'JAVASCRIPT'
import { readFileSync } from "node:fs";
import jstodotxt from "jstodotxt";

for (const line of readFileSync("todo.txt", "utf8").trim().split("\n"))
  console.log(new jstodotxt.TodoTxtItem(line).toString());
JAVASCRIPT
cat > of_python.py <<'PYTHON'
import pytodotxt

for line in open("todo.txt").read().splitlines():
    print(pytodotxt.Task(line))
PYTHON
venv/bin/python of_python.py > of_python
node of_javascript.mjs > of_javascript
for by in of_python of_javascript; do
    echo "$by:"
    diff --unified=0 todo.txt "$by" | grep '^[-+][^-+]' || true
done
diff - of_python <<'LINES'
x Buy milk
x 2011-03-02 2011-03-01 Review Tim's pull request +TodoTxtTouch @github
(B) ->Submit TPS report
X 2012-01-01 Make resolutions
2011-03-02 Document +TodoTxt task format
LINES
diff - of_javascript <<'LINES'
x 2026-11-29 Buy milk
x 2011-03-02 2011-03-01 Review Tim's pull request +TodoTxtTouch @github
(B) ->Submit TPS report
x 2012-01-01 Make resolutions
2011-03-02 Document  task format +TodoTxt
LINES
