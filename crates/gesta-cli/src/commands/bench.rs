//! `gesta bench`: how fast a server is, measured so that nothing slow is left out.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use tokio::sync::watch;

use super::publish::Durability;
use crate::{
    bench::{
        load::{self, Plan},
        report::{self, Percentiles, Report},
        request::{Request, Shape},
        subscriber::Subscriber,
        wire::Connection,
    },
    exit::{Exit, Failure, Outcome},
    progress::Progress,
    shared::Shared,
};

/// Measure a server: it writes real events, so take one of its own
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Which route
    #[arg(long, value_enum, default_value_t = Route::Publish)]
    route: Route,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,
    /// Requests a second over all connections, each due at its time whatever came before; without it each connection
    /// sends as soon as its last answer is there
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<f64>,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    duration: f64,
    /// How long to run before that, in seconds
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS", value_parser = seconds)]
    warm_up: f64,
    /// Events in one request
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=500))]
    events_per_request: u32,
    /// Bytes of an event's data, about
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    payload_bytes: u32,
    /// Over how many streams the events are spread, low numbers more often
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=99_999_999))]
    streams: u32,
    /// When an event may be acknowledged
    #[arg(long, value_enum, default_value_t = Durability::Durable)]
    durability: Durability,
    /// Follow the log meanwhile and measure from sender to subscriber
    #[arg(long)]
    subscriber: bool,
    /// Threads of the generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Route {
    /// POST /api/v1/events/publish, or …/batch
    Publish,
    /// POST /api/v1/streams/{stream}
    Append,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n| (0.0..=86_400.0).contains(n)).ok_or_else(|| "use 0 to 86400".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n| (0.001..=1e6).contains(n)).ok_or_else(|| "use 0.001 to 1000000".to_owned())
}

/// Where the server is, for somebody who speaks to it without a client.
struct Server {
    address: SocketAddr,
    authority: String,
    base_path: String,
    headers: String,
}

impl Bench {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let (output, server) = (shared.output, Server::of(shared).await?);
        let threads = usize::try_from(self.threads).expect("few");
        let whole = Duration::from_secs_f64(self.warm_up + self.duration);
        // Threads of its own, so that their number is what was asked for.
        let measuring = std::thread::spawn(move || {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(threads)
                .enable_all()
                .build()
                .map_err(|error| Failure::failed(format!("no threads to run on: {error}")))?
                .block_on(self.measure(&server))
        });
        let measured = shown(whole, tokio::task::spawn_blocking(move || measuring.join())).await;
        let measured = measured.map_err(|_| Failure::failed("the generator was stopped"))?;
        let report = measured.map_err(|_| Failure::failed("the generator broke"))??;
        output.print(&report, Report::text)?;
        match (report.requests, report.failed.is_empty()) {
            (0, _) => Err(Failure::new(Exit::Unavailable, "no request succeeded")),
            (_, false) => Err(Failure::failed("some requests failed: see above")),
            _ => Ok(()),
        }
    }

    async fn measure(self, server: &Server) -> Result<Report, Failure> {
        let shape = self.shape(server);
        let mut request = Request::new(&shape);
        server.try_once(&mut request).await?;
        let epoch = Instant::now();
        let subscriber = if self.subscriber { Some(server.follow(epoch).await?) } else { None };
        let plan = Plan {
            address: server.address,
            connections: usize::try_from(self.connections).expect("few"),
            rate: self.rate,
            warm_up: Duration::from_secs_f64(self.warm_up),
            duration: Duration::from_secs_f64(self.duration),
            streams: self.streams,
        };
        let cpu = report::cpu_seconds();
        if let Some(following) = &subscriber {
            following.from.send_replace(epoch.elapsed() + plan.warm_up);
        }
        let measured = load::run(plan, &request, epoch).await.map_err(|error| server.lost(&error))?;
        let end_to_end = match subscriber {
            Some(following) => Some(following.finish().await),
            None => None,
        };
        let cpu = report::cpu_seconds() - cpu;
        Ok(self.report(server, &measured, end_to_end, cpu))
    }

    fn shape(&self, server: &Server) -> Shape {
        Shape {
            append: self.route == Route::Append,
            events: usize::try_from(self.events_per_request).expect("few"),
            payload_bytes: usize::try_from(self.payload_bytes).expect("few"),
            relaxed: self.durability == Durability::Relaxed,
            authority: server.authority.clone(),
            base_path: server.base_path.clone(),
            headers: server.headers.clone(),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^52")]
    fn report(
        &self,
        server: &Server,
        measured: &load::Measured,
        end_to_end: Option<Percentiles>,
        cpu: f64,
    ) -> Report {
        let seconds = measured.took.as_secs_f64();
        let events = measured.succeeded * u64::from(self.events_per_request);
        Report {
            server: format!("http://{}{}", server.authority, server.base_path),
            route: if self.route == Route::Append { "append" } else { "publish" },
            mode: if self.rate.is_some() { "fixed_rate" } else { "closed" },
            connections: usize::try_from(self.connections).expect("few"),
            requested_rate: self.rate,
            events_per_request: usize::try_from(self.events_per_request).expect("few"),
            payload_bytes: usize::try_from(self.payload_bytes).expect("few"),
            durability: if self.durability == Durability::Relaxed { "relaxed" } else { "durable" },
            streams: self.streams,
            warm_up_seconds: self.warm_up,
            seconds,
            requests: measured.succeeded,
            events,
            failed: measured.failed.clone(),
            unanswered: measured.unanswered,
            requests_per_second: (measured.succeeded as f64 / seconds).round(),
            events_per_second: (events as f64 / seconds).round(),
            latency_ms: Percentiles::from(&measured.latency),
            end_to_end_ms: end_to_end,
            generator_threads: usize::try_from(self.threads).expect("few"),
            generator_cpu_seconds: cpu,
        }
    }
}

/// Waits for the end, and shows meanwhile how far it is.
async fn shown<T>(whole: Duration, work: impl Future<Output = T>) -> T {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (begun, mut work) = (Instant::now(), std::pin::pin!(work));
    let mut progress = Progress::new("bench", Some(millis(whole)));
    let mut look = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = look.tick() => {
                let at = begun.elapsed();
                progress.at(millis(at), || format!("{} s", at.as_secs()));
            }
        }
    }
}

