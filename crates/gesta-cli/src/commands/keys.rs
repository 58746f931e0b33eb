//! `gesta keys`: who may come in. Works on the keys file of a server, which notices changes within seconds.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gesta_core::Tenant;
use gesta_server::auth::{
    Permission,
    keys::{self, Granted, KeyInfo, KeysError},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    exit::{Exit, Failure, Outcome},
    output::table,
    shared::Shared,
};

/// Make, list and revoke the keys of a server
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// The data folder of the server, where keys.json is
    #[arg(long, global = true, env = "GESTA_DATA", default_value = "gesta-data", value_name = "FOLDER")]
    data: PathBuf,
    /// The keys file of the server, if it is another one
    #[arg(long, global = true, env = "GESTA_KEYS_FILE", value_name = "FILE")]
    keys_file: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a key and print it, once
    #[command(alias = "make")]
    Create {
        /// Whose events it opens
        #[arg(long = "for", default_value = "default", value_name = "TENANT")]
        tenant: Tenant,
        /// A permission it grants, such as stream:append (may repeat); everything without it
        #[arg(long = "allow", value_name = "PERMISSION")]
        permissions: Vec<Permission>,
    },
    /// List the keys, without their secrets
    List,
    /// Revoke a key
    Revoke {
        /// Its id, as list shows it
        id: String,
    },
}

#[derive(Serialize)]
struct Listed {
    keys: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    tenant: Tenant,
    permissions: Vec<String>,
    created_at: gesta_core::Timestamp,
}

impl Keys {
    pub(crate) fn run(self, shared: &Shared) -> Outcome {
        let file = &self.keys_file.unwrap_or_else(|| self.data.join("keys.json"));
        match self.verb {
            Verb::Create { tenant, permissions } => {
                let granted = if permissions.is_empty() { Granted::All } else { Granted::Some(permissions) };
                let made = keys::make(file, &tenant, granted).map_err(failure)?;
                shared.output.print(&json!({ "id": made.id, "key": made.key }), |_| {
                    eprintln!("key {} for tenant {tenant}; it is shown this once and kept nowhere:", made.id);
                    made.key.clone()
                })
            }
            Verb::List => {
                let keys = keys::list(file).map_err(failure)?;
                let listed = Listed { keys: keys.into_iter().map(shown).collect() };
                shared.output.print(&listed, text)
            }
            Verb::Revoke { id } => {
                keys::revoke(file, &id).map_err(failure)?;
                shared.output.print(&json!({ "revoked": id }), |_| format!("{id} is revoked"))
            }
        }
    }
}

fn shown(info: KeyInfo) -> Shown {
    let permissions = match info.permissions {
        Granted::All => vec!["*".to_owned()],
        Granted::Some(permissions) => permissions.iter().map(ToString::to_string).collect(),
    };
    Shown { id: info.id, tenant: info.tenant, permissions, created_at: info.created_at }
}

fn text(listed: &Listed) -> String {
    let row = |key: &Shown| {
        [key.id.clone(), key.tenant.to_string(), key.created_at.to_string(), key.permissions.join(" ")]
    };
    table(["ID", "TENANT", "CREATED AT", "PERMISSIONS"], listed.keys.iter().map(row))
}

fn failure(error: KeysError) -> Failure {
    let exit = match &error {
        KeysError::NotFound { .. } => Exit::NotFound,
        KeysError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}
