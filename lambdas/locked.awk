# awk -f locked.awk requirements.txt constraints.txt: the lock's entries, with their hashes, of the packages that the first file names.

FNR == NR { if ($0 !~ /^(#|$)/) wanted[$1] = 1; next }
/^[a-z0-9]/ { split($1, pin, "=="); taken = pin[1] in wanted; delete wanted[pin[1]] }
taken { print }

END {
    for (name in wanted) {
        print name " is in requirements.txt and not in constraints.txt: make lock" >"/dev/stderr"
        missing = 1
    }
    exit missing
}