/// A subscriber at work.
struct Following {
    from: watch::Sender<Duration>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<hdrhistogram::Histogram<u64>>,
}

impl Following {
    /// Waits a moment for what is on its way, then stops.
    async fn finish(self) -> Percentiles {
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.stop.send_replace(true);
        Percentiles::from(&self.task.await.unwrap_or_else(|_| load::histogram()))
    }
}

impl Server {
    async fn of(shared: &Shared) -> Result<Self, Failure> {
        let client = shared.client()?;
        let bare = client.server().strip_prefix("http://").unwrap_or_default();
        let (authority, base_path) =
            bare.split_once('/').map_or((bare, String::new()), |(a, p)| (a, format!("/{p}")));
        let with_port = if authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let unknown = |reason: &dyn std::fmt::Display| {
            Failure::new(Exit::Unavailable, format!("{authority} is not found: {reason}"))
        };
        let address = tokio::net::lookup_host(&with_port)
            .await
            .map_err(|error| unknown(&error))?
            .next()
            .ok_or_else(|| unknown(&"it has no address"))?;
        let mut headers = format!("gesta-tenant: {}\r\n", shared.tenant());
        if let Some(key) = shared.key_text()? {
            headers += &format!("authorization: Bearer {key}\r\n");
        }
        Ok(Self { address, authority: authority.to_owned(), base_path, headers })
    }

    fn lost(&self, error: &std::io::Error) -> Failure {
        let server = &self.authority;
        Failure::new(
            Exit::Unavailable,
            format!("http://{server} cannot be measured: {error}; does a server run there?"),
        )
    }

    /// One request before all others: a server that refuses is not worth a run.
    async fn try_once(&self, request: &mut Request) -> Result<(), Failure> {
        let mut connection = Connection::open(self.address).await.map_err(|error| self.lost(&error))?;
        let status = connection.call(request.patched(0, 0)).await.map_err(|error| self.lost(&error))?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        let problem: Option<gesta_api::Problem> = serde_json::from_slice(connection.body()).ok();
        let detail = problem.map_or_else(String::new, |problem| format!(": {}", problem.detail));
        let exit = if matches!(status, 401 | 403) { Exit::Denied } else { Exit::Failed };
        Err(Failure::new(exit, format!("the server answered {status}{detail}")))
    }

    async fn follow(&self, epoch: Instant) -> Result<Following, Failure> {
        let subscriber =
            Subscriber::open(self.address, &self.base_path, &self.authority, &self.headers).await;
        let subscriber = subscriber.map_err(|error| self.lost(&error))?;
        let (from, from_receiver) = watch::channel(Duration::MAX);
        let (stop, stop_receiver) = watch::channel(false);
        let task = tokio::spawn(subscriber.run(epoch, from_receiver, stop_receiver));
        Ok(Following { from, stop, task })
    }
}
