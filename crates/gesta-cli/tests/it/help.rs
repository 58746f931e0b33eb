//! The help of every command, reviewed like code.

use crate::gesta::{done, gesta};

#[test]
fn the_help_of_every_command_is_as_it_was() {
    let commands = ", serve, publish, append, read, tail, streams, event, groups, processors, processors list, \
        processors show, processors pause, processors resume, processors reset, processors rebuild, \
        processors cancel-rebuild, processors swap-back, processors dead-letters, processors dead-letters list, \
        processors dead-letters statistics, processors dead-letters replay, processors dead-letters discard, state, \
        diff, explain, stats, import, export, verify, backup, restore, copy, bench, keys, completions, keys create, \
        keys list, keys revoke, groups list, groups show, groups create, groups pull, groups ack, groups nack, \
        groups consume, groups parked, groups replay, groups discard, groups remove";
    for command in commands.split(", ") {
        let words: Vec<&str> = command.split_whitespace().collect();
        let shown = done(gesta().args(&words).arg("--help"), "").ok();
        let name = if words.is_empty() { "gesta".to_owned() } else { format!("gesta_{}", words.join("_")) };
        insta::assert_snapshot!(name, shown.out);
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let made = done(gesta().args(["completions", shell]), "").ok();
        assert!(made.out.contains("import") && made.out.contains("groups"), "{shell}");
    }
}

#[test]
fn every_setting_of_a_server_is_listed() {
    let listed = done(gesta().args(["serve", "--settings"]), "").ok();
    assert!(listed.out.contains("GESTA_MAX_CONNECTIONS") && listed.out.contains("PORT"), "{listed:?}");
}
