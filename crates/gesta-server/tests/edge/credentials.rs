//! Who may come in: keys, permissions, tenants, and which names a server without keys answers to.

use std::path::Path;

use axum::{body::Body, extract::Request};
use gesta_server::{
    Config, Rim,
    auth::{
        Authority, Denied, Permission,
        keys::{Granted, KeysError, NewKey, list, revoke},
    },
};

use crate::support::{Edge, Keys, bearer, edge, edge_with_keys};

struct Keyed {
    edge: Edge,
    keys: Keys,
}

async fn keyed() -> (Keyed, NewKey) {
    let keys = Keys::new();
    let reader = keys.make("north", Granted::Some(vec![Permission::StreamRead]));
    let edge = edge_with_keys(|_| {}, Some(&keys.file)).await;
    (Keyed { edge, keys }, reader)
}

#[tokio::test]
async fn a_key_gives_its_tenant_and_a_name_for_the_log() {
    let (keyed, reader) = keyed().await;
    let reply = keyed.edge.get("/whoami", &bearer(&reader.key)).await;
    assert_eq!((reply.status, reply.body), (200, format!("north key:{}", reader.id)));
}

#[tokio::test]
async fn every_wrong_key_is_refused_in_the_same_words() {
    let (keyed, reader) = keyed().await;
    let mut last = reader.key.clone();
    last.pop();
    let forged = format!("gk_{}_{}", reader.id, "A".repeat(43));
    let mut bodies = Vec::new();
    for wrong in [&last, &forged, "gk_", "gk_x_y", "secret", &format!("{}x", reader.key), "gk_nobody_AAAA"] {
        let reply = keyed.edge.get("/whoami", &bearer(wrong)).await;
        assert_eq!(reply.status, 401, "{wrong}");
        assert_eq!(reply.header("www-authenticate"), Some("bearer"));
        assert!(!reply.body.contains(wrong), "the reply repeats the key");
        bodies.push(reply.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "the replies tell wrong keys apart: {bodies:?}");
    let basic = keyed.edge.get("/whoami", "authorization: Basic eDp5\r\n").await;
    assert_eq!(basic.status, 401);
    assert_eq!(keyed.edge.get("/whoami", "").await.status, 401);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let (keyed, reader) = keyed().await;
    let reply = keyed.edge.get("/quiet", &bearer(&reader.key)).await;
    assert_eq!(reply.status, 403);
    assert!(reply.body.contains("log:read-all"), "{}", reply.body);
}

#[tokio::test]
async fn a_key_opens_no_other_tenant() {
    let (keyed, reader) = keyed().await;
    let with = |tenant: &str| format!("{}gesta-tenant: {tenant}\r\n", bearer(&reader.key));
    assert_eq!(keyed.edge.get("/whoami", &with("north")).await.status, 200);
    let other = keyed.edge.get("/whoami", &with("south")).await;
    assert_eq!(other.status, 403);
    assert_eq!(keyed.edge.get("/whoami", &with("no/tenant")).await.status, 400);
}

#[tokio::test]
async fn a_revoked_key_is_out_and_a_new_one_in_without_a_restart() {
    let (keyed, reader) = keyed().await;
    let fresh = keyed.keys.make("south", Granted::All);
    revoke(&keyed.keys.file, &reader.id).expect("revoked");
    let start = std::time::Instant::now();
    while keyed.edge.get("/whoami", &bearer(&reader.key)).await.status != 401 {
        assert!(start.elapsed() < crate::support::PATIENCE, "the key still works");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(keyed.edge.get("/whoami", &bearer(&fresh.key)).await.body.starts_with("south"));
}

#[test]
fn a_lost_or_broken_keys_file_neither_opens_nor_locks_the_server() {
    let keys = Keys::new();
    let file = &keys.file;
    let reader = keys.make("north", Granted::All);
    let authority = Authority::with_keys(file).expect("readable");
    let request = |headers: &[(&str, &str)]| {
        let all =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        authority
            .identify(&all.body(Body::empty()).expect("a request"))
            .map(|caller| caller.tenant.to_string())
    };
    let value = format!("Bearer {}", reader.key);
    let key = [("authorization", &*value)];
    let spoil: [fn(&Path); 2] = [
        |file| std::fs::write(file, "{ broken").expect("written"),
        |file| {
            std::fs::remove_file(file).expect("removed");
        },
    ];
    for spoil in spoil {
        spoil(file);
        assert!(authority.reload().is_err());
        assert_eq!(request(&key), Ok("north".to_owned()));
        assert_eq!(request(&[]), Err(Denied::NoKey));
    }
}

#[tokio::test]
async fn a_server_without_keys_answers_to_loopback_names_only() {
    let edge = edge(|_| {}).await;
    let ask = async |host: &str, more: &str| {
        let mut wire = edge.connect().await;
        wire.send(&format!("GET /whoami HTTP/1.1\r\n{host}{more}\r\n")).await;
        let status = wire.reply().await.status;
        let mut wire = edge.connect().await;
        wire.send(&format!("GET /open HTTP/1.1\r\n{host}{more}\r\n")).await;
        assert_eq!(wire.reply().await.status, status, "a route that asks for no key");
        status
    };
    assert_eq!(ask("host: 127.0.0.1:8087\r\n", "").await, 200);
    assert_eq!(ask("host: evil.example\r\n", "").await, 403);
    assert_eq!(ask("host: localhost\r\n", "origin: https://evil.example\r\n").await, 403);
    assert_eq!(ask("", "").await, 403);
    let tenant = edge.get("/whoami", "gesta-tenant: north\r\n").await;
    assert_eq!(tenant.body, "north local");
}

#[tokio::test]
async fn the_network_is_not_let_in_unguarded() {
    let keys = Keys::new();
    let file = &keys.file;
    keys.make("north", Granted::All);
    let any = "0.0.0.0:8087".parse().expect("an address");
    let refused = |keys, change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        Rim::new(config, any, keys).err().map(|error| error.to_string())
    };
    let no_keys = refused(None, |_| {}).expect("refused");
    assert!(no_keys.contains("gesta keys create") && no_keys.contains("127.0.0.1"), "{no_keys}");
    let plain = refused(Some(&**file), |_| {}).expect("refused");
    assert!(plain.contains("TLS"), "{plain}");
    assert_eq!(refused(None, |config| config.allow_anyone_on_the_network = true), None);
    assert_eq!(refused(Some(&**file), |config| config.allow_plain_text_on_the_network = true), None);
    // Leave to speak plainly is no leave to go without keys.
    assert!(refused(None, |config| config.allow_plain_text_on_the_network = true).is_some());
}

#[tokio::test]
async fn a_keys_file_that_others_read_or_that_is_newer_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let keys = Keys::new();
    let file = &keys.file;
    keys.make("north", Granted::All);
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o644)).expect("set");
    let exposed = list(file).unwrap_err().to_string();
    assert!(exposed.contains("chmod 600"), "{exposed}");
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).expect("set");
    std::fs::write(file, r#"{"format":2,"keys":[],"more":1}"#).expect("written");
    assert!(list(file).unwrap_err().to_string().contains("newer"));
    std::fs::write(file, r#"{"format":1,"keys":[{}]}"#).expect("written");
    assert!(matches!(list(file), Err(KeysError::Malformed { .. })));
}

#[tokio::test]
async fn no_key_stands_in_its_file() {
    let keys = Keys::new();
    let file = &keys.file;
    let made = keys.make("north", Granted::All);
    let text = std::fs::read_to_string(file).expect("readable");
    let secret = made.key.rsplit('_').next().expect("a secret");
    assert!(!text.contains(secret) && text.contains(&made.id));
    assert!(matches!(revoke(file, "nobody"), Err(KeysError::NotFound { .. })));
}
