#!/bin/sh
# Makes what the trial's containers need to know each other, once: certificates.sh FOLDER. In earnest: docs/deployment.md.
set -eu
folder=$1
[ -f "$folder/authority/register.json" ] && exit 0
rm -rf "$folder/authority" # half of an earlier attempt
kardus-wms authority init "$folder/authority" --site trial
kardus-wms authority issue "$folder/authority" server broker --host broker --host localhost
kardus-wms authority issue "$folder/authority" wms receiver
kardus-wms authority issue "$folder/authority" wms stock
kardus-wms authority issue "$folder/authority" wms console
kardus-wms authority issue "$folder/authority" server api --host serve --host localhost
kardus-wms authority issue "$folder/authority" device rack-agent
