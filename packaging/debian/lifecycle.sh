#!/bin/sh
# Installs, starts, upgrades, removes and purges the packages on a new system, as root. The folders
# OLD and NEW hold the packages of two versions; systemd does not run.
set -eux
old=$1 new=$2
config=/etc/certstream/config.yaml
unit=/usr/lib/systemd/system/certstream-server.service

# As the unit starts it; the server answers, keeps its journal and ends with status 0.
run() {
    # shellcheck disable=SC2046 # one word for each variable
    env $(sed -n 's/^Environment=//p' $unit) \
        setpriv --reuid=certstream --regid=certstream --clear-groups \
        certstream-server --host=127.0.0.1 --port=18080 &
    server=$!
    tries=0
    until certstream-server healthcheck --url http://127.0.0.1:18080/health >/dev/null 2>&1; do
        tries=$((tries + 1))
        test $tries -lt 600
        sleep 0.1
    done
    kill -TERM $server
    wait $server
}

# The folder of the journal's stream.
stream() {
    ls -d /var/lib/certstream/stream-*
}

apt-get update -qq
apt-get install -yqq --no-install-recommends "$old"/*.deb
certstream-server --validate-config
certstream-arrow --version
test -e /usr/share/man/man1/certstream-server.1.gz
test -e $unit
test "$(stat -c %U:%a /var/lib/certstream)" = certstream:750
run
before=$(stream)
echo '# mine' >>$config

apt-get install -yqq --no-install-recommends "$new"/*.deb
grep '^# mine' $config
run
# It continues the same stream.
test "$(stream)" = "$before"

apt-get remove -yqq certstream-server certstream-arrow
test ! -e /usr/bin/certstream-server
test ! -e /usr/bin/certstream-arrow
test -e $config
test "$(stream)" = "$before"
apt-get purge -yqq certstream-server
test ! -e /etc/certstream
test ! -e /var/lib/certstream
echo 'the packages install, start, upgrade and go'
