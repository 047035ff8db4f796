#!/bin/sh
# Nightly backup: snapshot, upload, forget old ones. Exits non-zero on the first failure, so that the timer notices.
set -eu

REPOSITORY=${RESTIC_REPOSITORY:?where the backups go}
KEEP="--keep-daily 14 --keep-weekly 8 --keep-monthly 24"

log() { logger -t backup "$1"; }

take_snapshot() {
    # A frozen view, so that files do not change while they are read.
    zfs snapshot "tank/srv@backup-$(date +%F)"
}

upload() {
    restic -r "$REPOSITORY" backup --one-file-system --exclude-caches "/srv/.zfs/snapshot/backup-$(date +%F)"
}

prune() {
    # shellcheck disable=SC2086
    restic -r "$REPOSITORY" forget $KEEP --prune
}

log "backup started"
take_snapshot
upload
prune
log "backup finished"
