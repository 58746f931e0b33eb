-- What belongs to processors: who may run one, where it stopped, what it folded, and the rows it maintains. It is here
-- beside a log, and alone in a database that is for read models only.

-- Who may run a processor, by the clock of this server. Kept when the processor is removed, so that no epoch is given
-- out twice.
CREATE TABLE gesta.leases (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL CHECK (epoch >= 0),
    owner text,
    leased_until timestamptz NOT NULL,
    PRIMARY KEY (tenant, name)
) WITH (fillfactor = 50);

-- Where a processor stopped, and its own state.
CREATE TABLE gesta.checkpoints (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    position bigint NOT NULL CHECK (position >= 0),
    state bytea NOT NULL,
    -- Which commit of rows wrote it, so that one whose answer was lost can be told from one that was not made.
    token uuid,
    -- Which process wrote it, and the number of that write: a save it sent before, and that comes late, changes nothing.
    writer uuid,
    write_number bigint,
    PRIMARY KEY (tenant, name)
) WITH (fillfactor = 50);

-- Folded state of streams.
CREATE TABLE gesta.snapshots (
    tenant text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    fingerprint text COLLATE "C" NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (tenant, stream, version)
);

-- Nothing but a lock. A query holds it in a weak mode before it takes its snapshot, a change of tables in a strong one: so
-- no query sees tables of a time that its snapshot is not of. pg_dump holds neither up.
CREATE TABLE gesta.shape ();

-- Whether a commit of rows may be made: under the current epoch, and from where its checkpoint stands. The row of the
-- lease stays locked to the end of the transaction, so nobody takes over in the middle.
CREATE FUNCTION gesta.own_checkpoint(of_tenant text, of_name text, under bigint, after bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog
AS $$
DECLARE
    current bigint;
    stands bigint;
BEGIN
    SELECT l.epoch INTO current FROM gesta.leases l
     WHERE l.tenant = of_tenant COLLATE "C" AND l.name = of_name COLLATE "C"
       FOR NO KEY UPDATE;
    IF current IS DISTINCT FROM under THEN
        RAISE EXCEPTION 'the epoch is stale' USING ERRCODE = 'GE001', DETAIL = coalesce(current, 0)::text;
    END IF;
    SELECT c.position INTO stands FROM gesta.checkpoints c
     WHERE c.tenant = of_tenant COLLATE "C" AND c.name = of_name COLLATE "C";
    IF coalesce(stands, 0) <> after THEN
        RAISE EXCEPTION 'the checkpoint has moved' USING ERRCODE = 'GE002', DETAIL = coalesce(stands, 0)::text;
    END IF;
END
$$;

-- Where the rows of read models are; nothing of Gesta's own.
CREATE SCHEMA IF NOT EXISTS read_models;

REVOKE ALL ON FUNCTION gesta.own_checkpoint(text, text, bigint, bigint) FROM PUBLIC;
