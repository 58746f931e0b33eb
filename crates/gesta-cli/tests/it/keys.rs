//! Keys: made, needed, revoked.

use crate::gesta::{Server, done, gesta, until};

#[test]
fn a_key_opens_its_tenant_and_a_revoked_one_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data/keys.json");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    let keys = |words: &[&str]| done(gesta().arg("keys").args(words).arg("--keys-file").arg(&file), "");
    let made = keys(&["create", "--for", "north", "--output", "json"]).ok().json();
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    let listed = keys(&["list"]).ok().out;
    assert!(listed.contains(id) && listed.contains("north") && !listed.contains(key), "{listed}");

    let server = Server::start_in(folder);
    let without = server.run(&["read"]);
    assert_eq!(without.code, 6, "{without:?}");
    let by_environment = done(server.command(&["publish", "x"]).env("GESTA_API_KEY", key), "");
    assert_eq!(by_environment.code, 0, "{by_environment:?}");
    std::fs::write(server.folder.path().join("key"), key).expect("written");
    let by_file = server.run(&["read", "--key-file", "key", "--tenant", "north", "--output", "json"]).ok();
    assert_eq!(by_file.json()["tenant"], "north");
    let foreign = server.run(&["publish", "x", "--key-file", "key", "--tenant", "south"]);
    assert_eq!(foreign.code, 6, "{foreign:?}");

    let keys = |words: &[&str]| {
        done(gesta().arg("keys").args(words).arg("--keys-file").arg(server.data().join("keys.json")), "")
    };
    assert_eq!(keys(&["revoke", "nobody"]).code, 4);
    keys(&["revoke", id]).ok();
    until("the server notices", || server.run(&["publish", "x", "--key-file", "key"]).code == 6);
}
