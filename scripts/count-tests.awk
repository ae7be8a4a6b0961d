# Counts the test cases in the output of `ctest --verbose` (each line of test N begins with "N: "): names what failed, with what it
# said, and what was skipped, with the reason, and ends with the sum. Exits with 1 if anything failed, or ctest's own status.
# cmocka prints "[ RUN      ] case", the case's own lines, then its outcome; the lists at its end repeat names and are passed over.
function told(n) { return n in said ? said[n] : "" }
function fail(n, name, text) { failed++; lost[n]++; print "failed: " name; if (text != "") printf "%s", text }
# A case may leave a line unfinished before its outcome.
function ends(text, tail) { return length(text) >= length(tail) && substr(text, length(text) - length(tail) + 1) == tail }
function end_case(n) { delete running[n]; delete said[n]; delete last[n] }

/^ *Start +[0-9]+: / { split($0, part, /[ :]+/); for (i in part) if (part[i] == "Start") { at = i + 1; suite[part[at]] = part[at + 1] } }

match($0, /^[0-9]+: /) {
  n = substr($0, 1, RLENGTH - 2)
  text = substr($0, RLENGTH + 1)
  if (text ~ /^\[ RUN      \] /) { running[n] = substr(text, 14); said[n] = last[n] = ""; next }
  if (n in running) {
    if (ends(text, "[       OK ] " running[n])) { passed++; end_case(n); next }
    if (ends(text, "[  SKIPPED ] " running[n])) {
      skipped++
      reason = last[n] == "" ? "no reason given" : last[n]
      sub(/^skip(ped)?: /, "", reason)
      print "skipped: " suite[n] " " running[n] ": " reason
      end_case(n); next
    }
    if (ends(text, "[  FAILED  ] " running[n]) || ends(text, "[  ERROR   ] " running[n])) {
      fail(n, suite[n] " " running[n], told(n)); end_case(n); next
    }
    if (++lines[n, running[n]] <= 20) said[n] = said[n] "    " text "\n"
    if (text != "") last[n] = text
    next
  }
  # lit: "PASS: golden :: wir/loop.wir (3 of 55)", after a failure what the test printed
  if (match(text, /^(PASS|XFAIL|FAIL|XPASS|UNRESOLVED|TIMEOUT|UNSUPPORTED): [^ ]+ :: /)) {
    kind = substr(text, 1, index(text, ":") - 1)
    name = substr(text, length(kind) + 3)
    sub(/ \([0-9]+ of [0-9]+\)$/, "", name)
    if (kind == "PASS" || kind == "XFAIL") passed++
    else if (kind == "UNSUPPORTED") { skipped++; print "skipped: " name ": a feature of its REQUIRES line is missing" }
    else { fail(n, name, ""); quoted = n }
  } else if (quoted == n && text ~ /error:|^# executed command|Exit Code/) print "    " text
}

# "44/44 Test #44: golden.lit ...***Failed  49.01 sec": a suite that crashed, timed out or was not run has no line of its own
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / && !/ Passed +[0-9.]+ sec/ {
  n = $0; sub(/^[^#]*#/, "", n); sub(/:.*/, "", n)
  name = $0; sub(/^[^#]*#[0-9]+: /, "", name); sub(/ .*/, "", name)
  if ($0 ~ /\*\*\*Skipped|\*\*\*Not Run \(Disabled\)/) { skipped++; print "skipped: " name ": ctest left it out"; next }
  if (n in running) fail(n, name " " running[n] " (it never ended)", told(n))
  else if (!lost[n]) fail(n, name " as a whole", "")
}

END {
  if (status != 0 && !failed) { failed = 1; print "failed: ctest itself, with exit status " status }
  if (failed) print "the whole log: " log_path
  printf "tests %d passed, %d failed, %d skipped\n", passed, failed, skipped
  exit (status != 0 ? status : (failed > 0))
}
