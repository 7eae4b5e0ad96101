//! The reasons why the servers refuse to find or create a stream or bucket.

use std::error::Error;

use async_nats::jetstream::context::{
    AccountError, AccountErrorKind, CreateStreamError, CreateStreamErrorKind, GetStreamError,
    GetStreamErrorKind, RequestError, RequestErrorKind,
};
use async_nats::jetstream::{self, ErrorCode};

use super::connect::{causes, chain};
use crate::error::OpenError;

/// The answer of the servers to a request.
#[derive(Debug)]
enum Answer {
    /// An error of JetStream.
    Refused(jetstream::Error),
    /// Nobody serves such requests.
    Nobody,
    /// There was none.
    None,
}

/// Reports whether there is no such stream or bucket.
pub(crate) fn is_absent(error: &(dyn Error + 'static)) -> bool {
    matches!(answer(error), Answer::Refused(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// Reports whether a stream or bucket could not be created because it exists, with other settings.
pub(crate) fn exists(error: &(dyn Error + 'static)) -> bool {
    matches!(answer(error), Answer::Refused(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

/// Sorts the reasons. `name` is that of the stream or bucket.
pub(crate) fn explain(name: &str, error: &(dyn Error + 'static)) -> OpenError {
    let (name, reason) = (name.to_owned(), chain(error));
    match answer(error) {
        Answer::Nobody => OpenError::NoJetStream,
        Answer::None => OpenError::Unreachable(reason),
        Answer::Refused(error) => match error.error_code() {
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                OpenError::NoJetStream
            }
            ErrorCode::CLUSTER_NO_PEERS | ErrorCode::INSUFFICIENT_RESOURCES => {
                OpenError::NoPlace { name, reason: error.to_string() }
            }
            _ if error.code() == 503 => OpenError::Unreachable(error.to_string()),
            _ => OpenError::Create { name, reason: error.to_string() },
        },
    }
}

/// Finds the answer among an error and its causes.
fn answer(error: &(dyn Error + 'static)) -> Answer {
    for cause in causes(error) {
        if let Some(error) = cause.downcast_ref::<GetStreamError>()
            && let GetStreamErrorKind::JetStream(error) = error.kind()
        {
            return Answer::Refused(error);
        }
        if let Some(error) = cause.downcast_ref::<CreateStreamError>() {
            match error.kind() {
                CreateStreamErrorKind::JetStream(error) => return Answer::Refused(error),
                CreateStreamErrorKind::JetStreamUnavailable => return Answer::Nobody,
                _ => {}
            }
        }
        if let Some(error) = cause.downcast_ref::<AccountError>() {
            match error.kind() {
                AccountErrorKind::JetStream(error) => return Answer::Refused(error),
                AccountErrorKind::JetStreamUnavailable => return Answer::Nobody,
                _ => {}
            }
        }
        if let Some(error) = cause.downcast_ref::<RequestError>()
            && error.kind() == RequestErrorKind::NoResponders
        {
            return Answer::Nobody;
        }
    }
    Answer::None
}
