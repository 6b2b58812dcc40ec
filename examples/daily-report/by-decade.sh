# Rules of daylight saving that begin, by decade: decade, rules.
. daily-report/steps.sh

awk -F '\t' '{ rules[int($2 / 10) * 10]++ } END { for (decade in rules) printf "%d\t%d\n", decade, rules[decade] }' \
    "$OUT/rules.tsv" | sort -n | publish by-decade.tsv

output "{\"decades\": $(wc -l < "$OUT/by-decade.tsv")}"
cat "$OUT/by-decade.tsv"
