#!/usr/bin/env bash
# LibreOffice Calc 7.4 (Debian's) loses a tab at the beginning of a line of a cell when it
# saves the sheet as .ods and opens that again; saved as .xlsx it keeps it.
#
# One would guess that its own format keeps the text of a cell as it is: OpenDocument 1.3,
# part 3, section 6.1.4, has <text:tab> for it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
calc() {
    soffice --headless "-env:UserInstallation=file://$place/profile" "$@" > "$place/log" 2>&1
}
printf 'a\r\n"one\n\ttwo"\r\n' > "$place/sheet.csv"
for kind in ods xlsx; do
    mkdir "$place/$kind"
    calc --convert-to "$kind" --infilter=CSV:44,34,76,1 --outdir "$place/$kind" "$place/sheet.csv"
    calc --convert-to 'csv:Text - txt - csv (StarCalc):44,34,76,1' --outdir "$place/$kind" \
        "$place/$kind/sheet.$kind"
done
soffice --version
for kind in ods xlsx; do
    echo "$kind: $(python3 -c 'import sys; print(repr(open(sys.argv[1], newline="").read()))' "$place/$kind/sheet.csv")"
done
! grep -q "$(printf '\t')two" "$place/ods/sheet.csv"
grep -q "$(printf '\t')two" "$place/xlsx/sheet.csv"
