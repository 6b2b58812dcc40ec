# Refuses tables that a report must not be drawn from.
. daily-report/steps.sh

awk -F '\t' '
    function bad(why) { print FILENAME ":" FNR ": " why ": " $0 > "/dev/stderr"; wrong++ }
    FILENAME ~ /countries/ { known[$1] = 1; next }
    NF != 5 { bad("not five columns"); next }
    $3 < -90 || $3 > 90 { bad("no such latitude") }
    $4 < -180 || $4 > 180 { bad("no such longitude") }
    {
        n = split($5, codes, ",")
        for (i = 1; i <= n; i++) { if (!(codes[i] in known)) bad("unknown country " codes[i]); seen[codes[i]] = 1 }
        zones++
    }
    END {
        for (code in seen) countries++
        if (zones < 100) { print "only " zones + 0 " zones" > "/dev/stderr"; wrong++ }
        if (wrong) exit 65
        printf "{\"zones\": %d, \"countries\": %d}\n", zones, countries
    }
' "$OUT/countries.tsv" "$OUT/zones.tsv" > "$OUT/validated.part"
mv "$OUT/validated.part" "$OUT/validated.json"

output "$(cat "$OUT/validated.json")"
echo "valid: $(cat "$OUT/validated.json")"
