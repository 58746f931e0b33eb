//! TLS: the server shows a certificate, and it is looked at.

use std::{fs, path::Path, process::Command, time::Duration};

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent};
use gesta_postgres::{ConnectError, Options, PostgresStore};
use tempfile::TempDir;

use crate::{cluster::Cluster, support};

/// Two roots, and a server whose certificate the first one signed, for the name `localhost`.
struct Encrypted {
    cluster: Cluster,
    database: String,
    papers: TempDir,
}

impl Encrypted {
    async fn new() -> Self {
        let papers = TempDir::new().expect("a folder");
        for root in ["root", "stranger"] {
            openssl(
                papers.path(),
                &format!(
                    "req -x509 {KEY} -keyout {root}.key -out {root}.crt -days 2 -subj /CN={root} \
                 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
                ),
            );
        }
        openssl(
            papers.path(),
            &format!(
                "req {KEY} -keyout server.key -out server.csr -subj /CN=server -addext subjectAltName=DNS:localhost"
            ),
        );
        openssl(
            papers.path(),
            "x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2 -copy_extensions copy \
             -out server.crt",
        );
        let cluster = Cluster::start("");
        let database = cluster.database().await;
        for file in ["server.key", "server.crt"] {
            cluster.private_file(file, &fs::read_to_string(papers.path().join(file)).expect("made"));
        }
        cluster.stop_at_once();
        cluster.configure("ssl=on\nssl_cert_file='server.crt'\nssl_key_file='server.key'\n");
        cluster.up();
        // Nobody gets in without encryption.
        cluster.private_file("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n");
        cluster.reload();
        Self { cluster, database, papers }
    }

    async fn connect(&self, host: &str, query: &str) -> Result<PostgresStore, ConnectError> {
        let port = self.cluster.address().port();
        let url = format!("postgres://gesta@{host}:{port}/{}{query}", self.database);
        let options = Options::default().connect_timeout(Duration::from_secs(5));
        PostgresStore::connect(&url, options).await
    }

    fn root(&self, name: &str) -> String {
        self.papers.path().join(format!("{name}.crt")).display().to_string()
    }
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let done = command.current_dir(folder).args(arguments.split_whitespace()).output();
    let done = done.expect("openssl starts: apt-get install -y openssl");
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

fn refusal(tried: Result<PostgresStore, ConnectError>) -> ConnectError {
    match tried {
        Ok(_) => panic!("it connects"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_looked_at() {
    let server = Encrypted::new().await;
    let root = server.root("root");
    let verified = format!("?sslmode=verify-full&sslrootcert={root}");

    let store = server.connect("localhost", &verified).await.expect("connects");
    let event = NewEvent::new("tried", "{}");
    store
        .append(AppendBatch::to("tls-1".parse().expect("legal"), ExpectedVersion::Any, [event]))
        .await
        .expect("appends");
    store.close().await;

    let wrong_name = refusal(server.connect("127.0.0.1", &verified).await);
    assert!(matches!(&wrong_name, ConnectError::Tls { .. }), "{wrong_name:?}");
    assert!(wrong_name.to_string().contains("name"), "{wrong_name}");

    let stranger = format!("?sslmode=verify-full&sslrootcert={}", server.root("stranger"));
    for unknown in [stranger.as_str(), "?sslmode=verify-full", "?sslmode=require"] {
        let error = refusal(server.connect("localhost", unknown).await);
        assert!(matches!(&error, ConnectError::Tls { .. }), "{unknown}: {error:?}");
        assert!(error.to_string().contains("sslrootcert"), "it says what to do: {error}");
    }

    let plain = refusal(server.connect("localhost", "?sslmode=disable").await);
    assert!(matches!(&plain, ConnectError::Refused { .. }), "{plain:?}");

    let missing = refusal(server.connect("localhost", "?sslrootcert=/nowhere/root.crt").await);
    assert!(
        matches!(&missing, ConnectError::Tls { reason, .. } if reason.contains("/nowhere/root.crt")),
        "{missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_encryption_is_refused_where_it_is_asked_for() {
    let database = support::database().await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = refusal(
            PostgresStore::connect(&format!("{}?sslmode={mode}", database.url()), Options::default()).await,
        );
        assert!(matches!(&error, ConnectError::Tls { .. }), "{mode}: {error:?}");
        assert!(error.to_string().contains("does not support TLS"), "{error}");
    }
}
