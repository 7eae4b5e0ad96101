//! Fetching a list, and its signature where it has one.

use std::time::Duration;

use ct::log_list::{ListError, LogList, MAX_LIST_BYTES};
use ct::signature::PublicKey;
use ctclient::Client;

use super::error::CatalogueError;

/// Bound of a signature: RSA-8192.
const LARGEST_SIGNATURE: usize = 1024;
/// The wait before list and signature are fetched again because they do not agree.
const DISAGREEMENT: Duration = Duration::from_secs(2);

/// A list that may be used.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) list: LogList,
    /// The list's text, which is what the signature covers.
    pub(super) text: String,
    pub(super) signature: Option<Vec<u8>>,
}

/// Fetches the list at `url`, signed by `key`.
pub(super) async fn signed(
    client: &Client,
    url: &str,
    key: &PublicKey,
) -> Result<Fetched, CatalogueError> {
    match signed_once(client, url, key).await {
        // List and signature are two files: while a new one is published they disagree for some
        // seconds.
        Err(CatalogueError::Signature { .. }) => {
            tokio::time::sleep(DISAGREEMENT).await;
            signed_once(client, url, key).await
        }
        first => first,
    }
}

async fn signed_once(
    client: &Client,
    url: &str,
    key: &PublicKey,
) -> Result<Fetched, CatalogueError> {
    let bytes = client.get(url, MAX_LIST_BYTES).await?;
    let signature = client.get(&signature_url(url), LARGEST_SIGNATURE).await;
    let signature =
        signature.map_err(|source| CatalogueError::NoSignature { url: url.to_owned(), source })?;
    verify(url, key, &bytes, &signature)?;
    let (list, text) = read(url, &bytes)?;
    Ok(Fetched { list, text, signature: Some(signature.to_vec()) })
}

/// Fetches the list at `url`, which has no signature.
pub(super) async fn unsigned(client: &Client, url: &str) -> Result<Fetched, CatalogueError> {
    let bytes = client.get(url, MAX_LIST_BYTES).await?;
    let (list, text) = read(url, &bytes)?;
    Ok(Fetched { list, text, signature: None })
}

pub(super) fn verify(
    url: &str,
    key: &PublicKey,
    list: &[u8],
    signature: &[u8],
) -> Result<(), CatalogueError> {
    key.verify_sha256(list, signature)
        .map_err(|source| CatalogueError::Signature { url: url.to_owned(), source })
}

pub(super) fn read(url: &str, bytes: &[u8]) -> Result<(LogList, String), CatalogueError> {
    let error = |source| CatalogueError::List { url: url.to_owned(), source };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| error(ListError::Json("the list is not UTF-8".to_owned())))?;
    LogList::parse(bytes).map(|list| (list, text.to_owned())).map_err(error)
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
