#!/bin/sh
# SPDX-License-Identifier: MIT
# A pool and a host of remote workers in two network namespaces, with a cable between them: it is cut without a word to either
# end, healed, and made slow. F37: the host is lost after its heartbeat, the loop of the pool never waits for the network,
# and the host joins again. Needs root; test_remote is both ends.
set -u
build=$PWD
id=$$
pool_ns=oxbow-p$id host_ns=oxbow-h$id
work=$(mktemp -d)
pids=

clean_up() {
	for pid in $pids; do
		kill -9 "$pid" 2>/dev/null
	done
	ip netns del "$pool_ns" 2>/dev/null
	ip netns del "$host_ns" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

skip() {
	echo "SKIP netns: $1"
	exit 77
}
fail() {
	echo "FAIL: $1"
	cat "$work/pool" "$work/host" 2>/dev/null
	exit 1
}

[ "$(id -u)" = 0 ] || skip 'needs root'
command -v ip >/dev/null || skip 'needs ip (iproute2)'
ip netns add "$pool_ns" 2>/dev/null || skip 'network namespaces cannot be made here'
ip netns add "$host_ns" || skip 'network namespaces cannot be made here'
ip link add "op$id" netns "$pool_ns" type veth peer name "oh$id" netns "$host_ns" 2>/dev/null || skip 'no veth in this kernel'
in_pool="ip netns exec $pool_ns" in_host="ip netns exec $host_ns"
$in_pool ip address add 10.77.0.1/24 dev "op$id"
$in_host ip address add 10.77.0.2/24 dev "oh$id"
for ns in "$in_pool" "$in_host"; do
	$ns ip link set lo up
done
$in_pool ip link set "op$id" up
$in_host ip link set "oh$id" up

# The cable, cut: each end's packets go to a hardware address that nobody has, so they are lost without an error to anybody.
cut() {
	$in_pool ip neighbour replace 10.77.0.2 lladdr 02:00:00:00:00:99 dev "op$id" nud permanent &&
		$in_host ip neighbour replace 10.77.0.1 lladdr 02:00:00:00:00:99 dev "oh$id" nud permanent
}
heal() {
	$in_pool ip neighbour del 10.77.0.2 dev "op$id" && $in_host ip neighbour del 10.77.0.1 dev "oh$id"
}

# await WORD: the pool's program has said it.
await() {
	tries=0
	until grep -q "^$1" "$work/pool" 2>/dev/null; do
		tries=$((tries + 1))
		kill -0 "$pool" 2>/dev/null || { wait "$pool"; fail "the pool has ended with $? before '$1'"; }
		[ $tries -lt 300 ] || fail "the pool does not get to '$1'"
		sleep 0.1
	done
}

OXBOW_TEST_NONCE=$id-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
OXBOW_TEST_JOIN=$work/join OXBOW_TEST_SLOTS=2 OXBOW_TEST_LISTEN=tcp://0.0.0.0:0
export OXBOW_TEST_NONCE OXBOW_TEST_JOIN OXBOW_TEST_SLOTS OXBOW_TEST_LISTEN
mkfifo "$work/go"
$in_pool "$build/test_remote" --driver network <"$work/go" >"$work/pool" 2>&1 &
pool=$!
pids=$pool
exec 3>"$work/go"
tries=0
until [ -s "$work/join" ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || fail 'no join file'
	sleep 0.1
done
$in_host "$build/test_remote" --driver host >"$work/host" 2>&1 &
host=$!
pids="$pids $host"

await running
cut || fail 'the cable cannot be cut'
echo cut >&3
await lost
heal
echo heal >&3
await healed
if $in_pool tc qdisc add dev "op$id" root netem delay 100ms loss 1% rate 20mbit 2>/dev/null; then
	slow='100 ms, 20 Mbit/s and 1 % loss'
elif $in_pool tc qdisc add dev "op$id" root tbf rate 20mbit burst 128kb latency 400ms 2>/dev/null; then
	slow='20 Mbit/s'
else
	slow=
	echo 'SKIP netns, slow: neither netem nor tbf in this kernel'
fi
echo slow >&3
await end
exec 3>&-
wait "$pool" || fail 'the pool ends with a failure'
wait "$host" || fail 'the host ends with a failure'
pids=
grep -E '^(lost|healed|slow)' "$work/pool"
[ -z "$slow" ] || echo "slow was $slow"
echo 'cut, heal, slow: all went well'
