#!/usr/bin/env bash
# Installs what the tests start by themselves: PostgreSQL, as a fixture of their own. Does nothing
# where it is there already; where it cannot be installed, the tests that need it say so.
set -euo pipefail

binaries() { compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb; }

if binaries > /dev/null; then exit 0; fi
if ! command -v apt-get > /dev/null; then
	echo "· no PostgreSQL here, and no apt-get to install it: its tests will be skipped" >&2
	exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2> /dev/null; then
		echo "· no PostgreSQL here; its tests will be skipped (sudo apt install postgresql)" >&2
		exit 0
	fi
	as_root=(sudo -n)
fi
echo "· installing PostgreSQL for the tests (once)"
# No cluster of the system's own: the tests make theirs in a temporary folder.
"${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" \
	| "${as_root[@]}" tee /etc/postgresql-common/createcluster.d/llmlab-tests.conf > /dev/null
export DEBIAN_FRONTEND=noninteractive
if ! { "${as_root[@]}" apt-get update -qq \
	&& "${as_root[@]}" apt-get install -y -qq --no-install-recommends postgresql; } > /dev/null; then
	echo "· PostgreSQL could not be installed; its tests will be skipped" >&2
fi
