#!/usr/bin/env bash
# Tries the deployment beside yours, on volumes of its own: up, one walk over four cells, down; nothing may be left.
set -euo pipefail
umask 022
cd "$(dirname "$0")"

compose() { if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi; }
left() {
  docker ps --all --quiet --filter label=com.docker.compose.project=compat-try
  docker network ls --quiet --filter name='^compat-try$'
  docker volume ls --quiet --filter name='^compat-try_'
}
down() {
  compose down --remove-orphans --volumes
  rm -r "$COMPAT_LOCAL"
}

export COMPOSE_PROJECT_NAME=compat-try COMPAT_UI_PORT=${COMPAT_UI_PORT:-3999} COMPAT_LOCAL
export DOCKER_GID=${DOCKER_GID:-$(stat -c %g "${DOCKER_SOCKET:-/var/run/docker.sock}")}
COMPAT_LOCAL=$(mktemp -d)
trap down EXIT
mkdir "$COMPAT_LOCAL/settings" "$COMPAT_LOCAL/secrets"
head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$COMPAT_LOCAL/secrets/PGPASSWORD"
echo COMPAT_MANIFEST=/etc/compat/manifest.yaml >"$COMPAT_LOCAL/settings/settings.env"
cat >"$COMPAT_LOCAL/settings/manifest.yaml" <<'MANIFEST'
features:
  - {id: basic_messaging_streaming, name: Basic messaging (streaming)}
  - {id: tool_use, name: Tool use}
providers:
  - {id: anthropic, name: Anthropic, routes: {claude-haiku-4-5: anthropic/claude-haiku-4-5}}
  - {id: azure, name: Azure, routes: {claude-haiku-4-5: azure_ai/claude-haiku-4-5}}
models:
  - {id: claude-haiku-4-5, name: Claude Haiku 4.5}
MANIFEST

compose up --detach --build
compose exec -T daemon with-settings dagster job launch --workspace workspace.yaml --job refresh_matrix
status=none
until [[ $status == SUCCESS ]]; do
  [[ $status != FAILURE && $status != CANCELED ]] || { compose logs --tail 50; exit 1; }
  sleep 2
  status=$(curl --silent --max-time 10 --header 'Content-Type: application/json' \
    --data '{"query": "{ runsOrError(limit: 1) { ... on Runs { results { status } } } }"}' \
    "http://127.0.0.1:$COMPAT_UI_PORT/graphql" | sed -n 's/.*"status":"\([A-Z_]*\)".*/\1/p') || true
done
compose exec -T pipeline cat /var/lib/compat/compatibility-matrix.json
compose exec -T postgres psql --username compat --command 'SELECT cell, observed_at FROM observations'

trap - EXIT
down
[[ -z $(left) ]] || { echo "left behind:"; left; exit 1; }
echo "nothing is left behind"
