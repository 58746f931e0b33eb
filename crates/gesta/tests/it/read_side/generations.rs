use gesta::ProcessorsError;

use super::*;

async fn swapped(site: &Site, generation: u64) -> ProcessorInfo {
    site.until("swapped", |info| info.generation == generation && info.rebuild.is_none()).await
}

/// A reader and a writer at full speed see no empty, mixed or earlier read model while it is rebuilt and swapped back.
pub(crate) async fn readers_see_no_gap_while_it_is_rebuilt(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 500).await;
    site.wait(position).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, stop, processors) = (site.store.clone(), stop.clone(), site.processors.clone());
        async move {
            let mut written = 500;
            while !stop.load(Ordering::Relaxed) {
                let position = append(&store, "a-1", 10).await;
                written += 10;
                // Not faster than what is at work: a rebuild has to catch up with it some time.
                processors.wait_for(NAME, position, PATIENCE).await.expect("goes on");
            }
            written
        }
    });
    let reader = tokio::spawn({
        let (models, stop) = (site.store.read_models(), stop.clone());
        async move {
            let (mut seen, mut looks) = (500, 0);
            while !stop.load(Ordering::Relaxed) {
                let rows = models.query("SELECT n, last FROM tallies".into()).await.expect("never refused");
                let (n, last): (i64, i64) =
                    (rows[0].get("n").expect("n"), rows[0].get("last").expect("last"));
                assert_eq!(n, last, "a mixed read model");
                assert!(n >= seen, "back from {seen} to {n}");
                (seen, looks) = (n, looks + 1);
            }
            looks
        }
    });
    site.processors.rebuild("tally").await.expect("begins");
    let info = swapped(&site, 2).await;
    assert_eq!(info.previous, Some(1));
    site.processors.swap_back("tally").await.expect("begins");
    assert_eq!(swapped(&site, 1).await.previous, Some(2));
    site.processors.rebuild("tally").await.expect("begins");
    assert_eq!(swapped(&site, 3).await.previous, Some(1));
    stop.store(true, Ordering::Relaxed);
    assert!(reader.await.expect("sees no gap") > 0);
    let written = writer.await.expect("writes");
    let last = site.append("b-1", 1).await;
    site.wait(last).await;
    assert_eq!(site.rows().await, [row("a-1", written), row("b-1", 1)]);
}

pub(crate) async fn an_interrupted_rebuild_goes_on_and_shows_how_far_it_is(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 30).await;
    site.wait(position).await;
    site.processors.pause(NAME).await.expect("pauses");
    let info = site.processors.rebuild(NAME).await.expect("begins");
    assert_eq!(info.rebuild.expect("runs").generation, 2);
    let again = site.processors.rebuild(NAME).await;
    assert_eq!(again, Err(ProcessorsError::Rebuilding { name: NAME.into(), generation: 2 }));
    let site = site.restart().await;
    let rebuild = site.info().rebuild.expect("still there");
    assert_eq!((rebuild.generation, rebuild.done, rebuild.of), (2, Position::START, position));
    assert_eq!(site.rows().await, [row("a-1", 30)]);
    site.processors.resume(NAME).await.expect("goes on");
    swapped(&site, 2).await;
    assert_eq!(site.rows().await, [row("a-1", 30)]);
}

pub(crate) async fn a_changed_projection_is_rebuilt_at_the_next_start_and_answers_meanwhile(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 30).await;
    site.wait(position).await;
    site.processors.pause(NAME).await.expect("pauses");
    site.knobs.version.store(2, Ordering::Relaxed);
    let site = site.restart().await;
    let info = site.info();
    assert!(info.note.expect("says so").contains("changed"));
    assert_eq!((info.generation, info.rebuild.expect("begun").generation), (1, 2));
    assert_eq!(site.rows().await, [row("a-1", 30)]);
    site.processors.resume(NAME).await.expect("goes on");
    let info = swapped(&site, 2).await;
    assert_eq!((info.note, info.previous), (None, Some(1)));
    let position = site.append("a-1", 1).await;
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 31)]);

    // The old program again: its own generation is taken up, not built anew.
    site.knobs.version.store(0, Ordering::Relaxed);
    let site = site.restart().await;
    assert_eq!(swapped(&site, 1).await.previous, Some(2));
    assert_eq!(site.rows().await, [row("a-1", 31)]);
}

pub(crate) async fn what_another_definition_built_can_be_put_back_and_stays(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 5).await;
    site.wait(position).await;
    site.knobs.version.store(2, Ordering::Relaxed);
    let site = site.restart().await;
    swapped(&site, 2).await;
    let info = site.processors.swap_back(NAME).await.expect("puts it back");
    assert_eq!((info.generation, info.previous), (1, Some(2)));
    assert!(info.note.expect("says so").contains("stays as it stands"));
    let site = site.restart().await;
    let position = site.append("a-1", 1).await;
    assert_eq!((site.info().generation, site.rows().await), (1, vec![row("a-1", 5)]));
    let error = site.processors.wait_for(NAME, position, PATIENCE).await.expect_err("it does not go on");
    assert!(error.to_string().contains("put back"), "{error}");
    site.processors.swap_back(NAME).await.expect("forward again");
    swapped(&site, 2).await;
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 6)]);
}

