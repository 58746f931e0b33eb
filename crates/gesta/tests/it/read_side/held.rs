//! Somebody with a session of their own looks at a read model on PostgreSQL.

use super::*;

/// Their session holds up the exchange of generations, which is said, and neither queries nor what is at work.
#[test]
fn a_session_of_somebody_else_holds_up_the_exchange_and_nothing_else() {
    let on = Place::database();
    let Place::Database(database) = on.clone() else { unreachable!("it is a database") };
    place::run(async move {
        let site = Site::new(on).await;
        site.wait(site.append("a-1", 3).await).await;
        let somebody = database.client().await;
        somebody.batch_execute("BEGIN; SELECT n FROM read_models.tallies").await.expect("looks");
        site.processors.rebuild("tally").await.expect("begins");
        let told = |info: &ProcessorInfo| {
            info.note.as_ref().is_some_and(|note| note.contains("another session looks at the read model"))
        };
        let info = site.until("told", told).await;
        assert_eq!((info.generation, site.rows().await), (1, vec![row("a-1", 3)]));
        site.wait(site.append("a-1", 2).await).await;
        assert_eq!(site.rows().await, [row("a-1", 5)]);
        somebody.batch_execute("COMMIT").await.expect("has seen enough");
        let swapped = |info: &ProcessorInfo| info.generation == 2 && info.rebuild.is_none();
        assert_eq!(site.until("swapped", swapped).await.note, None);
        assert_eq!(site.rows().await, [row("a-1", 5)]);
        site.processors.shutdown().await;
    });
}
