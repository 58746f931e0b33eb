-- Which life of the log this state belongs to. One row.
CREATE TABLE identity (
    only_one    INTEGER PRIMARY KEY CHECK (only_one = 1),
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 16)
) STRICT;

-- Who may run a processor. Apart from what it saved, so that a renewal does not rewrite megabytes of state; kept
-- when the processor is removed, so that no epoch is given out twice.
CREATE TABLE leases (
    tenant       TEXT NOT NULL,
    name         TEXT NOT NULL,
    epoch        INTEGER NOT NULL,
    owner        TEXT,
    leased_until INTEGER NOT NULL,
    checksum     INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT;

-- Where a processor stopped, and its own state.
CREATE TABLE checkpoints (
    tenant   TEXT NOT NULL,
    name     TEXT NOT NULL,
    position INTEGER NOT NULL,
    state    BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT;

-- Folded state of streams.
CREATE TABLE snapshots (
    tenant      TEXT NOT NULL,
    stream      TEXT NOT NULL,
    version     INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    state       BLOB NOT NULL,
    checksum    INTEGER NOT NULL,
    PRIMARY KEY (tenant, stream, version)
) STRICT;
