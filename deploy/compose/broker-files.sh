#!/bin/sh
# Gives the trial's broker what it needs of the authority, and not the authority's key: broker-files.sh AUTHORITY FOLDER
set -eu
mkdir -p "$2/data"
cp "$1/ca.crt" "$1/crl.pem" "$1/acl" "$1/server/broker.crt" "$1/server/broker.key" "$2/"
