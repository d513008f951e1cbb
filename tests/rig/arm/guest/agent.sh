#!/bin/bash
# The rig's hand inside the machine: runs what comes over the virtio port as root, several at once. A line in is
# "ID BASE64-OF-A-SCRIPT", a line out "ID STATUS BASE64-OF-WHAT-IT-PRINTED".
exec 3<>/dev/virtio-ports/rig
echo "hello 0 $(base64 -w0 </proc/uptime)" >&3
while read -r id script <&3; do
    (
        printed=$(base64 -d <<<"$script" | bash 2>&1 </dev/stdin | base64 -w0; exit "${PIPESTATUS[1]}")
        status=$?
        flock 9
        echo "$id $status $printed" >&3
    ) 9>/run/rig-agent.lock 3<&3 &
done
