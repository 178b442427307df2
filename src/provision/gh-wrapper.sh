#!/usr/bin/env bash
# Stands in the place of `gh` inside a workspace. Whatever an agent writes on GitHub carries the badge of the agent
# that wrote it, "@me" is the person who owns the agent, and each call leaves a line in a log.
#
#   MOLECULE_AGENT_ROLE         the agent's role; without it this is plain gh
#   MOLECULE_ATTRIBUTION_BADGE  goes in front of every body
#   MOLECULE_OWNER              GitHub login; empty: assignees "@me" are dropped
#   MOLECULE_WORKSPACE_ID       for the log
#   MOLECULE_GH_LOG             the log; /var/log/molecule-gh.ndjson
#   MOLECULE_GH_REAL            the real gh, when it is at none of the usual places
set -u

argument_max=2000 # bytes of an argument in the log

find_gh() {
    local self place folder
    self=$(readlink -f -- "${BASH_SOURCE[0]}")
    for place in "${MOLECULE_GH_REAL:-}" /usr/bin/gh /opt/gh/bin/gh /usr/local/bin/gh.real; do
        if [[ -n $place && -x $place && ! -d $place && $(readlink -f -- "$place") != "$self" ]]; then
            printf '%s' "$place"
            return 0
        fi
    done
    local IFS=:
    for folder in $PATH; do
        place=${folder:-.}/gh
        if [[ -x $place && ! -d $place && $(readlink -f -- "$place") != "$self" ]]; then
            printf '%s' "$place"
            return 0
        fi
    done
    return 1
}

# The text as a JSON string.
json_text() {
    local LC_ALL=C text=${1:0:argument_max} out='' byte code index
    for ((index = 0; index < ${#text}; index++)); do
        byte=${text:index:1}
        case $byte in
        '"') out+='\"' ;;
        "\\") out+='\\' ;;
        [[:cntrl:]])
            printf -v code '%d' "'$byte"
            printf -v byte '\\u%04x' "$((code & 255))"
            out+=$byte
            ;;
        *) out+=$byte ;;
        esac
    done
    printf '"%s"' "$out"
}

# The subcommands whose text other people read.
is_attributed() {
    case "${1:-} ${2:-}" in
    "issue create" | "issue comment" | "issue edit") return 0 ;;
    "pr create" | "pr comment" | "pr edit" | "pr review") return 0 ;;
    "release create" | "release edit" | "discussion create") return 0 ;;
    esac
    return 1
}

write_log() {
    local rc=$1 line argument comma=''
    shift
    line="{\"ts\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\",\"role\":$(json_text "$MOLECULE_AGENT_ROLE")"
    line+=",\"workspace_id\":$(json_text "${MOLECULE_WORKSPACE_ID:-}"),\"owner\":$(json_text "${MOLECULE_OWNER:-}")"
    line+=",\"rc\":$rc,\"argv\":["
    for argument in "$@"; do
        line+=$comma$(json_text "$argument")
        comma=,
    done
    # A log that cannot be written is no reason to fail.
    { printf '%s]}\n' "$line" >>"${MOLECULE_GH_LOG:-/var/log/molecule-gh.ndjson}"; } 2>/dev/null || true
}

gh=$(find_gh) || {
    echo "gh: the real gh was not found" >&2
    exit 127
}
[[ -n ${MOLECULE_AGENT_ROLE:-} ]] || exec "$gh" "$@"

arguments=()
if is_attributed "$@"; then
    prefix="${MOLECULE_ATTRIBUTION_BADGE:-}"$'\n\n'
    [[ -n ${MOLECULE_ATTRIBUTION_BADGE:-} ]] || prefix=''
    has_body=''
    while (($# > 0)); do
        case $1 in
        --body)
            if [[ -z $has_body && $# -gt 1 ]]; then
                arguments+=(--body "$prefix$2")
                has_body=1
                shift
            else
                arguments+=("$1")
            fi
            ;;
        --body=*)
            if [[ -z $has_body ]]; then
                arguments+=("--body=$prefix${1#--body=}")
                has_body=1
            else
                arguments+=("$1")
            fi
            ;;
        --assignee)
            if [[ ${2:-} == @me ]]; then
                [[ -z ${MOLECULE_OWNER:-} ]] || arguments+=(--assignee "$MOLECULE_OWNER")
                shift
            else
                arguments+=("$1")
            fi
            ;;
        --assignee=@me)
            [[ -z ${MOLECULE_OWNER:-} ]] || arguments+=("--assignee=$MOLECULE_OWNER")
            ;;
        *) arguments+=("$1") ;;
        esac
        shift
    done
else
    arguments=("$@")
fi

"$gh" ${arguments[@]+"${arguments[@]}"}
rc=$?
write_log "$rc" ${arguments[@]+"${arguments[@]}"}
exit "$rc"
