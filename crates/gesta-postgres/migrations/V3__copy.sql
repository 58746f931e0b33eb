-- Events that another log has recorded, as they are: for the owner of this log, who copies one into it. They go on where
-- the log ends, in position, time and the versions of their streams, or are refused; the keys of the table see to the ids.
CREATE FUNCTION gesta.append_recorded(
    after bigint, tenants text[], streams text[], versions bigint[], ids uuid[], types text[],
    schema_versions bigint[], content_types text[], times timestamptz[], correlations bigint[], metadatas bytea[],
    datas bytea[]
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog
SET enable_seqscan = off
AS $$
DECLARE
    head bigint;
    last timestamptz;
    wrong text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'events are appended at READ COMMITTED only: an older snapshot would not see what the lock waited for';
    END IF;
    PERFORM gesta.lock_log();
    SELECT e.position, e.recorded_at INTO head, last FROM gesta.events e ORDER BY e.position DESC LIMIT 1;
    IF after <> coalesce(head, 0) THEN
        RAISE EXCEPTION 'the log ends elsewhere' USING ERRCODE = 'GE003', DETAIL = coalesce(head, 0)::text;
    END IF;
    IF times[1] < last THEN
        RAISE EXCEPTION 'the log ends later' USING ERRCODE = 'GE004', DETAIL = (extract(epoch FROM last) * 1e6)::bigint;
    END IF;
    WITH given AS (
        SELECT *, row_number() OVER (PARTITION BY tenant, stream ORDER BY n) AS nth
        FROM unnest(tenants, streams, versions) WITH ORDINALITY AS given (tenant, stream, version, n)
    ), stands AS (
        SELECT tenant, stream, coalesce(
            (SELECT e.version FROM gesta.events e
              WHERE e.tenant = named.tenant COLLATE "C" AND e.stream = named.stream COLLATE "C"
              ORDER BY e.version DESC LIMIT 1),
            0) AS version
        FROM (SELECT DISTINCT tenant, stream FROM given) AS named
    )
    SELECT given.n || ' ' || stands.version + given.nth - 1 INTO wrong
    FROM given JOIN stands USING (tenant, stream)
    WHERE given.version <> stands.version + given.nth ORDER BY given.n LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'an event is not the next of its stream' USING ERRCODE = 'GE005', DETAIL = wrong;
    END IF;
    INSERT INTO gesta.events (
        position, tenant, stream, version, id, type, schema_version, content_type, recorded_at, correlation, metadata, data
    )
    SELECT after + given.n, given.tenant, given.stream, given.version, given.id, given.type, given.schema_version,
           given.content_type, given.recorded_at, given.correlation, given.metadata, given.data
    FROM unnest(
        tenants, streams, versions, ids, types, schema_versions, content_types, times, correlations, metadatas, datas
    ) WITH ORDINALITY AS given (
        tenant, stream, version, id, type, schema_version, content_type, recorded_at, correlation, metadata, data, n
    );
    PERFORM pg_notify('gesta_log', (after + cardinality(ids))::text);
END
$$;

REVOKE ALL ON FUNCTION gesta.append_recorded(
    bigint, text[], text[], bigint[], uuid[], text[], bigint[], text[], timestamptz[], bigint[], bytea[], bytea[]
) FROM PUBLIC;
