//! Two roles, one that owns the schema and one that serves; and people who read the views.

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, CheckpointKey, EventStore, ExpectedVersion, Filter, NewEvent, ReadAll, Tenant,
};
use gesta_postgres::{Options, PostgresStore};
use std::time::Duration;
use tokio_postgres::Client;

use crate::support::{self, Database, database};

/// A role of its own, gone with [`Role::end`].
struct Role {
    name: String,
    url: String,
}

impl Role {
    async fn new(database: &Database, purpose: &str) -> Self {
        let name = format!("{}_{purpose}", database.name());
        database.client().await.batch_execute(&format!("CREATE ROLE {name} LOGIN")).await.expect("made");
        let url = database.url().replace("gesta@", &format!("{name}@"));
        Self { name, url }
    }

    async fn client(&self) -> Client {
        support::client(&self.url).await
    }

    async fn end(self, owner: &Client) {
        let end = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name);
        owner.batch_execute(&end).await.expect("dropped");
    }
}

fn to(tenant: &str, stream: &str, kind: &str, data: &str) -> AppendBatch {
    let event = NewEvent::new(kind, data.to_owned());
    AppendBatch::to(stream.parse().expect("legal"), ExpectedVersion::Any, [event])
        .of(tenant.parse().expect("legal"))
}

async fn refused(client: &Client, sql: &str) -> String {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().expect("the server refuses").code().to_owned()
}

#[tokio::test]
async fn a_role_that_serves_appends_through_the_function_alone_and_changes_nothing() {
    let database = database().await;
    database.store().await.close().await;
    let owner = database.client().await;
    let role = Role::new(&database, "serves").await;
    owner.batch_execute(&format!("CALL gesta.let_serve('{}')", role.name)).await.expect("granted");

    let store = PostgresStore::connect(&role.url, Options::default()).await.expect("connects");
    store.append(to("a", "thing-1", "happened", "{}")).await.expect("appends");
    store.append(to("b", "thing-1", "happened", "{}")).await.expect("appends");
    let all: Vec<_> =
        store.read_all(ReadAll::of(Filter::everything())).try_collect().await.expect("reads across tenants");
    assert_eq!(all.len(), 2);
    let one: Vec<_> = store
        .read_all(ReadAll::of(Filter::of("a".parse().expect("legal"))))
        .try_collect()
        .await
        .expect("reads one tenant");
    assert_eq!(one.len(), 1);
    let key = CheckpointKey::new(Tenant::default(), "role/test");
    let claim = store.checkpoints().claim(&key, "me", Duration::from_secs(60)).await.expect("claims");
    store.checkpoints().save(&key, claim.epoch, claim.checkpoint).await.expect("saves");
    store.close().await;

    let served = role.client().await;
    for sql in [
        "DELETE FROM gesta.events",
        "UPDATE gesta.events SET data = ''",
        "INSERT INTO gesta.events SELECT * FROM gesta.events",
        "TRUNCATE gesta.events",
        "UPDATE gesta.log SET incarnation = gen_random_uuid()",
        "ALTER TABLE gesta.events DISABLE ROW LEVEL SECURITY",
        "SELECT gesta.append_recorded(0, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    ] {
        assert_eq!(refused(&served, sql).await, "42501", "{sql}");
    }
    drop(served);
    role.end(&owner).await;
}

#[tokio::test]
async fn a_transaction_sees_the_tenant_it_names_and_none_if_it_names_none() {
    let database = database().await;
    let store = database.store().await;
    store.append(to("a", "thing-1", "happened", "{}")).await.expect("appends");
    store.append(to("b", "thing-1", "happened", "{}")).await.expect("appends");
    store.close().await;
    let owner = database.client().await;
    let role = Role::new(&database, "looks").await;
    owner.batch_execute(&format!("CALL gesta.let_serve('{}')", role.name)).await.expect("granted");
    let client = role.client().await;
    for (setting, seen) in [("", 0), ("a", 1), ("b", 1), ("*", 2), ("c", 0)] {
        client.batch_execute(&format!("SET gesta.tenant = '{setting}'")).await.expect("set");
        let row = client.query_one("SELECT count(*) FROM gesta.events", &[]).await.expect("asked");
        assert_eq!(row.get::<_, i64>(0), seen, "as {setting:?}");
    }
    drop(client);
    role.end(&owner).await;
}

#[tokio::test]
async fn the_views_answer_under_the_names_of_old() {
    let database = database().await;
    let store = database.store().await;
    let id = "6f1c2d3e-0000-4000-8000-000000000001";
    store
        .append(to("a", &format!("bed_assignment-{id}"), "Bed.Assigned", r#"{"bed":"7"}"#))
        .await
        .expect("appends");
    store
        .append(to("a", &format!("bed_assignment-{id}"), "Bed.Freed", r#"{"note":"\u0000"}"#))
        .await
        .expect("appends");
    store.append(to("a", "sample-1", "SampleCreated", "{}")).await.expect("appends");
    store.append(to("a", "$group-x", "made", "{}")).await.expect("appends");
    store.close().await;
    let owner = database.client().await;
    let role = Role::new(&database, "reads").await;
    owner.batch_execute(&format!("CALL gesta.let_read_views('{}')", role.name)).await.expect("granted");
    owner
        .batch_execute(&format!("ALTER ROLE {} SET search_path = gesta_views", role.name))
        .await
        .expect("set");
    let client = role.client().await;

    let statistics =
        "SELECT aggregate_type, event_type, COUNT(*) AS event_count, MIN(created_at) AS first_event,
        MAX(created_at) AS last_event FROM events GROUP BY aggregate_type, event_type
        ORDER BY event_count DESC, event_type";
    let rows = client.query(statistics, &[]).await.expect("asked");
    let found: Vec<(String, String, i64)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let expected = [
        ("BedAssignment", "Bed.Assigned", 1),
        ("BedAssignment", "Bed.Freed", 1),
        ("Sample", "SampleCreated", 1),
    ];
    assert_eq!(found, expected.map(|(one, two, count)| (one.to_owned(), two.to_owned(), count)));

    let asked = "SELECT version, event_data ->> 'bed', event_data IS NULL, tenant_id FROM stored_events
        WHERE aggregate_id = $1 ORDER BY version";
    let rows = client.query(asked, &[&id]).await.expect("asked");
    assert_eq!(
        (rows[0].get::<_, i64>(0), rows[0].get::<_, &str>(1), rows[0].get::<_, bool>(2)),
        (1, "7", false)
    );
    // What jsonb cannot hold is null here, and whole in the log.
    assert!(rows[1].get::<_, bool>(2) && rows[1].get::<_, &str>(3) == "a");

    let rows =
        client.query("SELECT event_type FROM get_aggregate_history($1, 2)", &[&id]).await.expect("asked");
    assert_eq!(rows.iter().map(|row| row.get::<_, &str>(0)).collect::<Vec<_>>(), ["Bed.Freed"]);
    let latest = "SELECT latest_version, event_count FROM latest_aggregate_versions WHERE aggregate_id = $1";
    let row = client.query_one(latest, &[&id]).await.expect("asked");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 2));
    assert_eq!(client.query("SELECT * FROM event_stream_summary", &[]).await.expect("asked").len(), 2);
    assert_eq!(refused(&client, "SELECT * FROM gesta.events").await, "42501");
    assert_eq!(refused(&client, "DELETE FROM events").await, "42501");
    drop(client);
    role.end(&owner).await;
}
