# Time zones and countries by region, largest first: region, zones, countries.
. daily-report/steps.sh

awk -F '\t' '
    {
        zones[$2]++
        n = split($5, codes, ",")
        for (i = 1; i <= n; i++) if (!(($2, codes[i]) in seen)) { seen[$2, codes[i]] = 1; countries[$2]++ }
    }
    END { for (region in zones) printf "%s\t%d\t%d\n", region, zones[region], countries[region] }
' "$OUT/zones.tsv" | sort -t "$(printf '\t')" -k2,2nr -k1,1 | publish by-region.tsv

output "{\"regions\": $(wc -l < "$OUT/by-region.tsv")}"
cat "$OUT/by-region.tsv"
