#!/usr/bin/env bash
# csvsort of csvkit 2.2.0 (Python), which sorts rows, also changes what is in them: the times of
# day 9:30 and 18:00 become 0:09:30 and 0:18:00, which are nine and eighteen minutes; titles which
# are May and June become 0001-05-01 and 0001-06-01, "tomorrow" and "next friday" 0001-01-02 and
# 0001-01-12, days of the year 1; 1 and 0 become True and False, and 1_000 becomes 1000. csvcut,
# of the same package, and csvsort with -I (no inference of types) keep all of them.
#
# Its help has 'Sort CSV files. Like the Unix "sort" command, but for tabular data.' One would
# guess that types decide the order of rows and leave cells as they are, and that a time of day
# has hours and minutes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'csvkit==2.2.0' 'agate==1.14.2' 'parsedatetime==2.6' \
    'pytimeparse==1.1.10'
cat > tasks.csv <<'CSV'
id,title,note,at,urgent,name
1,May,tomorrow,9:30,1,1_000
2,June,next friday,18:00,0,2_000
CSV
cat > known.csv <<'CSV'
id,title,note,at,urgent,name
1,0001-05-01,0001-01-02,0:09:30,True,1000
2,0001-06-01,0001-01-12,0:18:00,False,2000
CSV
for command in "csvcut -c 1-6" "csvsort -I -c id"; do
    venv/bin/$command tasks.csv | diff tasks.csv - || { echo "this has changed"; exit 1; }
    echo "$command keeps all cells"
done
echo "csvsort -c id makes of them:"
venv/bin/csvsort -c id tasks.csv | tee sorted.csv
diff known.csv sorted.csv || { echo "this has changed"; exit 1; }
