#!/bin/sh
# Jaeger, Prometheus and Grafana beside this file, and recordings in them. `make observe` and `make observe-down` call it.
#   observe.sh up [RUN..]    brings them up, loads these recordings, and prints where to look
#   observe.sh load RUN..    loads recordings into what is up: each in its own time, and all of them at a common start, for Compare
#   observe.sh links [FILE]  prints where to look, for the runs in this file of OpenMetrics; asks nobody
#   observe.sh down          takes them down; what was loaded stays in its volume
#   observe.sh forget        takes them down, and the volumes with them
# Variables: the ports in compose.yaml; REPLAY, the program (replay); RUNS, where recordings are looked for (runs).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
file=$here/compose.yaml
replay=${REPLAY:-replay}
runs=${RUNS:-runs}
up_limit_s=180

grafana=http://127.0.0.1:${GRAFANA_PORT:-3001}
prometheus=http://127.0.0.1:${PROMETHEUS_PORT:-9090}
jaeger=http://127.0.0.1:${JAEGER_PORT:-16686}
otlp=http://127.0.0.1:${OTLP_GRPC_PORT:-4317}

say() { echo "observe: $1" >&2; }
fail() {
    say "$1"
    exit 2
}
compose() { docker compose --file "$file" "$@"; }

folder=''
tidy_up() { [ -z "$folder" ] || rm -rf "$folder"; }
trap tidy_up EXIT
trap 'exit 130' INT TERM

need_docker() {
    command -v docker >/dev/null || fail "docker is not here: make setup-docker installs it; replay traces needs none"
    docker compose version >/dev/null 2>&1 || fail "docker has no Compose: make setup-docker installs it"
    docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
        fail "no Docker engine answers${DOCKER_HOST:+ at DOCKER_HOST=$DOCKER_HOST}: start it, or make setup-docker"
}

need_replay() {
    command -v "$replay" >/dev/null || fail "$replay is not here: cargo build --workspace, or set REPLAY"
}

# --- up and down

bring_up() {
    scratch
    said=$folder/up
    compose up --detach --wait --wait-timeout "$up_limit_s" --quiet-pull >"$said" 2>&1 ||
        fail "Jaeger, Prometheus and Grafana do not come up: $(grep -v '^ *$' "$said" | tail -n 1 | cut -c 1-400)"
}

scratch() {
    [ -n "$folder" ] || folder=$(mktemp -d "${TMPDIR:-/tmp}/tapedeck-observe.XXXXXX") || fail "no temporary folder: set TMPDIR to one that can be written"
}

# --- recordings

# OpenMetrics of recordings, as blocks of the Prometheus that is up.
load_metrics() {
    # shellcheck disable=SC2016 # the shell in the container fills it in
    compose exec -T prometheus sh -c 'cat >/prometheus/loaded.om && promtool tsdb create-blocks-from --quiet openmetrics /prometheus/loaded.om /prometheus; code=$?; rm -f /prometheus/loaded.om; exit $code' <"$1" >"$folder/blocks" 2>&1 ||
        fail "promtool does not take $1: $(tail -n 1 "$folder/blocks" | cut -c 1-400)"
}

# "$@" are recordings, by their names in $runs or by path.
export_metrics() {
    into=$1
    shift
    "$replay" export "$@" --runs "$runs" --to openmetrics -o "$into" || fail "replay could not export: its reason is above"
}

load() {
    need_replay
    scratch
    export_metrics "$folder/wall.om" "$@"
    export_metrics "$folder/rebased.om" "$@" --rebase
    load_metrics "$folder/wall.om"
    load_metrics "$folder/rebased.om"
    # Prometheus looks for new blocks each minute, or when it starts.
    { compose restart prometheus && compose up --detach --wait --wait-timeout "$up_limit_s" prometheus; } >"$folder/restart" 2>&1 ||
        fail "Prometheus does not come back: $(tail -n 1 "$folder/restart" | cut -c 1-400)"
    "$replay" export "$@" --runs "$runs" --to otlp --otlp "$otlp" >&2 || fail "the metrics are loaded, the traces are not: the reason is above"
}

# --- where to look

