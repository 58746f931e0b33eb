//! What every command shares: the server it talks to, for whom, and how it prints.

use std::path::PathBuf;

use clap::Args;
use gesta_client::{ApiKey, Client};
use gesta_core::Tenant;

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

/// The environment variable that holds a key. A key is never an argument: arguments are readable by others.
const KEY_VARIABLE: &str = "GESTA_API_KEY";

/// What every command shares.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shared options")]
pub(crate) struct Shared {
    /// The server to talk to
    #[arg(long, global = true, env = "GESTA_URL", default_value = "http://127.0.0.1:8087")]
    url: String,
    /// A file that holds the key
    #[arg(long, global = true, env = "GESTA_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Whose events; a server that knows keys takes it from the key
    #[arg(long, global = true, env = "GESTA_TENANT")]
    tenant: Option<Tenant>,
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

impl Shared {
    /// The server, with key and tenant.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let client = Client::new(&self.url).map_err(Failure::usage)?;
        let client = match self.key()? {
            Some(key) => client.with_key(key),
            None => client,
        };
        Ok(match &self.tenant {
            Some(tenant) => client.for_tenant(tenant.clone()),
            None => client,
        })
    }

    /// The key, from the file or the environment, checked.
    fn key(&self) -> Result<Option<ApiKey>, Failure> {
        let parse = |text: String| text.parse().map_err(|error| Failure::new(Exit::Denied, error));
        self.key_text()?.map(parse).transpose()
    }

    /// The key as text, for a caller that writes its own requests.
    pub(crate) fn key_text(&self) -> Result<Option<String>, Failure> {
        let Some(file) = &self.key_file else {
            return Ok(std::env::var(KEY_VARIABLE)
                .ok()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty()));
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Exit::Denied, format!("the key file {} cannot be read: {error}", file.display()))
        })?;
        Ok(Some(text.trim().to_owned()))
    }

    /// The tenant that is meant.
    pub(crate) fn tenant(&self) -> Tenant {
        self.tenant.clone().unwrap_or_default()
    }
}