pub(crate) async fn a_rebuild_that_cannot_go_on_says_why_and_gives_way_to_another(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("bad-1", 2).await;
    site.wait(position).await;
    let nothing = site.processors.swap_back(NAME).await;
    assert_eq!(nothing, Err(ProcessorsError::NothingBefore { name: NAME.into(), generation: 1 }));
    site.knobs.picky.store(true, Ordering::Relaxed);
    site.processors.rebuild(NAME).await.expect("begins");
    let failed = |info: &ProcessorInfo| {
        info.rebuild
            .as_ref()
            .is_some_and(|rebuild| matches!(rebuild.status.state, ProcessorState::Stopped { .. }))
    };
    let info = site.until("failed", failed).await;
    assert!(
        info.rebuild
            .and_then(|rebuild| rebuild.status.last_error)
            .is_some_and(|said| said.contains("it is bad"))
    );
    assert_eq!((info.generation, site.rows().await), (1, vec![row("bad-1", 2)]));
    site.knobs.picky.store(false, Ordering::Relaxed);
    site.processors.rebuild(NAME).await.expect("begins anew");
    assert_eq!(swapped(&site, 3).await.previous, Some(1));
}

pub(crate) async fn a_reset_empties_it_and_fills_it_again(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 5).await;
    site.wait(position).await;
    let info = site.processors.reset(NAME).await.expect("resets");
    assert_eq!((info.generation, info.previous), (2, None));
    site.wait(position).await;
    assert_eq!(site.rows().await, [row("a-1", 5)]);
    let site = site.restart().await;
    assert_eq!(site.rows().await, [row("a-1", 5)]);
}

pub(crate) async fn a_definition_that_cannot_be_run_is_refused_when_it_is_added(on: Place) {
    struct Odd(&'static str, &'static str);
    impl Projection for Odd {
        fn name(&self) -> &str {
            self.0
        }
        fn filter(&self) -> Filter {
            Filter::default()
        }
        fn tables(&self) -> Vec<Table> {
            let create = self.1;
            if create.is_empty() { vec![] } else { vec![Table::new("odd", create)] }
        }
        fn project(&self, _: &RecordedEvent, _: &mut Rows) -> Result<(), ProjectionError> {
            Ok(())
        }
    }
    let site = Site::new(on).await;
    let add = async |name, create| site.processors.add_projection(Odd(name, create), quick()).await;
    for (name, create) in [
        ("a/b", "CREATE TABLE {odd} (x TEXT)"),
        ("no-tables", ""),
        ("undeclared", "CREATE TABLE {other} (x TEXT)"),
        ("no-sql", "MAKE A TABLE {odd}"),
        ("not-ours", "CREATE TABLE {odd} AS SELECT * FROM leases"),
    ] {
        let refused = add(name, create).await;
        assert!(matches!(refused, Err(ProcessorsError::Illegal { .. })), "{name}: {refused:?}");
    }
}

pub(crate) async fn a_rebuild_can_be_given_up_and_a_swap_back_kept_for_later(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("a-1", 30).await;
    site.wait(position).await;
    let nothing = site.processors.cancel_rebuild(NAME).await;
    assert_eq!(nothing, Err(ProcessorsError::NothingBuilt { name: NAME.into() }));
    site.processors.pause(NAME).await.expect("pauses");
    site.processors.rebuild(NAME).await.expect("begins");
    let info = site.processors.cancel_rebuild("tally").await.expect("is given up");
    assert_eq!((info.generation, info.previous, info.rebuild), (1, None, None));
    let gone = site.store.read_models().query("SELECT * FROM tallies__2".into()).await;
    assert!(gone.is_err(), "its tables are dropped");
    let site = site.restart().await;
    assert_eq!((site.info().generation, site.info().rebuild), (1, None));
    site.processors.resume(NAME).await.expect("goes on");
    site.processors.rebuild(NAME).await.expect("begins");
    swapped(&site, 3).await;
    site.processors.pause(NAME).await.expect("pauses");
    assert_eq!(site.processors.swap_back(NAME).await.expect("begins").previous, None);
    let info = site.processors.cancel_rebuild(NAME).await.expect("is given up");
    assert_eq!((info.generation, info.previous), (3, Some(1)), "what was at work before is kept");
    site.processors.resume(NAME).await.expect("goes on");
    site.processors.swap_back(NAME).await.expect("begins");
    swapped(&site, 1).await;
    assert_eq!(site.rows().await, [row("a-1", 30)]);
}

/// Putting an old definition back ends a rebuild that has failed, with what runs of it and its tables.
pub(crate) async fn a_failed_rebuild_does_not_outlive_a_swap_to_another_definition(on: Place) {
    let site = Site::new(on).await;
    let position = site.append("bad-1", 2).await;
    site.wait(position).await;
    site.knobs.version.store(2, Ordering::Relaxed);
    let site = site.restart().await;
    swapped(&site, 2).await;
    site.knobs.picky.store(true, Ordering::Relaxed);
    site.processors.rebuild(NAME).await.expect("begins");
    site.until("failed", |info| {
        info.rebuild.as_ref().is_some_and(|rebuild| rebuild.status.last_error.is_some())
    })
    .await;
    let info = site.processors.swap_back(NAME).await.expect("puts it back");
    assert_eq!((info.generation, info.rebuild), (1, None));
    assert!(site.store.read_models().query("SELECT * FROM tallies__3".into()).await.is_err());
}