# Jaeger's page looks back an hour if it is not told; 2001 is before every run.
long_ago_us=978307200000000

# Of each run in a file of OpenMetrics: its id, its scenario, the id of its trace, and when it began and ended, in ms.
runs_in() {
    awk '
        function label(name) { return match($0, "[{,]" name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : "-" }
        /^tapedeck_run_info\{/ {
            run = label("run"); at = $NF * 1000
            if (!(run in from)) { order[++number] = run; from[run] = at; trace[run] = label("trace_id"); scenario[run] = label("scenario") }
            if (at < from[run]) from[run] = at
            if (at > to[run]) to[run] = at
        }
        END { for (i = 1; i <= number; i++) printf "%s %s %s %.0f %.0f\n", order[i], scenario[order[i]], trace[order[i]], from[order[i]] - 1000, to[order[i]] + 1000 }
    ' "$1"
}

# Where a collector's page can be reached from a container: on Linux that is the bridge's own address, which only this machine and its
# containers reach; Docker Desktop lets containers reach the loopback.
page_for_containers() {
    bridge=''
    if [ -d /sys/class/net/docker0 ]; then
        # An engine that was not told a gateway takes the first address.
        bridge=$(docker network inspect bridge --format '{{with index .IPAM.Config 0}}{{or .Gateway .Subnet}}{{end}}' 2>/dev/null | sed 's#[0-9]*/.*#1#')
    fi
    echo "${bridge:-127.0.0.1}:9464"
}

# Grafana's links into Jaeger's own UI follow its port.
elsewhere=''
[ "$jaeger" = http://127.0.0.1:16686 ] || elsewhere="var-jaeger=$jaeger"

links() {
    compare=''
    if [ "$#" -gt 0 ]; then
        scratch
        runs_in "$1" >"$folder/loaded"
        while read -r run scenario trace from to; do
            printf '%-12s %s\n' 'run' "$grafana/d/tapedeck-run?var-run=$run&from=$from&to=$to${elsewhere:+&$elsewhere}"
            printf '%-12s %s\n' 'its trace' "$jaeger/trace/$trace"
            printf '%-12s %s\n' 'its like' "$jaeger/search?service=$scenario&lookback=custom&start=$long_ago_us&end=${to}000&limit=200"
            compare="$compare&var-run=$run"
        done <"$folder/loaded"
    else
        printf '%-12s %s\n' 'live run' "$grafana/d/tapedeck-run${elsewhere:+?$elsewhere}"
    fi
    compare="$compare${elsewhere:+&$elsewhere}"
    printf '%-12s %s\n' 'compare' "$grafana/d/tapedeck-compare${compare:+?${compare#&}}"
    printf '%-12s %s\n' 'history' "$grafana/d/tapedeck-history${elsewhere:+?$elsewhere}"
    printf '%-12s %s\n' 'traces' "$jaeger/search"
    printf '%-12s %s\n' 'metrics' "$prometheus/graph?g0.expr=tapedeck_run_info"
    printf '%-12s %s\n' 'live' "collector record SCENARIO --otlp $otlp --metrics $(page_for_containers)"
}

what=${1:-up}
[ "$#" -eq 0 ] || shift
case $what in
up)
    need_docker
    [ "$#" -eq 0 ] || need_replay
    bring_up
    if [ "$#" -eq 0 ]; then
        links
    else
        load "$@"
        links "$folder/wall.om"
    fi
    ;;
load)
    [ "$#" -gt 0 ] || fail "which recording? load latest, or a run's name or path"
    need_docker
    load "$@"
    links "$folder/wall.om"
    ;;
links)
    [ "$#" -eq 0 ] || [ -r "$1" ] || fail "$1 can't be read: replay export RUN --to openmetrics -o $1"
    links "$@"
    ;;
down | forget)
    need_docker
    scratch
    flag=''
    [ "$what" = down ] || flag=--volumes
    compose down --remove-orphans $flag >"$folder/down" 2>&1 || fail "they do not go down: $(tail -n 1 "$folder/down" | cut -c 1-400)"
    ;;
-h | --help | help) sed -n 's/^# //p; /^set /q' "$0" ;;
*) fail "unknown part '$what': say up, load, links, down or forget" ;;
esac
