# Leaves one message for the readers. Named after the job, so that a repeat of this step replaces it.
. daily-report/steps.sh

mkdir -p "$OUT/outbox"
name="outbox/${MAINSPRING_JOB_ID:-job}.eml"
{
    echo "To: readers@example.com"
    echo "Subject: The daily report is ready"
    echo
    echo "The report on $(wc -l < "$OUT/zones.tsv" | tr -d ' ') time zones is at $OUT/report.html."
    echo "Most zones: $(head -n 1 "$OUT/by-region.tsv" | awk -F '\t' '{ print $1 " (" $2 ")" }')."
} | publish "$name"

output "{\"message\": \"$name\"}"
echo "left a message in $OUT/$name"
