# What every peer's `setup` and `run` begin with: where peers live, and how what they need gets
# there. Sourced from a peer's own directory; `$home` is where that peer is installed.
set -euo pipefail

peer=$(basename "$PWD")
home=${TALLYFLOW_TEST_PEERS:-$(cd ../../.. && pwd)/target/peers}/$peer

have() { command -v "$1" >/dev/null 2>&1; }

# install COMMAND PACKAGE…: makes sure that a command is there.
install() {
    local command=$1
    shift
    have "$command" && return
    if [ "$(id -u)" = 0 ] && have apt-get; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "$peer needs '$command': install $* and run this again" >&2
        exit 1
    fi
}

# whole FILE…: whether just these files, as they are now, were installed before.
whole() { [ -e "$home/whole" ] && cat "$@" | cmp -s - "$home/whole"; }

# venv: the Python packages that requirements.txt asks for, at the versions of constraints.txt.
venv() {
    install python3 python3
    # Debian keeps the part of it that makes environments in a package of its own.
    python3 -c 'import ensurepip' 2>/dev/null || install python3-venv python3-venv
    python3 -m venv --clear "$home/venv"
    "$home/venv/bin/pip" install --quiet --requirement requirements.txt --constraint constraints.txt
}

# jars: the jars of pom.xml with all that they need.
jars() {
    install java default-jre-headless
    install mvn maven
    rm -rf "$home/jars"
    mvn -q -B -f pom.xml dependency:copy-dependencies "-DoutputDirectory=$home/jars"
}
