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
    -- A hash of the correlation id, which may be of any length.
    correlation bigint NOT NULL,
    -- Bytes, not jsonb: what was stored comes back as it was spelled, and a text with \u0000 can be stored at all.
    metadata bytea NOT NULL,
    data bytea NOT NULL,
    CONSTRAINT events_version UNIQUE (tenant, stream, version),
    CONSTRAINT events_id UNIQUE (tenant, id)
);

CREATE INDEX events_correlation ON gesta.events (tenant, correlation, position);

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

-- The only way into the log. Takes the lock first, so that the statements behind it see all that was committed under
-- it; positions go on where they ended, versions go on where their streams ended. Answers with the position before the first
-- event, and the time of all. The keys of the table are a backstop: a bug here is an error and never two events in
-- one place.
CREATE FUNCTION gesta.append(
    tenants text[], streams text[], ids uuid[], types text[], schema_versions bigint[], content_types text[],
    correlations bigint[], metadatas bytea[], datas bytea[],
    OUT after bigint, OUT recorded_at timestamptz
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog
AS $$
DECLARE
    last timestamptz;
BEGIN
    PERFORM gesta.lock_log();
    SELECT e.position, e.recorded_at INTO after, last FROM gesta.events e ORDER BY e.position DESC LIMIT 1;
    after := coalesce(after, 0);
    recorded_at := greatest(clock_timestamp(), last);
    WITH new AS (
        SELECT *
        FROM unnest(tenants, streams, ids, types, schema_versions, content_types, correlations, metadatas, datas)
             WITH ORDINALITY
             AS new (tenant, stream, id, type, schema_version, content_type, correlation, metadata, data, n)
    ), head AS (
        SELECT tenant, stream, coalesce(
            (SELECT e.version FROM gesta.events e
              WHERE e.tenant = named.tenant COLLATE "C" AND e.stream = named.stream COLLATE "C"
              ORDER BY e.version DESC LIMIT 1),
            0) AS version
        FROM (SELECT DISTINCT tenant, stream FROM new) AS named
    )
    INSERT INTO gesta.events
    SELECT append.after + n, tenant, stream,
           head.version + row_number() OVER (PARTITION BY tenant, stream ORDER BY n),
           id, type, schema_version, content_type, append.recorded_at, correlation, metadata, data
    FROM new JOIN head USING (tenant, stream);
    PERFORM pg_notify('gesta_log', (after + cardinality(ids))::text);
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gesta FROM PUBLIC;
