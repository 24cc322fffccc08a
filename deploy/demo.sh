#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The whole story on this machine: the emulated vendor behind TLS, the service, two virtual phones.
# Every key, signature and token is real. Each step is checked and the script ends at the first
# surprise; at the end the vendor's list of calls is compared with what was done. Needs bash, curl and
# the three binaries in BFF_BUILD_DIR (default: build).
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
build=${BFF_BUILD_DIR:-$root/build}
readonly root build
# The service refuses settings that it does not know, so none may leak in from here.
for name in ${!BFF_@}; do unset "$name"; done
work=$(mktemp -d "${TMPDIR:-/tmp}/biometrics-bff-demo.XXXXXX")
emulator_pid=
service_pid=
step=0

# ---- helpers ----------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }

tell() {
    step=$((step + 1))
    printf '\n== %d. %s\n' "$step" "$*"
}

fail() {
    printf '\nFAILED in step %d: %s\n' "$step" "$*" >&2
    if [ -s "$work/service.log" ]; then
        printf 'The last lines of the service:\n' >&2
        tail -n 5 "$work/service.log" >&2
    fi
    exit 1
}

# Ends both processes by their PIDs; harmless when they have ended.
clean_up() {
    local pid
    for pid in $service_pid $emulator_pid; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap clean_up EXIT

# wait_for FILE TEXT PID: until a line of the file holds the text; prints that line.
wait_for() {
    local deadline=$((SECONDS + 20))
    until grep -m 1 -F -- "$2" "$1" 2>/dev/null; do
        kill -0 "$3" 2>/dev/null || fail "a process ended early: $(cat "$1")"
        [ "$SECONDS" -lt "$deadline" ] || fail "no line with $2 in $1"
        sleep 0.05
    done
}

# member NAME: the string or number of that name in the JSON line on standard input.
member() { sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p" | head -n 1; }

vendor() {
    local method=$1 path=$2
    shift 2
    curl --silent --show-error --fail --cacert "$work/ca.pem" -X "$method" \
        -H 'Content-Type: application/json' "$@" "$vendor_url/_emulator/$path"
}

# phone STATUS TEXT DIR ARGUMENT...: runs a command of a phone, expects the exit status and, when TEXT
# is not empty, that a line of its output matches.
phone() {
    local expected=$1 text=$2 dir=$3 status=0
    shift 3
    "$build/phone/virtual-phone" --bff "$bff_url" --emulator "$vendor_url" \
        --emulator-ca "$work/ca.pem" --dir "$work/$dir" "$@" >"$work/out" 2>&1 || status=$?
    cat "$work/out"
    [ "$status" -eq "$expected" ] || fail "phone $dir, $*: exit status $status, expected $expected"
    [ -z "$text" ] || grep -q -E -- "$text" "$work/out" || fail "phone $dir, $*: no line with $text"
}

accepted() {
    phone 0 "$@"
    say "  ok"
}

refused() {
    local code=$1
    shift
    phone 1 "code +$code" "$@"
    say "  ok: refused with $code, as it must be"
}

# operator_revokes USER KEY: the status that the operator listener answers.
operator_revokes() {
    curl --silent --output /dev/null --write-out '%{http_code}' -X POST \
        -H "Authorization: Bearer $2" "$operator_url/v1/users/$1/face/revoke"
}

has_face() { vendor GET "users/$1" | grep -q '"face":true'; }

# expect_calls OPERATION COUNT EXECUTED: what the vendor has received, and how often it did something.
expect_calls() {
    local answer count executed
    answer=$(vendor GET "calls/count?operation=$1")
    count=$(member count <<<"$answer")
    executed=$(member executed <<<"$answer")
    printf '  %-16s %2d received, %2d carried out\n' "$1" "$count" "$executed"
    [ "$count,$executed" = "$2,$3" ] || fail "$1: expected $2 received and $3 carried out"
}

# ---- the stage ----------------------------------------------------------------------------------

tell "The emulated vendor starts, behind TLS with a CA of its own"
"$build/emulator/mosaic-emulator" --tls --dir "$work" --listen 127.0.0.1:0 \
    >"$work/emulator.log" 2>&1 &
emulator_pid=$!
ready=$(wait_for "$work/emulator.log" '"event":"ready"' "$emulator_pid")
vendor_url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' <<<"$ready")
say "  $vendor_url, issuer $(sed -n 's/.*"issuer":"\([^"]*\)".*/\1/p' <<<"$ready")"

tell "The service starts with the client's credentials and an operator listener"
operator_key=$(head -c 32 /dev/urandom | base64 | tr -d '/+=\n')
printf 'demo:%s\n' "$(printf %s "$operator_key" | sha256sum | cut -d ' ' -f 1)" >"$work/operator-keys"
head -c 32 /dev/urandom | base64 >"$work/seal-keys"
chmod 600 "$work/operator-keys" "$work/seal-keys"
env BFF_LISTEN=127.0.0.1:0 BFF_MANAGEMENT_LISTEN=127.0.0.1:0 BFF_OPERATOR_LISTEN=127.0.0.1:0 \
    BFF_OPERATOR_KEYS_FILE="$work/operator-keys" BFF_SEAL_KEYS_FILE="$work/seal-keys" \
    BFF_UPSTREAM_URL="$vendor_url" BFF_UPSTREAM_CA_FILE="$work/ca.pem" \
    BFF_ISSUERS="$(sed -n 's/.*"issuer":"\([^"]*\)".*/\1/p' <<<"$ready")" \
    BFF_TENANT_ID="$(member tenant_id <<<"$ready")" \
    BFF_CLIENT_ID="$(member client_id <<<"$ready")" \
    BFF_CLIENT_SECRET="$(member client_secret <<<"$ready")" \
    BFF_ADMIN_CLIENT_ID="$(member admin_client_id <<<"$ready")" \
    BFF_ADMIN_CLIENT_SECRET="$(member admin_client_secret <<<"$ready")" \
    BFF_LOG_FORMAT=json BFF_DRAIN_DELAY_S=0 \
    "$build/src/biometrics-bff" serve >"$work/service.log" 2>&1 &
service_pid=$!
wait_for "$work/service.log" '"service.ready"' "$service_pid" >/dev/null
port_of() { wait_for "$work/service.log" "\"listener\":\"$1\"" "$service_pid" | member server.port; }
bff_url=http://127.0.0.1:$(port_of public)
operator_url=http://127.0.0.1:$(port_of operator)
say "  apps: $bff_url, operators: $operator_url"

tell "Two customers exist: Ada and Bob, both with a face on file"
ada=$(vendor POST users -d '{"email":"ada@example.com","face":true}' | member user_id)
bob=$(vendor POST users -d '{"email":"bob@example.com","face":true}' | member user_id)
say "  Ada is $ada, Bob is $bob"

# ---- the story ----------------------------------------------------------------------------------

tell "Ada's phone makes an EC key and enrolls it"
accepted 'key_id' ada --user "$ada" --device-id ada-phone --key ec enroll

tell "Bob's phone makes an RSA key and enrolls it"
accepted 'key_id' bob --user "$bob" --device-id bob-phone --key rsa enroll

tell "Ada logs in: the service hands over a session only after it has verified both tokens"
accepted 'session ' ada login

tell "The same challenge a second time"
refused challenge_used ada --reuse-challenge login

tell "A signature with one bit wrong"
refused authentication_failed ada --tamper signature login

tell "Bob logs in, with RSA"
accepted 'session ' bob login

tell "Bob asks for a challenge, and Ada's phone tries to use it"
accepted 'challenge_id' bob start
refused challenge_mismatch ada --challenge-of "$work/bob" login

tell "Ada approves a payment: what she signed comes back in the verified ID token"
accepted 'came back unchanged' ada approve --data payee=Bookshop --data amount=42.50 \
    --data currency=EUR

tell "A thief lets Ada sign another transaction than the one that is sent"
refused authentication_failed ada --tamper approval approve --data payee=Bookshop \
    --data amount=42.50

tell "Ada looks at her session, refreshes it and looks again"
accepted 'client_id' ada whoami
accepted 'refresh_token' ada refresh
accepted 'client_id' ada whoami

tell "Ada removes her face herself"
accepted '' ada revoke-face
! has_face "$ada" || fail "Ada's face is still there"

tell "An operator removes Bob's face; somebody with a wrong key may not"
status=$(operator_revokes "$bob" wrong-key)
[ "$status" = 401 ] || fail "a wrong operator key got $status"
say "  wrong key: $status"
has_face "$bob" || fail "Bob's face is gone too early"
status=$(operator_revokes "$bob" "$operator_key")
[ "$status" = 204 ] || fail "the operator got $status"
say "  right key: $status"
! has_face "$bob" || fail "Bob's face is still there"

tell "Ada deletes her key; a login with it is then refused"
cp "$work/ada/key.pem" "$work/old-key.pem"
old_id=$(member key_id <"$work/ada/state.json")
accepted '' ada unenroll
cp "$work/old-key.pem" "$work/ada/key.pem"
sed -i "s/^{/{\"key_id\":\"$old_id\",/" "$work/ada/state.json"
refused authentication_failed ada login

tell "Ada logs out; her refresh token is worth nothing then"
cp "$work/ada/state.json" "$work/before-logout.json"
accepted '' ada logout
cp "$work/before-logout.json" "$work/ada/state.json"
refused session_expired ada refresh

# ---- what the vendor saw ------------------------------------------------------------------------

tell "The vendor's list of calls is what was done, no more and no less"
expect_calls token 2 2
expect_calls jwks 1 1
expect_calls register 2 2
# Each login and approval, Bob's unused challenge, the thief's second transaction.
expect_calls start 8 8
# Neither the used challenge nor the borrowed one got this far.
expect_calls authenticate 6 3
expect_calls refresh 2 1
expect_calls delete 1 1
expect_calls face_revoke_me 1 1
# With the wrong key nothing was sent.
expect_calls face_revoke 1 1
expect_calls logout 1 1

tell "No token and no secret stands in the service's log"
for name in access_token id_token refresh_token session challenge; do
    value=$(member "$name" <"$work/before-logout.json")
    [ -n "$value" ] || fail "the phone has no $name to look for"
    ! grep -q -F -- "$value" "$work/service.log" || fail "the log holds the $name"
done
! grep -q -F -e "$operator_key" -e demo-client-secret "$work/service.log" ||
    fail "the log holds a secret"
say "  ok: $(wc -l <"$work/service.log") lines searched"

tell "Both processes end when they are told to"
kill -TERM "$service_pid"
wait "$service_pid" || fail "the service ended with status $?"
service_pid=
kill -TERM "$emulator_pid"
wait "$emulator_pid" || fail "the emulator ended with status $?"
emulator_pid=
say "  ok"

printf '\nAll %d steps went as they should.\n' "$step"
