//! The signed log list: which logs there are.

use std::sync::Arc;
use std::time::Duration;

use ct::log_list::{ListError, LogList, LogType, State, Version};
use ct::signature::{PublicKey, SignatureError};

use crate::client::{Client, FetchError};
use crate::log::{Log, Protocol};

/// Chrome's log list.
pub const CHROME_LIST_URL: &str = "https://www.gstatic.com/ct/log_list/v3/log_list.json";

/// Bound of a list: the longest published one is under 1 MB.
const LARGEST_LIST: usize = 8 * 1024 * 1024;
/// Bound of a signature: RSA-8192.
const LARGEST_SIGNATURE: usize = 1024;

/// Which list, and which of its logs.
#[derive(Debug, Clone)]
pub struct CatalogueOptions {
    /// Where the list is; its signature lies beside it, `.json` replaced by `.sig`.
    pub url: String,
    /// The key that signs it.
    pub key: PublicKey,
    /// The names of the states whose logs are followed, such as `usable`.
    pub states: Vec<String>,
    /// Whether RFC 6962 logs are followed.
    pub rfc6962: bool,
    /// Whether static-ct logs are followed.
    pub static_ct: bool,
    /// How often the list is fetched again; zero for never.
    pub refresh: Duration,
}

/// Why there is no (new) log list.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// List or signature could not be fetched.
    #[error("log list: {0}")]
    Fetch(#[from] FetchError),
    /// The bytes are not what the key signed.
    #[error("log list {url}: the signature does not verify: {source}")]
    Signature {
        /// The list.
        url: String,
        /// What the check found.
        source: SignatureError,
    },
    /// Signed, but not a list this program understands.
    #[error("log list {url}: {source}")]
    List {
        /// The list.
        url: String,
        /// What is wrong with it.
        source: ListError,
    },
    /// Older than the one in use.
    #[error("log list {url}: version {offered} is older than {current}, which is in use")]
    RolledBack {
        /// The list.
        url: String,
        /// The version just fetched.
        offered: Version,
        /// The version in use.
        current: Version,
    },
}

/// Fetches the list and remembers the version in use, so that it never goes back.
#[derive(Debug)]
pub(crate) struct Catalogue {
    options: CatalogueOptions,
    client: Arc<Client>,
    current: Option<Version>,
}

impl Catalogue {
    pub(crate) const fn new(options: CatalogueOptions, client: Arc<Client>) -> Self {
        Self { options, client, current: None }
    }

    pub(crate) const fn options(&self) -> &CatalogueOptions {
        &self.options
    }

    /// The logs to follow, by the list as it is now.
    pub(crate) async fn fetch(&mut self) -> Result<Vec<Log>, CatalogueError> {
        let list = match self.fetch_list().await {
            // List and signature are two files: while a new one is published they disagree for
            // some seconds.
            Err(CatalogueError::Signature { .. }) => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                self.fetch_list().await
            }
            first => first,
        }?;
        let url = &self.options.url;
        if let (Some(current), Some(offered)) = (self.current, list.version)
            && offered < current
        {
            return Err(CatalogueError::RolledBack { url: url.clone(), offered, current });
        }
        for skipped in &list.skipped {
            tracing::debug!(url, what = skipped.what, why = %skipped.why, "log list entry skipped");
        }
        self.current = list.version.or(self.current);
        Ok(self.select(&list))
    }

    async fn fetch_list(&self) -> Result<LogList, CatalogueError> {
        let url = &self.options.url;
        let list = self.client.get(url, LARGEST_LIST).await?;
        let signature = self.client.get(&signature_url(url), LARGEST_SIGNATURE).await?;
        self.options
            .key
            .verify_sha256(&list, &signature)
            .map_err(|source| CatalogueError::Signature { url: url.clone(), source })?;
        LogList::parse(&list).map_err(|source| CatalogueError::List { url: url.clone(), source })
    }

    fn select(&self, list: &LogList) -> Vec<Log> {
        let options = &self.options;
        let wanted = list.logs.iter().filter(|log| {
            let state = log.state.as_ref().map_or("", state_name);
            log.log_type == LogType::Prod && options.states.iter().any(|wanted| wanted == state)
        });
        let usable = wanted.filter_map(|listed| {
            Log::from_list(listed)
                .inspect_err(|error| tracing::warn!(%error, "log of the list cannot be followed"))
                .ok()
        });
        usable
            .filter(|log| match log.protocol {
                Protocol::Rfc6962 => options.rfc6962,
                Protocol::StaticCt => options.static_ct,
            })
            .collect()
    }
}

/// The state as the list spells it.
fn state_name(state: &State) -> &str {
    match state {
        State::Pending => "pending",
        State::Qualified => "qualified",
        State::Usable => "usable",
        State::ReadOnly { .. } => "readonly",
        State::Retired => "retired",
        State::Rejected => "rejected",
        State::Unknown(name) => name,
    }
}

fn signature_url(list_url: &str) -> String {
    let stem = list_url.strip_suffix(".json").unwrap_or(list_url);
    format!("{stem}.sig")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_lies_beside_the_list() {
        assert_eq!(signature_url("http://a/log_list.json"), "http://a/log_list.sig");
        assert_eq!(signature_url("http://a/list"), "http://a/list.sig");
    }
}
