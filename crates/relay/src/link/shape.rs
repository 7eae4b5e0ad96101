//! The shape of the stream: what it must be for the protocol to hold.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType,
};

use super::refusal;
use crate::error::OpenError;
use crate::settings::Settings;

/// Time for which the servers remember ids to recognise repeats. As short as they allow: after a loss
/// the same bytes are published again, and must be stored.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

/// Bytes that a message of the stream may have at least: in smaller ones there would be no room for a
/// large batch even in parts, beside the headers.
const MIN_MESSAGE: i32 = 4096;

/// Creates the stream if it is absent and may be created, and checks its shape otherwise.
pub(crate) async fn ensure(context: &Context, settings: &Settings) -> Result<(), OpenError> {
    let name = format!("the stream {}", settings.stream);
    let refused = |error: &(dyn Error + 'static)| refusal::explain(&name, error);
    let stream = match context.get_stream(&settings.stream).await {
        Err(error) if refusal::is_absent(&error) => {
            if !settings.may_create {
                return Err(OpenError::Absent(name));
            }
            match context.create_stream(wanted(settings)).await {
                Ok(stream) => {
                    tracing::info!(stream = settings.stream, "the stream is created");
                    Ok(stream)
                }
                // Another node has just created it, with other limits.
                Err(error) if refusal::exists(&error) => {
                    context.get_stream(&settings.stream).await.map_err(|error| refused(&error))
                }
                Err(error) => Err(refused(&error)),
            }
        }
        found => found.map_err(|error| refused(&error)),
    }?;
    match difference(&stream.cached_info().config, settings) {
        None => Ok(()),
        Some(difference) => Err(OpenError::Shape { stream: settings.stream.clone(), difference }),
    }
}

fn wanted(settings: &Settings) -> Config {
    let max_bytes = i64::try_from(settings.max_bytes).unwrap_or(i64::MAX);
    Config {
        name: settings.stream.clone(),
        subjects: vec![settings.subject()],
        description: Some("Batches of certstream-server".to_owned()),
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_bytes: if max_bytes == 0 { -1 } else { max_bytes },
        max_messages: -1,
        max_messages_per_subject: -1,
        max_age: settings.max_age,
        num_replicas: settings.replicas,
        duplicate_window: DUPLICATE_WINDOW,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    }
}

/// Returns what of an existing stream the protocol cannot bear. Its limits and replicas are the
/// operator's.
fn difference(found: &Config, settings: &Settings) -> Option<String> {
    let subject = settings.subject();
    let rules = [
        (found.mirror.is_none(), "it is a mirror"),
        (found.sources.as_ref().is_none_or(Vec::is_empty), "it has sources"),
        (found.storage == StorageType::File, "its storage is not `file`"),
        (found.retention == RetentionPolicy::Limits, "its retention is not `limits`"),
        (found.discard == DiscardPolicy::Old, "it does not discard old messages first"),
        (found.max_messages_per_subject <= 0, "it limits messages per subject"),
        (
            found.max_message_size <= 0 || found.max_message_size >= MIN_MESSAGE,
            "its messages may have less than 4096 bytes",
        ),
        (!found.allow_rollup, "it allows roll-ups"),
        (found.deny_delete, "it allows messages to be deleted"),
        (found.deny_purge, "it allows to be purged"),
        (!found.sealed, "it is sealed"),
        (!found.no_ack, "it acknowledges nothing"),
        (found.subject_transform.is_none(), "it transforms subjects"),
        (!found.allow_message_ttl, "its messages may have times to live"),
        (!matches!(found.persist_mode, Some(PersistenceMode::Async)), "its persistence is `async`"),
        (
            found.duplicate_window <= Duration::from_secs(1),
            "it remembers ids for more than a second",
        ),
    ];
    if let Some((_, text)) = rules.iter().find(|(holds, _)| !holds) {
        return Some((*text).to_owned());
    }
    let has_subject = found.subjects == [subject.clone()];
    (!has_subject).then(|| format!("its subjects are {:?} instead of {subject}", found.subjects))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new(Vec::new(), "ct")
    }

    #[test]
    fn what_is_created_has_the_shape_that_is_required() {
        let settings = settings();
        assert_eq!(difference(&wanted(&settings), &settings), None);
    }

    #[test]
    fn every_other_shape_is_named() {
        let settings = settings();
        let changes: [fn(&mut Config); 10] = [
            |config| config.storage = StorageType::Memory,
            |config| config.retention = RetentionPolicy::Interest,
            |config| config.discard = DiscardPolicy::New,
            |config| config.allow_rollup = true,
            |config| config.deny_delete = false,
            |config| config.deny_purge = false,
            |config| config.subjects.push("other".to_owned()),
            |config| config.persist_mode = Some(PersistenceMode::Async),
            |config| config.duplicate_window = Duration::from_secs(120),
            |config| config.max_message_size = MIN_MESSAGE - 1,
        ];
        let mut seen = Vec::new();
        for change in changes {
            let mut config = wanted(&settings);
            change(&mut config);
            let difference = difference(&config, &settings).unwrap();
            assert!(!seen.contains(&difference), "{difference}");
            seen.push(difference);
        }
    }

    #[test]
    fn limits_and_replicas_are_the_operators() {
        let settings = settings();
        let max_message_size = MIN_MESSAGE;
        let config =
            Config { max_bytes: 5, num_replicas: 3, max_message_size, ..wanted(&settings) };
        assert_eq!(difference(&config, &settings), None);
    }
}
