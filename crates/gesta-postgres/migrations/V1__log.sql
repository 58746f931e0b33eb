-- The log: one row for the log itself, one for each event. Everything else is derived or may be repeated.

CREATE TABLE gesta.log (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Which life of the log this is: cursors carry it, so that a log that was restored does not serve old ones.
    incarnation uuid NOT NULL,
    -- What cursors are sealed with, the same for all servers on this log.
    cursor_key bytea NOT NULL CHECK (octet_length(cursor_key) = 32)
);

INSERT INTO gesta.log (incarnation, cursor_key)
VALUES (gen_random_uuid(), sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

CREATE TABLE gesta.events (
    position bigint PRIMARY KEY CHECK (position > 0),
    tenant text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    schema_version bigint NOT NULL CHECK (schema_version > 0),
    content_type text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- A hash of the correlation id, which may be of any length; null where that is the event's own id.
    correlation bigint,
    -- Bytes, not jsonb: what was stored comes back as it was spelled, and a text with \u0000 can be stored at all.
    metadata bytea NOT NULL,
    data bytea NOT NULL,
    CONSTRAINT events_version UNIQUE (tenant, stream, version),
    CONSTRAINT events_id UNIQUE (tenant, id)
);

CREATE INDEX events_correlation ON gesta.events (tenant, correlation, position) WHERE correlation IS NOT NULL;

-- The lock of the log, held to the end of the transaction: whoever numbers events has it. Waiting for it ends after
-- five seconds; a process that sleeps while it has it loses its session after ten.
CREATE FUNCTION gesta.lock_log() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog
SET lock_timeout = '5s'
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock((1734701940::bigint << 32) | ('gesta.events'::regclass)::oid::bigint);
END
$$;

-- How far streams go: one row for each that was asked for, in order.
CREATE FUNCTION gesta.stream_versions(tenants text[], streams text[]) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog
AS $$
BEGIN
    RETURN QUERY
    SELECT coalesce(
        (SELECT e.version FROM gesta.events e
          WHERE e.tenant = asked.tenant COLLATE "C" AND e.stream = asked.stream COLLATE "C"
          ORDER BY e.version DESC LIMIT 1),
        0)
    FROM unnest(tenants, streams) WITH ORDINALITY AS asked (tenant, stream, n)
    ORDER BY asked.n;
END
$$;

-- The events of these ids that there are.
CREATE FUNCTION gesta.events_by_id(tenants text[], ids uuid[]) RETURNS SETOF gesta.events
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog
AS $$
BEGIN
    RETURN QUERY
    SELECT found.*
    FROM unnest(tenants, ids) AS asked (tenant, id)
    CROSS JOIN LATERAL (
        SELECT e.* FROM gesta.events e WHERE e.tenant = asked.tenant COLLATE "C" AND e.id = asked.id
    ) AS found;
END
$$;

-- The only way into the log, for those that append to it. Takes the lock first, so that the statements behind it see all
-- that was committed under it. Names each stream once, with where the caller believes it to stand: at a version, at -1 for any
-- but an empty one, or null for wherever it is. If a belief is wrong, or an id is known, nothing is appended and `after` is
-- null. Otherwise positions go on where the log ended, and versions where their streams did: each event says which of
-- the streams it is in, and its place among the new ones there. Answers with the position before the first event, the
-- time of all, and where each stream stood. Other ids, of what is refused beside it, have to be unknown too. The keys of the table are a backstop: a bug here is an error and never two
-- events in one place.
CREATE FUNCTION gesta.append(
    stream_tenants text[], stream_names text[], believed bigint[],
    tenants text[], streams text[], stream_numbers integer[], places bigint[],
    ids uuid[], types text[], schema_versions bigint[], content_types text[], correlations bigint[],
    metadatas bytea[], datas bytea[], other_tenants text[], other_ids uuid[],
    OUT after bigint, OUT recorded_at timestamptz, OUT stood bigint[]
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog
AS $$
DECLARE
    right_about_all boolean;
    head bigint;
    last timestamptz;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'events are appended at READ COMMITTED only: an older snapshot would not see what the lock waited for';
    END IF;
    PERFORM gesta.lock_log();
    SELECT array_agg(found.version ORDER BY found.n),
           bool_and(found.believed IS NULL OR found.believed = found.version
                    OR found.believed = -1 AND found.version > 0)
      INTO stood, right_about_all
      FROM (
        SELECT asked.n, asked.believed, coalesce(
            (SELECT e.version FROM gesta.events e
              WHERE e.tenant = asked.tenant COLLATE "C" AND e.stream = asked.stream COLLATE "C"
              ORDER BY e.version DESC LIMIT 1),
            0) AS version
        FROM unnest(stream_tenants, stream_names, believed) WITH ORDINALITY AS asked (tenant, stream, believed, n)
      ) AS found;
    IF NOT right_about_all OR EXISTS (
        SELECT FROM unnest(tenants || other_tenants, ids || other_ids) AS asked (tenant, id)
        CROSS JOIN LATERAL (
            SELECT FROM gesta.events e WHERE e.tenant = asked.tenant COLLATE "C" AND e.id = asked.id
        ) AS known
    ) THEN
        RETURN;
    END IF;
    SELECT e.position, e.recorded_at INTO head, last FROM gesta.events e ORDER BY e.position DESC LIMIT 1;
    after := coalesce(head, 0);
    recorded_at := greatest(clock_timestamp(), last);
    INSERT INTO gesta.events (
        position, tenant, stream, version, id, type, schema_version, content_type, recorded_at, correlation,
        metadata, data
    )
    SELECT append.after + n, tenant, stream, stood[number] + place, id, type, schema_version, content_type,
           append.recorded_at, correlation, metadata, data
    FROM unnest(
        tenants, streams, stream_numbers, places, ids, types, schema_versions, content_types, correlations, metadatas,
        datas
    ) WITH ORDINALITY AS new (
        tenant, stream, number, place, id, type, schema_version, content_type, correlation, metadata, data, n
    );
END
$$;

-- A commit behind it is as safe as everything before it: what has been read may be told to be stored. Without a write of its
-- own a commit would not wait for the disk or a standby, and what it read may be on neither yet.
CREATE FUNCTION gesta.make_safe() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog
AS $$ UPDATE gesta.log SET one = true $$;

-- All they look for has an index: one plan serves every call. Made anew for each array, plans cost more than what they do;
-- made once while a table is small, they would go on to read the whole of it when it has grown.
DO $$
DECLARE
    looks regproc;
BEGIN
    FOREACH looks IN ARRAY ARRAY['gesta.stream_versions', 'gesta.events_by_id', 'gesta.append']::regproc[] LOOP
        EXECUTE format(
            'ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan
             SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off', looks);
    END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gesta FROM PUBLIC;
