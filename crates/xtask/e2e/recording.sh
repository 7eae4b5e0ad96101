# A session in a terminal for the documentation: what a user types, and what the programs print.
# Recorded by `cargo xtask screenshots`; certstream-server is in PATH.

# Shows a command as if it was typed.
type_command() {
  printf '\033[1;32m$\033[0m '
  for ((at = 0; at < ${#1}; at += 3)); do
    printf '%s' "${1:at:3}"
    sleep 0.08
  done
  sleep 0.4
  printf '\n'
}

# Types a command, runs it, and lets the reader look.
run() {
  type_command "$1"
  eval "$1"
  sleep "${2:-1.5}"
}

set -m
run 'certstream-server --demo --log-level warn &' 1.5
run "curl -sN 'http://127.0.0.1:8080/sse?stream=domains' | sed -un 's/^data: //p' | cut -c -105 | head -4" 2
run '# An alert: certificates for example.org, each once.' 0.5
run 'certstream-server tail --domain example.org --entry precert | head -2' 2
run 'curl -s http://127.0.0.1:8080/health/deep' 3
# The picture ends with the last output.
echo
kill %1
